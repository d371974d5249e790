/** API keys: `cdz_` and 256 random bits, shown once, kept as a hash here and in `directory` (TEN-7). */
import { randomBytes } from 'node:crypto';
import type { Database, Tx } from '../db/database.ts';
import { type Sql, sql } from '../db/sql.ts';
import { newId, type Uuid } from '../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../kernel/page.ts';
import { notFound, Problem } from '../kernel/problem.ts';
import { audit } from './audit.ts';
import { hashOf } from './authenticate.ts';
import { actorText, type Role } from './context.ts';
import { type Caller, isWithin, requireRank, type Scope, scopesOf } from './roles.ts';

const ORDER = listOrder('api_keys', ['uuid']);

/** What is shown to recognise a key by: `cdz_` and 8 of its 43 characters. */
const PREFIX_LENGTH = 12;

export interface ApiKey {
  id: Uuid;
  name: string;
  prefix: string;
  role: Role;
  scopes: Scope[];
  /** Whose it is: the caller is then this member. */
  member_id: Uuid | null;
  created_by: string;
  created_at: Date;
  expires_at: Date | null;
  last_used_at: Date | null;
  revoked_at: Date | null;
}

export interface NewApiKey {
  name: string;
  role: Role;
  /** Empty: all that the role has. */
  scopes?: Scope[] | undefined;
  expires_at?: Date | null | undefined;
  member_id?: Uuid | null | undefined;
}

const columns: Sql = sql`id, name, prefix, role, scopes, member_id, created_by, created_at, expires_at, last_used_at, revoked_at`;

/** @throws Problem forbidden (more than the caller has), invalid_request */
function checkGrant(caller: Caller, wanted: NewApiKey): void {
  requireRank(caller, wanted.role);
  const scopes = wanted.scopes ?? [];
  const granted = scopesOf(wanted.role, scopes);
  const lacking = scopes.filter((scope) => !granted.includes(scope));
  if (lacking.length > 0)
    throw new Problem('invalid_request', `The role ${wanted.role} does not have ${lacking.join(', ')}`, {
      errors: [{ field: 'scopes', code: 'not_in_role', message: `Not in the role: ${lacking.join(', ')}` }],
    });
  const missing = granted.filter((scope) => !caller.scopes.includes(scope));
  if (missing.length > 0)
    throw new Problem('forbidden', `This credential lacks ${missing.join(', ')} and cannot hand it on`);
}

/** A member's key says who acts: nobody makes one for somebody above them, nor one that may more than its member. */
async function checkMember(tx: Tx, caller: Caller, id: Uuid, wanted: Role): Promise<void> {
  const member = await tx.maybe<{ role: Role; disabled_at: Date | null }>(
    sql`SELECT role, disabled_at FROM members WHERE org_id = ${caller.org} AND id = ${id} FOR SHARE`,
  );
  if (!member) throw notFound('member', id);
  if (member.disabled_at !== null) throw new Problem('conflict', 'The member is disabled');
  requireRank(caller, member.role);
  if (!isWithin(wanted, member.role))
    throw new Problem(
      'invalid_request',
      `The member has the role ${member.role}, which is less than ${wanted}`,
      {
        errors: [{ field: 'role', code: 'above_member', message: `At most ${member.role}` }],
      },
    );
}

export async function createApiKey(
  db: Database,
  caller: Caller,
  wanted: NewApiKey,
): Promise<ApiKey & { key: string }> {
  checkGrant(caller, wanted);
  const id = newId();
  const key = `cdz_${randomBytes(32).toString('base64url')}`;
  const hash = hashOf(key);
  const member_id = wanted.member_id ?? null;
  return db.inOrg(caller.org, async (tx) => {
    if (member_id !== null) await checkMember(tx, caller, member_id, wanted.role);
    await tx.run(sql`INSERT INTO directory (hash, org_id, kind) VALUES (${hash}, ${caller.org}, 'api_key')`);
    const row = await tx.one<ApiKey>(sql`
      INSERT INTO api_keys (org_id, id, name, prefix, hash, role, scopes, member_id, created_by, expires_at)
      VALUES (${caller.org}, ${id}, ${wanted.name}, ${key.slice(0, PREFIX_LENGTH)}, ${hash}, ${wanted.role},
        ${wanted.scopes ?? []}, ${member_id}, ${actorText(caller.actor)}, ${wanted.expires_at ?? null})
      RETURNING ${columns}`);
    await audit(tx, caller, {
      action: 'api_key.create',
      subject_type: 'api_key',
      subject_id: id,
      data: { name: wanted.name, role: wanted.role, scopes: wanted.scopes ?? [], member_id },
    });
    return { ...row, key };
  });
}

export async function listApiKeys(db: Database, caller: Caller, page: PageRequest): Promise<Page<ApiKey>> {
  const after = positionOf(page, ORDER);
  const rows = await db.inOrg(caller.org, (tx) =>
    tx.rows<ApiKey>(sql`
      SELECT ${columns} FROM api_keys
      WHERE org_id = ${caller.org} AND (${after?.[0] ?? null}::uuid IS NULL OR id < ${after?.[0] ?? null})
      ORDER BY id DESC LIMIT ${page.limit + 1}`),
  );
  return pageOf(rows, page, ORDER, (row) => [row.id]);
}

export async function getApiKey(db: Database, caller: Caller, id: Uuid): Promise<ApiKey> {
  const row = await db.inOrg(caller.org, (tx) =>
    tx.maybe<ApiKey>(sql`SELECT ${columns} FROM api_keys WHERE org_id = ${caller.org} AND id = ${id}`),
  );
  if (!row) throw notFound('API key', id);
  return row;
}

/**
 * From the next request on the key opens nothing. Its entry in `directory` stays, so that a use of it can be told to
 * its organization. Revoking twice is no error.
 */
export async function revokeApiKey(db: Database, caller: Caller, id: Uuid): Promise<ApiKey> {
  return db.inOrg(caller.org, async (tx) => {
    const found = await tx.maybe<ApiKey>(
      sql`SELECT ${columns} FROM api_keys WHERE org_id = ${caller.org} AND id = ${id} FOR NO KEY UPDATE`,
    );
    if (!found) throw notFound('API key', id);
    if (found.revoked_at) return found;
    requireRank(caller, found.role);
    const row = await tx.one<ApiKey>(sql`
      UPDATE api_keys SET revoked_at = now() WHERE org_id = ${caller.org} AND id = ${id} RETURNING ${columns}`);
    await audit(tx, caller, {
      action: 'api_key.revoke',
      subject_type: 'api_key',
      subject_id: id,
      data: { name: found.name },
    });
    return row;
  });
}
