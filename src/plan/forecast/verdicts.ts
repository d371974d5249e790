/** What each step asks of contacts, found as things are now: the question of the worker who looks at the step (verdict.ts). */
import type { Tx } from '../../db/database.ts';
import { type Sql, sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { flowOf, isAsked } from '../sequences/flow.ts';
import { BEGUN, verdictOf } from '../sequences/verdict.ts';
import type { Version } from '../sequences/versions.ts';
import type { Verdicts, Way } from './agenda.ts';

/** By enrollment; those whose version asks nothing have no entry. */
export async function readVerdicts(
  tx: Tx,
  org: Uuid,
  ways: readonly Way[],
  now: number,
): Promise<Map<Uuid, Verdicts>> {
  const byVersion = new Map<Version, Uuid[]>();
  for (const { version, enrollment } of ways) {
    if (enrollment === null || !flowOf(version.definition).asks) continue;
    const list = byVersion.get(version);
    if (list) list.push(enrollment.id);
    else byVersion.set(version, [enrollment.id]);
  }
  const found = new Map<Uuid, Verdicts>();
  const row = {
    org,
    contact: sql`c`,
    enrollment: sql`en`,
    now: sql`${new Date(now)}::timestamptz`,
    since: BEGUN,
  };
  for (const [{ definition }, enrollments] of byVersion) {
    const asking = definition.steps.flatMap((step, no) => (isAsked(step) ? [no] : []));
    const columns = asking
      .map((no): Sql => verdictOf(definition.steps[no]!, row))
      .reduce((all, one) => sql`${all}, ${one}`);
    const rows = await tx.rows<{ id: Uuid; verdicts: number[] }>(sql`
      SELECT en.id, ARRAY[${columns}]::int[] AS verdicts
        FROM enrollments en JOIN contacts c ON c.org_id = ${org} AND c.id = en.contact_id
       WHERE en.org_id = ${org} AND en.id = ANY (${enrollments}::uuid[])`);
    for (const { id, verdicts } of rows) found.set(id, new Map(asking.map((no, i) => [no, verdicts[i]!])));
  }
  return found;
}
