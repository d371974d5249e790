/**
 * What a step asks of a contact, as one SQL value: -1 where its `when` does not hold; else the number of the first of
 * its conditions that holds, from 1 (`until` is the only one of a wait); 0 where none does.
 */
import { type ConditionRow, conditionSql } from '../../contacts/segments/condition-sql.ts';
import { type Sql, sql } from '../../db/sql.ts';
import { armReason } from '../../ledger/reasons.ts';
import type { Definition, Step } from './definition.ts';
import { flowOf } from './flow.ts';

/** When this time through the sequence began: a restart begins it anew. In milliseconds, as events tell their time. */
export const BEGUN = sql`(SELECT date_trunc('milliseconds', min(b.created_at)) FROM touches b WHERE b.org_id = en.org_id AND b.source_id = en.id
  AND b.id BETWEEN first_touch_id(en.id) AND last_touch_id(en.id) AND b.generation = en.generation)`;

export function verdictOf(step: Step, row: ConditionRow): Sql {
  const when =
    step.when === undefined ? sql`` : sql`WHEN (${conditionSql(step.when, row)}) IS NOT TRUE THEN -1`;
  const conditions = step.until === undefined ? (step.branches ?? []).map((arm) => arm.when) : [step.until];
  const arms = conditions.reduce(
    (all, condition, i) => sql`${all} WHEN ${conditionSql(condition, row)} THEN ${i + 1}::int`,
    when,
  );
  return step.when === undefined && conditions.length === 0 ? sql`0` : sql`CASE ${arms} ELSE 0 END`;
}

/** What comes of a step that was asked; null: it is carried out. `to`: where a branch leads. */
export function passedBy(
  definition: Definition,
  stepNo: number,
  verdict: number,
): { reason: string; to?: number } | null {
  if (verdict < 0) return { reason: 'condition_false' };
  if (definition.steps[stepNo]!.channel !== 'wait') return null;
  const arms = flowOf(definition).arms[stepNo]!;
  if (arms.length === 0) return { reason: verdict > 0 ? 'condition_met' : 'waited_out' };
  const to = arms[verdict - 1];
  return { reason: armReason(verdict), ...(to === undefined ? {} : { to }) };
}
