/**
 * When a step's touch may go (SEQ-16): the step's delay from a moment, then the first opening of the sequence's
 * window and the sender's. The one place that plans a step's time: enrolling, settling, resuming and forecasting
 * all come here. Pure: time comes in as a value.
 */

import { touchId, type Uuid } from '../../kernel/ids.ts';
import type { NextTouch } from '../../ledger/settle.ts';
import { afterDelay } from '../../schedule/delay.ts';
import { nextOpen, type Window } from '../../schedule/window.ts';
import type { Definition, SendingWindow } from './definition.ts';

/** What of its organization and sender decides a touch's time. */
export interface Calendar {
  organization_zone: string;
  sender_window: SendingWindow | null;
  sender_zone: string | null;
}

export type Opening =
  | { ok: true; not_before: number; not_after: number | null }
  | { ok: false; detail: string };

const windowsOf = new WeakMap<Definition, WeakMap<Calendar, readonly Window[]>>();

/** Kept per definition and calendar: bulk planning asks this once a touch. */
export function windows(definition: Definition, calendar: Calendar): readonly Window[] {
  let known = windowsOf.get(definition);
  if (!known) {
    known = new WeakMap();
    windowsOf.set(definition, known);
  }
  let list = known.get(calendar);
  if (!list) {
    const own = definition.window;
    const theirs = calendar.sender_window;
    list = [
      ...(own ? [{ ...own, time_zone: sequenceZone(definition, calendar) }] : []),
      ...(theirs
        ? [{ ...theirs, time_zone: theirs.time_zone ?? calendar.sender_zone ?? calendar.organization_zone }]
        : []),
    ];
    known.set(calendar, list);
  }
  return list;
}

/** The sequence's zone, else the organization's. */
export function sequenceZone(definition: Definition, calendar: Pick<Calendar, 'organization_zone'>): string {
  return definition.window?.time_zone ?? definition.time_zone ?? calendar.organization_zone;
}

interface Answer {
  step_no: number;
  from: number;
  calendar: Calendar;
  opening: Opening;
}
const answers = new WeakMap<Definition, Answer>();

/**
 * `from` is Unix milliseconds: the moment the delay counts from. The touches of a batch settle within a few of them, so
 * the last answer of each definition is kept.
 */
export function opening(definition: Definition, stepNo: number, from: number, calendar: Calendar): Opening {
  const last = answers.get(definition);
  if (last?.from === from && last.step_no === stepNo && last.calendar === calendar) return last.opening;
  const fresh = openingNow(definition, stepNo, from, calendar);
  answers.set(definition, { step_no: stepNo, from, calendar, opening: fresh });
  return fresh;
}

function openingNow(definition: Definition, stepNo: number, from: number, calendar: Calendar): Opening {
  const delayed = afterDelay(from, definition.steps[stepNo]!.delay, sequenceZone(definition, calendar));
  if (!delayed.ok) return { ok: false, detail: delayed.detail };
  return reopening(definition, delayed.at, calendar);
}

/** The first opening at or after a moment, without a step's delay: retries and postponements. */
export function reopening(definition: Definition, from: number, calendar: Calendar): Opening {
  const open = nextOpen(from, windows(definition, calendar));
  return open.ok ? open : { ok: false, detail: open.detail };
}

/** A touch of one step, with the id that its plan key gives. */
export function plannedTouch(
  definition: Definition,
  plan: { enrollment_id: Uuid; generation: number; step_no: number; n: number },
  time: { not_before: number; not_after: number | null },
): NextTouch {
  const step = definition.steps[plan.step_no]!;
  return {
    id: touchId(plan.enrollment_id, `${plan.generation}.${step.id}.${plan.n}`),
    step_id: step.id,
    step_no: plan.step_no,
    channel: step.channel,
    not_before: time.not_before,
    not_after: time.not_after,
  };
}
