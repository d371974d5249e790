/** What an enrollment has had in its generation, read from its touches; what is done with it is place.ts. */
import type { Sql } from '../../db/sql.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { DONE_STATES, type Had, type History } from './place.ts';

/** By step: how many touches, and whether one was more than planned. */
export type HistoryRow = Record<Uuid, [n: number, done: boolean]>;

/** A column `history` of a statement over `enrollments e`. */
export const historyColumn: Sql = sql`(
  SELECT json_object_agg(h.step_id, json_build_array(h.n, h.done)) FROM (
    SELECT x.step_id, max(x.n) AS n, bool_or(x.state = ANY (${[...DONE_STATES]})) AS done FROM touches x
     WHERE x.org_id = e.org_id AND x.source_id = e.id AND x.id BETWEEN first_touch_id(e.id) AND last_touch_id(e.id)
       AND x.generation = e.generation
     GROUP BY x.step_id) h) AS history`;

export function historyOf(row: HistoryRow | null): History {
  return new Map(Object.entries(row ?? {}).map(([step, [n, done]]): [Uuid, Had] => [step, { n, done }]));
}
