/**
 * What a step asks of a contact, as one SQL value: -1 where its `when` does not hold; else the number of the first of
 * its conditions that holds, from 1 (`until` is the only one of a wait); 0 where none does.
 */
import { type ConditionRow, conditionSql } from '../../contacts/segments/condition-sql.ts';
import { pgCode } from '../../db/database.ts';
import { type Sql, sql } from '../../db/sql.ts';
import { InvariantError } from '../../kernel/invariant.ts';
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

/**
 * SQLSTATEs of what an expression can do wrong itself: cardinality, data, limits (nesting, size), and of the class of
 * syntax those that say types do not fit. A table, function or right that is missing is the installation's fault, and a
 * lost connection, a deadlock or a shutdown nobody's: these pass, and an enrollment must not end for them.
 */
const OWN_FAULT = /^(21|22|54)...$|^42(601|804|846|725|P08|P18|P38)$|^08P01$/;
const MAX_FAULT_CHARS = 300;

/** What a failed look at a condition says of the condition, without the values that were looked at; null: nothing. */
export function conditionFault(error: unknown): string | null {
  if (error instanceof InvariantError || error instanceof RangeError)
    return error.message.slice(0, MAX_FAULT_CHARS);
  const code = pgCode(error);
  const { message: said } = error as Error;
  // The one code of a function that is missing and of an operator that does not fit.
  const unfit = code === '42883' && said.startsWith('operator');
  if (code === null || !(OWN_FAULT.test(code) || unfit)) return null;
  const message = said.replace(/"[^"]*"/g, '"…"');
  return `SQLSTATE ${code}: ${message}`.slice(0, MAX_FAULT_CHARS);
}
