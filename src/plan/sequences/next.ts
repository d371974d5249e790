/**
 * When a step's touch may go (SEQ-16): the step's delay from a moment, then the first opening under all rules of its
 * time (time-rules.ts). The one place that plans a step's time: enrolling, settling, resuming and forecasting all
 * come here. A wait keeps no hours: it begins when its delay is over, and `not_after` is when it ends at the latest.
 * Pure: time comes in as a value.
 */
import type { Place } from '../../contacts/place.ts';
import { touchId, type Uuid } from '../../kernel/ids.ts';
import type { NextTouch } from '../../ledger/settle.ts';
import { afterDelay, type DelayResult } from '../../schedule/delay.ts';
import { nextOpen, type OpenResult } from '../../schedule/window.ts';
import type { Definition, Step } from './definition.ts';
import { type Calendar, rulesFor, sequenceZone, type TimeRules } from './time-rules.ts';

export type Opening =
  | { ok: true; not_before: number; not_after: number | null }
  | { ok: false; detail: string };

interface Answer {
  step_no: number;
  from: number;
  opening: Opening;
}
const answers = new WeakMap<TimeRules, Answer>();

/**
 * `from` is Unix milliseconds: the moment the delay counts from. `place` may be null where it does not matter. The
 * touches of a batch settle within a few of them, so the last answer under the same rules is kept.
 */
export function opening(
  definition: Definition,
  stepNo: number,
  from: number,
  calendar: Calendar,
  place: Place | null,
): Opening {
  const step = definition.steps[stepNo]!;
  const { channel, delay } = step;
  const rules = rulesFor(definition, calendar, channel, place);
  const last = answers.get(rules);
  if (last?.from === from && last.step_no === stepNo) return last.opening;
  const after = (moment: number, time: Step['delay']) =>
    afterDelay(moment, time, sequenceZone(definition, calendar), rules.days_off);
  const delayed = after(from, delay);
  const fresh = !delayed.ok
    ? inWords(delayed)
    : channel === 'wait'
      ? waiting(delayed.at, step, after)
      : inWords(nextOpen(delayed.at, rules.all));
  answers.set(rules, { step_no: stepNo, from, opening: fresh });
  return fresh;
}

/** A decision without `at_most` has no end: it is made when it is looked at. */
function waiting(
  from: number,
  { at_most }: Step,
  after: (moment: number, time: Step['delay']) => DelayResult,
): Opening {
  if (at_most === undefined) return { ok: true, not_before: from, not_after: null };
  const end = after(from, at_most);
  return end.ok ? { ok: true, not_before: from, not_after: end.at } : inWords(end);
}

/** The same counted from a moment long ago, but not into a time that is over. A wait may have ended meanwhile. */
export function openingSince(
  definition: Definition,
  stepNo: number,
  since: { from: number; now: number },
  calendar: Calendar,
  place: Place | null,
): Opening {
  const open = opening(definition, stepNo, since.from, calendar, place);
  const { channel } = definition.steps[stepNo]!;
  return open.ok && open.not_before < since.now && channel !== 'wait'
    ? reopening(definition, channel, since.now, calendar, place)
    : open;
}

/** When a step's delay is over, whatever keeps its touch back then. */
export function delayOver(
  definition: Definition,
  stepNo: number,
  from: number,
  calendar: Calendar,
  rules: TimeRules,
): DelayResult {
  const { delay } = definition.steps[stepNo]!;
  return afterDelay(from, delay, sequenceZone(definition, calendar), rules.days_off);
}

/** The first opening at or after a moment, without a step's delay: retries and postponements. */
export function reopening(
  definition: Definition,
  channel: string,
  from: number,
  calendar: Calendar,
  place: Place | null,
): Opening {
  return inWords(nextOpen(from, rulesFor(definition, calendar, channel, place).all));
}

type Failed = { ok: false; error: string; detail: string };

function inWords(open: Extract<OpenResult, { ok: true }> | Failed): Opening {
  if (open.ok) return open;
  const { error, detail } = open;
  if (error === 'bad_zone') return { ok: false, detail: `There is no time zone "${detail}"` };
  if (error === 'never_open') return { ok: false, detail: `These never meet: ${detail}` };
  return { ok: false, detail };
}

/** A touch of one step, with the id that its plan key gives. */
export function plannedTouch(
  definition: Definition,
  plan: {
    enrollment_id: Uuid;
    generation: number;
    step_no: number;
    n: number;
    sender_id: Uuid | null;
  },
  time: { not_before: number; not_after: number | null },
): NextTouch {
  const step = definition.steps[plan.step_no]!;
  return {
    id: touchId(plan.enrollment_id, `${plan.generation}.${step.id}.${plan.n}`),
    step_id: step.id,
    step_no: plan.step_no,
    channel: step.channel,
    mode: step.mode,
    sender_id: plan.sender_id,
    not_before: time.not_before,
    not_after: time.not_after,
  };
}
