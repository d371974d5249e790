/** Who is calling: from the text of an API key to a caller, or why not. */
import { createHash } from 'node:crypto';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { Role } from './context.ts';
import { type Caller, scopesOf } from './roles.ts';

const API_KEY = /^cdz_[A-Za-z0-9_-]{43}$/;

export type Authentication =
  | { ok: true; caller: Caller }
  | { ok: false; reason: 'unknown' }
  | { ok: false; reason: 'revoked' | 'expired' | 'closed'; caller: Caller };

interface Found {
  org_id: Uuid;
  id: Uuid;
  name: string;
  role: Role;
  scopes: string[];
  member_id: Uuid | null;
  state: 'valid' | 'revoked' | 'expired' | 'closed';
}

export function isApiKey(text: string): boolean {
  return API_KEY.test(text);
}

/** A key has 256 random bits, so one plain SHA-256 is enough: there is nothing to guess. */
export function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

export async function authenticate(
  db: Database,
  key: string,
  from: { request_id?: string; ip?: string } = {},
): Promise<Authentication> {
  if (!isApiKey(key)) return { ok: false, reason: 'unknown' };
  const [found] = await db.call<Found>(sql`SELECT * FROM authenticate_api_key(${hashOf(key)})`);
  if (!found) return { ok: false, reason: 'unknown' };
  const caller: Caller = {
    org: found.org_id,
    actor: { type: 'api_key', id: found.id, name: found.name },
    role: found.role,
    scopes: scopesOf(found.role, found.scopes),
    member_id: found.member_id,
    ...from,
  };
  return found.state === 'valid' ? { ok: true, caller } : { ok: false, reason: found.state, caller };
}
