/**
 * The way that a contact would take through a draft as it is now [TEN-4]: what its conditions say of it, and so where each
 * step leads. Events to come are not known, so a wait counts as lasting to its end unless it is over already. Reads only.
 */
import { typesOfAttributes } from '../../contacts/attribute-definition.ts';
import { checkCondition } from '../../contacts/segments/check-condition.ts';
import type { ConditionRow } from '../../contacts/segments/condition-sql.ts';
import type { Tx } from '../../db/database.ts';
import { type Sql, sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { Definition, Step } from './definition.ts';
import { flowOf, isAsked } from './flow.ts';

import { withScopes } from './scopes.ts';
import { passedBy, verdictOf } from './verdict.ts';

export interface WayStep {
  /** Does the contact, as it is now, come to it? */
  on_way: boolean;
  /** Of a step with a condition or a wait: whether that holds now; null: it has none, or a branch, or one that is not sound. */
  holds: boolean | null;
  /** Of a branch: the arm that holds now, from 1; 0: none does. */
  arm: number | null;
  /** Where it leads as things are now; null: to the end. */
  leads_to: number | null;
  /** Where it may lead, in order; `steps.length` is the end. */
  may_lead_to: readonly number[];
}

export async function wayThrough(
  tx: Tx,
  org: Uuid,
  definition: Definition,
  contact: Uuid,
  now: Date | null,
): Promise<{ way: WayStep[]; verdicts: ReadonlyMap<number, number> }> {
  const { steps } = definition;
  const { onward, arms, successors } = flowOf(definition);
  const verdicts = await verdictsOf(tx, org, definition, contact, now);
  const way = steps.map((step, no): WayStep => {
    const verdict = verdicts.get(no);
    const arm = arms[no]!.length > 0 && verdict !== undefined && verdict >= 0 ? verdict : null;
    const next = passedBy(definition, no, verdict ?? 0)?.to ?? onward[no]!;
    return {
      on_way: false,
      holds: holdsNow(step, verdict),
      arm,
      leads_to: next < steps.length ? next : null,
      may_lead_to: successors[no]!,
    };
  });
  for (let no: number | null = way.length > 0 ? 0 : null; no !== null; no = way[no]!.leads_to)
    way[no]!.on_way = true;
  return { way, verdicts };
}

function holdsNow({ when, until, branches }: Step, verdict: number | undefined): boolean | null {
  if (verdict === undefined) return null;
  if (verdict < 0) return false;
  if (until !== undefined) return verdict > 0;
  return when === undefined || branches !== undefined ? null : true;
}

/** By position, of steps that ask something sound. */
async function verdictsOf(
  tx: Tx,
  org: Uuid,
  definition: Definition,
  contact: Uuid,
  now: Date | null,
): Promise<Map<number, number>> {
  const { steps } = withScopes(definition);
  const verdicts = new Map<number, number>();
  if (!steps.some(isAsked)) return verdicts;
  const known = {
    attributes: await typesOfAttributes(tx, { org }),
    steps: new Set(steps.map((step) => step.id)),
  };
  const sound = (step: Step) =>
    [step.when, step.until, ...(step.branches ?? []).map((arm) => arm.when)].every(
      (condition) => condition === undefined || checkCondition(condition, known).length === 0,
    );
  const asking = steps.flatMap((step, no) => (isAsked(step) && sound(step) ? [no] : []));
  if (asking.length === 0) return verdicts;
  // Nobody is enrolled: what asks for answers of the enrollment finds none, and what it asks for from now on neither.
  const moment = sql`coalesce(${now}::timestamptz, now())`;
  const row: ConditionRow = { org, contact: sql`c`, enrollment: sql`en`, now: moment, since: moment };
  const columns = asking
    .map((no): Sql => verdictOf(steps[no]!, row))
    .reduce((all, one) => sql`${all}, ${one}`);
  const found = await tx.one<{ verdicts: number[] }>(sql`
    SELECT ARRAY[${columns}]::int[] AS verdicts
      FROM contacts c CROSS JOIN (SELECT NULL::uuid AS id, NULL::int AS generation) en WHERE c.org_id = ${org} AND c.id = ${contact}`);
  asking.forEach((no, i) => {
    verdicts.set(no, found.verdicts[i]!);
  });
  return verdicts;
}
