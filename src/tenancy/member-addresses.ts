/**
 * Where members have shown that they read what is sent there [TEN-4]. Owns `member_addresses`. In: addresses in their
 * canonical form, codes as a member gives them back. Out: addresses, verified or not; never a code.
 */
import { randomInt, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Database, Tx } from '../db/database.ts';
import { type Sql, sql } from '../db/sql.ts';
import { newId, type Uuid } from '../kernel/ids.ts';
import { notFound, Problem } from '../kernel/problem.ts';
import { audit } from './audit.ts';
import type { Context, Role } from './context.ts';
import type { Caller } from './roles.ts';

export const MEMBER_ADDRESS_KINDS = ['email', 'phone'] as const;
export type MemberAddressKind = (typeof MEMBER_ADDRESS_KINDS)[number];

/** Of one member. */
const MAX_ADDRESSES = 10;
export const CODE_LIFE_MS = 15 * 60_000;
const MAX_TRIES = 5;
const CODE_DIGITS = 6;
const HASH_BYTES = 32;

export interface MemberAddress {
  id: Uuid;
  kind: MemberAddressKind;
  address: string;
  /** Null: nobody has given its code back yet. */
  verified_at: Date | null;
  created_at: Date;
}

/** Who calls: a credential, and the member that it belongs to. */
export interface Me {
  organization_id: Uuid;
  actor: Context['actor'];
  role: Role;
  scopes: readonly string[];
  member: { id: Uuid; email: string; name: string; role: Role } | null;
  addresses: MemberAddress[];
}

const columns: Sql = sql`id, kind, address, verified_at, created_at`;
const slowHash = promisify(scrypt) as (text: string, salt: string, length: number) => Promise<Buffer>;

/** @throws Problem no_member */
export function requireMember(caller: Caller): Uuid {
  if (caller.member_id != null) return caller.member_id;
  throw new Problem('no_member', 'This credential belongs to no member, so there is nobody to write to');
}

export async function whoAmI(db: Database, caller: Caller): Promise<Me> {
  const member = caller.member_id ?? null;
  return db.inOrg(caller.org, async (tx) => ({
    organization_id: caller.org,
    actor: caller.actor,
    role: caller.role,
    scopes: caller.scopes,
    member: await tx.maybe<NonNullable<Me['member']>>(
      sql`SELECT id, email, name, role FROM members WHERE org_id = ${caller.org} AND id = ${member}::uuid`,
    ),
    addresses: await tx.rows<MemberAddress>(
      sql`SELECT ${columns} FROM member_addresses WHERE org_id = ${caller.org} AND member_id = ${member}::uuid ORDER BY id LIMIT ${MAX_ADDRESSES}`,
    ),
  }));
}

/**
 * The caller's own, unverified; there already: the same row. Part of the transaction that lets its code go.
 * @throws Problem conflict (verified already, too many)
 */
export async function enterAddress(
  tx: Tx,
  caller: Caller,
  member: Uuid,
  { kind, address }: Pick<MemberAddress, 'kind' | 'address'>,
): Promise<MemberAddress> {
  // One at a time: the count below holds.
  const there = await tx.maybe(
    sql`SELECT FROM members WHERE org_id = ${caller.org} AND id = ${member} FOR NO KEY UPDATE`,
  );
  if (!there) throw notFound('member', member);
  const known = await tx.maybe<MemberAddress>(sql`
    SELECT ${columns} FROM member_addresses
     WHERE org_id = ${caller.org} AND member_id = ${member} AND kind = ${kind} AND address = ${address}`);
  if (known?.verified_at) throw new Problem('conflict', 'This address of yours is verified already');
  if (known) return known;
  const { n } = await tx.one<{ n: number }>(
    sql`SELECT count(*)::int AS n FROM member_addresses WHERE org_id = ${caller.org} AND member_id = ${member}`,
  );
  if (n >= MAX_ADDRESSES)
    throw new Problem('conflict', `A member has at most ${MAX_ADDRESSES} addresses; remove one first`);
  const row = await tx.one<MemberAddress>(sql`
    INSERT INTO member_addresses (org_id, id, member_id, kind, address)
    VALUES (${caller.org}, ${newId()}, ${member}, ${kind}, ${address}) RETURNING ${columns}`);
  await record(tx, caller, 'member_address.create', row);
  return row;
}

