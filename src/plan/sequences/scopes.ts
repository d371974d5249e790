/**
 * The steps that conditions of a sequence ask about [SEQ-14]. People name a step by its key; touches know its id. The key
 * stays in what is written and published, and becomes the id when a version or a draft is taken to be asked. Pure.
 */
import type { Condition } from '../../contacts/segments/condition.ts';
import type { Definition, Step } from './definition.ts';

const STEP = 'step:';

/** The same with ids in place of keys; a name that nobody has stays as it is, and publishing refuses it. */
export function withScopes(definition: Definition): Definition {
  const ids = new Map<string, string>();
  for (const { id, key } of definition.steps) if (key !== undefined && !ids.has(key)) ids.set(key, id);
  // What looks like an id is one, should a step have it.
  for (const { id } of definition.steps) ids.set(id, id);
  return ids.size === 0 || !definition.steps.some(asks)
    ? definition
    : { ...definition, steps: definition.steps.map((step) => stepWith(step, ids)) };
}

function asks({ when, until, branches }: Step): boolean {
  return when !== undefined || until !== undefined || branches !== undefined;
}

function stepWith(step: Step, ids: ReadonlyMap<string, string>): Step {
  const { when, until, branches } = step;
  return {
    ...step,
    ...(when && { when: resolved(when, ids) }),
    ...(until && { until: resolved(until, ids) }),
    ...(branches && { branches: branches.map((arm) => ({ ...arm, when: resolved(arm.when, ids) })) }),
  };
}

function resolved(condition: Condition, ids: ReadonlyMap<string, string>): Condition {
  if ('all' in condition) return { all: condition.all.map((one) => resolved(one, ids)) };
  if ('any' in condition) return { any: condition.any.map((one) => resolved(one, ids)) };
  if ('not' in condition) return { not: resolved(condition.not, ids) };
  if (!('event' in condition) || !condition.of?.startsWith(STEP)) return condition;
  const name = condition.of.slice(STEP.length).toLowerCase();
  return { ...condition, of: `${STEP}${ids.get(name) ?? name}` };
}
