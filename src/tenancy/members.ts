/** Members: the people of an organization. */
import { type Database, pgConstraint, type Tx } from '../db/database.ts';
import { type Sql, sql } from '../db/sql.ts';
import { newId, type Uuid } from '../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../kernel/page.ts';
import { notFound, Problem } from '../kernel/problem.ts';
import { audit } from './audit.ts';
import type { Context, Role } from './context.ts';
import { type Caller, requireRank } from './roles.ts';

const ORDER = listOrder('members', ['uuid']);

export interface Member {
  id: Uuid;
  email: string;
  name: string;
  role: Role;
  created_at: Date;
  disabled_at: Date | null;
}

export interface MemberPatch {
  name?: string | undefined;
  role?: Role | undefined;
  disabled?: boolean | undefined;
}

const columns: Sql = sql`id, email, name, role, created_at, disabled_at`;

export async function listMembers(db: Database, caller: Caller, page: PageRequest): Promise<Page<Member>> {
  const after = positionOf(page, ORDER)?.[0] ?? null;
  const rows = await db.inOrg(caller.org, (tx) =>
    tx.rows<Member>(sql`
      SELECT ${columns} FROM members
      WHERE org_id = ${caller.org} AND (${after}::uuid IS NULL OR id > ${after})
      ORDER BY id LIMIT ${page.limit + 1}`),
  );
  return pageOf(rows, page, ORDER, (row) => [row.id]);
}

/** By id or e-mail address. @throws Problem not_found */
export async function findMember(db: Database, ctx: Pick<Context, 'org'>, named: string): Promise<Member> {
  const row = await db.inOrg(ctx.org, (tx) =>
    tx.maybe<Member>(sql`
      SELECT ${columns} FROM members WHERE org_id = ${ctx.org} AND (id::text = ${named.toLowerCase()} OR email = ${named.trim().toLowerCase()})`),
  );
  if (!row) throw notFound('member', named);
  return row;
}

export async function createMember(
  db: Database,
  caller: Caller,
  wanted: Pick<Member, 'email' | 'name' | 'role'>,
): Promise<Member> {
  requireRank(caller, wanted.role);
  const email = wanted.email.trim().toLowerCase();
  try {
    return await db.inOrg(caller.org, async (tx) => {
      const row = await tx.one<Member>(sql`
        INSERT INTO members (org_id, id, email, name, role)
        VALUES (${caller.org}, ${newId()}, ${email}, ${wanted.name}, ${wanted.role}) RETURNING ${columns}`);
      await audit(tx, caller, {
        action: 'member.create',
        subject_type: 'member',
        subject_id: row.id,
        data: { role: row.role },
      });
      return row;
    });
  } catch (error) {
    if (pgConstraint(error) === 'members_org_id_email_key')
      throw new Problem('conflict', 'A member with this e-mail address is already there', { cause: error });
    throw error;
  }
}

/** An organization keeps at least one owner who can act. */
async function requireAnotherOwner(tx: Tx, caller: Caller, leaving: Uuid): Promise<void> {
  const others = await tx.rows(sql`
    SELECT id FROM members
    WHERE org_id = ${caller.org} AND role = 'owner' AND disabled_at IS NULL AND id <> ${leaving}
    ORDER BY id LIMIT 1`);
  if (others.length === 0)
    throw new Problem('conflict', 'This is the last owner; make somebody else owner first');
}

export async function updateMember(
  db: Database,
  caller: Caller,
  id: Uuid,
  patch: MemberPatch,
): Promise<Member> {
  return db.inOrg(caller.org, async (tx) => {
    // All owners' rows, in order: of two who step down at once the second sees the first.
    const locked = await tx.rows<Member>(sql`
      SELECT ${columns} FROM members
      WHERE org_id = ${caller.org} AND (id = ${id} OR role = 'owner') ORDER BY id FOR NO KEY UPDATE`);
    const before = locked.find((row) => row.id === id);
    if (!before) throw notFound('member', id);
    requireRank(caller, before.role);
    const role = patch.role ?? before.role;
    requireRank(caller, role);
    const disabled = patch.disabled ?? before.disabled_at !== null;
    const wasOwner = before.role === 'owner' && before.disabled_at === null;
    if (wasOwner && (disabled || role !== 'owner')) await requireAnotherOwner(tx, caller, id);
    const row = await tx.one<Member>(sql`
      UPDATE members SET name = ${patch.name ?? before.name}, role = ${role},
        disabled_at = CASE WHEN ${disabled} THEN coalesce(disabled_at, now()) END
      WHERE org_id = ${caller.org} AND id = ${id} RETURNING ${columns}`);
    await audit(tx, caller, {
      action: 'member.update',
      subject_type: 'member',
      subject_id: id,
      data: { from: { role: before.role, disabled: before.disabled_at !== null }, to: { role, disabled } },
    });
    return row;
  });
}
