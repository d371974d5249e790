/** Who is to do the steps of people in an enrollment: a member, or several in turn, of whom its id chooses one (enroll.sql). */
import type { Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { notFound, Problem } from '../../kernel/problem.ts';

export type Assignee = Uuid | { rotate: readonly Uuid[] };

export const MAX_ROTATED = 100;

/** Each once, as they were given; none: nobody is named. */
export function assigneesOf(assignee: Assignee | undefined): readonly Uuid[] {
  if (assignee === undefined) return [];
  return typeof assignee === 'string' ? [assignee] : [...new Set(assignee.rotate)];
}

/** @throws Problem not_found, invalid_request (disabled) */
export async function requireAssignable(tx: Tx, org: Uuid, assignees: readonly Uuid[]): Promise<void> {
  if (assignees.length === 0) return;
  const found = await tx.rows<{ id: Uuid; disabled: boolean }>(sql`
    SELECT id, disabled_at IS NOT NULL AS disabled FROM members WHERE org_id = ${org} AND id = ANY (${[...assignees]}::uuid[])`);
  const known = new Map(found.map((one) => [one.id, one]));
  for (const id of assignees) {
    const member = known.get(id);
    if (!member) throw notFound('member', id);
    if (!member.disabled) continue;
    throw new Problem('invalid_request', `The member ${id} is disabled and does no steps`, {
      errors: [{ field: 'assignee', code: 'member_disabled', message: 'Name a member who is not disabled' }],
    });
  }
}
