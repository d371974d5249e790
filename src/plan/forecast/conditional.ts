/**
 * Whether what comes of a step depends on something the forecast takes for granted: that a condition which asks for
 * events, or for a number of days, will hold or not as it does now, or that a wait which is not over lasts to its end.
 * What the contact's fields, tags and consents say is taken as it is: it decides for real. Pure.
 */
import type { Condition } from '../../contacts/segments/condition.ts';
import { OPERATOR_FACTS } from '../../contacts/segments/operators.ts';
import type { Step } from '../sequences/definition.ts';
import { isAsked } from '../sequences/flow.ts';

/** `verdict`: what the step finds as things are now (verdict.ts); undefined: it was not asked. */
export function isAssumed(step: Step | undefined, verdict: number | undefined): boolean {
  if (step === undefined || !isAsked(step)) return false;
  const { when, until, branches } = step;
  if (verdict === undefined) return true;
  if (until !== undefined && verdict === 0) return true;
  return ![when, until, ...(branches ?? []).map((arm) => arm.when)].every(isKnown);
}

function isKnown(condition: Condition | undefined): boolean {
  if (condition === undefined) return true;
  if ('all' in condition) return condition.all.every(isKnown);
  if ('any' in condition) return condition.any.every(isKnown);
  if ('not' in condition) return isKnown(condition.not);
  if ('event' in condition) return false;
  return !('op' in condition) || OPERATOR_FACTS[condition.op].takes !== 'days';
}
