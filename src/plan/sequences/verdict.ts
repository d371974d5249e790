/**
 * What a step asks of a contact, as one SQL value: -1 where its `when` does not hold; else the number of the first of
 * its conditions that holds, from 1 (`until` is the only one of a wait); 0 where none does.
 */
import { type ConditionRow, conditionSql } from '../../contacts/segments/condition-sql.ts';
import { type Sql, sql } from '../../db/sql.ts';
import type { Step } from './definition.ts';

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