/** A code, and what is kept of it. */
export async function newCode(member: Uuid): Promise<{ code: string; hash: Buffer }> {
  const code = String(randomInt(10 ** CODE_DIGITS)).padStart(CODE_DIGITS, '0');
  return { code, hash: await hashOfCode(member, code) };
}

/** Slow on purpose: whoever reads the table has a million codes to try, and fifteen minutes. */
function hashOfCode(member: Uuid, code: string): Promise<Buffer> {
  return slowHash(code, member, HASH_BYTES);
}

/** @throws Problem no_member, not_found, code_refused (wrong, over, tried too often) */
export async function verifyAddress(
  db: Database,
  caller: Caller,
  id: Uuid,
  code: string,
): Promise<MemberAddress> {
  const member = requireMember(caller);
  const given = await hashOfCode(member, code);
  // The try is counted before it is looked at, and stays counted: at once or one after the other, there are five.
  const tried = await db.inOrg(caller.org, (tx) =>
    tx.maybe<{ verified_at: Date | null; code_hash: Buffer | null; tries: number; over: boolean }>(sql`
      UPDATE member_addresses SET tries = tries + 1
       WHERE org_id = ${caller.org} AND member_id = ${member} AND id = ${id}
      RETURNING verified_at, code_hash, tries, code_expires_at <= clock_timestamp() AS over`),
  );
  if (!tried) throw notFound('address', id);
  if (tried.verified_at === null) {
    if (tried.code_hash === null) throw refused('no_code', 'No code was sent to this address');
    if (tried.tries > MAX_TRIES) throw refused('too_many_tries', `The code was tried ${MAX_TRIES} times`);
    if (tried.over) throw refused('expired', 'The code is more than 15 minutes old');
    if (!timingSafeEqual(given, tried.code_hash)) throw refused('wrong_code', 'This is not the code');
  }
  return db.inOrg(caller.org, async (tx) => {
    const row = await tx.maybe<MemberAddress>(sql`
      UPDATE member_addresses SET verified_at = coalesce(verified_at, clock_timestamp()), code_hash = NULL, code_expires_at = NULL
       WHERE org_id = ${caller.org} AND member_id = ${member} AND id = ${id} AND code_hash IS NOT DISTINCT FROM ${tried.code_hash}
      RETURNING ${columns}`);
    // Another code was sent meanwhile.
    if (!row) throw refused('expired', 'A newer code was sent');
    if (tried.verified_at === null) await record(tx, caller, 'member_address.verify', row);
    return row;
  });
}

/** @throws Problem no_member, not_found */
export async function deleteAddress(db: Database, caller: Caller, id: Uuid): Promise<void> {
  const member = requireMember(caller);
  await db.inOrg(caller.org, async (tx) => {
    const row = await tx.maybe<MemberAddress>(sql`
      DELETE FROM member_addresses WHERE org_id = ${caller.org} AND member_id = ${member} AND id = ${id} RETURNING ${columns}`);
    if (!row) throw notFound('address', id);
    await record(tx, caller, 'member_address.delete', row);
  });
}

function refused(reason: string, detail: string): Problem {
  return new Problem('code_refused', detail, { extra: { reason } });
}

/** Enough to recognise one's own by: the trail is kept for ever, and by more people than the member. */
export function maskedAddress(address: string): string {
  const at = address.lastIndexOf('@');
  return at < 0
    ? `${address.slice(0, 3)}***${address.slice(-2)}`
    : `${address.slice(0, 1)}***${address.slice(at)}`;
}

function record(
  tx: Tx,
  caller: Caller,
  action: string,
  { id, kind, address }: Pick<MemberAddress, 'id' | 'kind' | 'address'>,
): Promise<void> {
  const data = { member_id: caller.member_id ?? null, kind, address: maskedAddress(address) };
  return audit(tx, caller, { action, subject_type: 'member_address', subject_id: id, data });
}
