/**
 * From what happened to what is written: pure. A provider's answer, or the gate's refusal, becomes a settlement:
 * retried, given up, moved on to the next step, postponed, held or dropped.
 */
import type { RefusalReason, SendOutcome } from '../channels/channel.ts';
import { CHANNELS } from '../kernel/channels.ts';
import { OPTED_OUT, REFUSALS } from '../ledger/reasons.ts';
import type { NextTouch, Settlement } from '../ledger/settle.ts';
import type { Planning } from '../plan/sequences/calendar.ts';
import { onwardFrom } from '../plan/sequences/flow.ts';
import { plannedTouch, reopening } from '../plan/sequences/next.ts';
import { firstToDo } from '../plan/sequences/place.ts';
import { through } from '../plan/sequences/step-sender.ts';
import { timeOfStep } from '../plan/sequences/step-time.ts';
import type { Version } from '../plan/sequences/versions.ts';
import { retryWait } from '../schedule/backoff.ts';
import type { DueTouch } from './lanes.ts';
import { keptBy, placeOfTouch } from './situation.ts';

/**
 * Refusals that say something about the address, not the message: it is none (hard bounce), or its owner wants no more.
 * Settling suppresses it.
 */
const ENDS: { [R in RefusalReason]?: 'bounced' | 'unsubscribed' } = {
  mailbox_unknown: 'bounced',
  address_rejected: 'bounced',
  opted_out: 'unsubscribed',
};
/**
 * Refusals that say something about our account: the touch waits, the sender is held. That a key is wrong does not
 * end a message for good, and no further try can succeed before somebody has put it right.
 */
export function isSenderFault({ reason, permanence }: Refused): boolean {
  return reason === 'bad_credentials' || (reason === 'sender_rejected' && permanence === 'permanent');
}

/** `not_started` because this process was too slow, not because the provider could not be reached. */
export const BUDGET_PASSED = 'budget_passed';
const UNREACHABLE_WAIT_MS = 30_000;

export interface Happening {
  touch: DueTouch;
  version: Version;
  planning: Planning;
  /** Tries made, this one included. */
  attempt: number;
  /** When it happened, Unix milliseconds. */
  at: number;
}

export function settlementOf(
  happening: Happening,
  outcome: SendOutcome,
  /** Of an e-mail that opens a thread. */
  opening: string | null,
): Settlement {
  const { touch, at } = happening;
  const base = { touch_id: touch.id, source_id: touch.source_id, at };
  switch (outcome.kind) {
    case 'accepted': {
      const { next, ends, reason } = movedOn(happening);
      // Written out: objects spread into each other are several times slower to make, and to clear away.
      return {
        touch_id: touch.id,
        source_id: touch.source_id,
        at,
        outcome: 'sent',
        reason,
        provider_id: outcome.provider_id ?? null,
        detail: outcome.response ?? null,
        ends,
        subject: opening,
        next,
      };
    }
    case 'ambiguous':
      return {
        ...base,
        outcome: 'unknown',
        reason: outcome.reason,
        detail: outcome.response ?? null,
        wake: at,
      };
    case 'not_started':
      // Handed back unbegun is due at once; a provider that cannot be reached is left alone for a while. Neither is a try.
      return {
        ...base,
        outcome: 'not_started',
        reason: outcome.reason,
        wake: outcome.reason === BUDGET_PASSED ? at : at + UNREACHABLE_WAIT_MS,
      };
    case 'refused':
      return { ...base, ...refused(happening, outcome), detail: outcome.response ?? null };
  }
}

type Refused = Extract<SendOutcome, { kind: 'refused' }>;
type Decision = Pick<Settlement, 'outcome' | 'reason'> & Partial<Settlement>;

function refused(happening: Happening, outcome: Refused): Decision {
  const held = isSenderFault(outcome);
  if (outcome.permanence === 'permanent' && !held) {
    return {
      outcome: 'failed',
      reason: outcome.reason,
      ends: ENDS[outcome.reason] ?? 'failed',
    };
  }
  const wait = held ? 0 : retryWait(happening.attempt, undefined, outcome.retry_after_ms);
  if (wait === null) return { outcome: 'failed', reason: 'tries_used_up', ends: 'failed' };
  const { touch, version, planning, at } = happening;
  const found = through(planning, touch.sender_id);
  const place = placeOfTouch(touch, planning);
  const open = found && reopening(version.definition, touch.channel, at + wait, found.calendar, place);
  if (!open?.ok) return { outcome: 'failed', reason: 'bad_schedule', ends: 'failed' };
  return { outcome: 'retry', reason: outcome.reason, wake: open.not_before, not_after: open.not_after };
}

/**
 * The step after this one, or the end of the sequence. Counted from when this touch was sent (EXE-12). `stepNo`: where a
 * branch led.
 */
export function movedOn(
  happening: Happening,
  stepNo = onwardFrom(happening.version.definition, happening.touch.step_no),
): Required<Pick<Settlement, 'next' | 'ends' | 'reason'>> {
  const { version } = happening;
  if (stepNo >= version.definition.steps.length) return { next: null, ends: 'completed', reason: null };
  const next = followUp(happening, stepNo);
  return typeof next === 'string'
    ? { next: null, ends: 'failed', reason: next }
    : { next, ends: null, reason: null };
}

/** The touch of a step further on, counted from what happened; or why there can be none. */
function followUp(happening: Happening, stepNo: number): NextTouch | 'no_sender' | 'bad_schedule' {
  const { touch, version, planning, at } = happening;
  const { definition } = version;
  const { contact_id } = touch;
  const who = { contact_id, kept: keptBy(touch), place: placeOfTouch(touch, planning) };
  const time = timeOfStep(planning, version, stepNo, at, who);
  if (!time.ok) return time.reason;
  const { sender_id, opening: open } = time;
  const { source_id: enrollment_id, generation } = touch;
  return plannedTouch(definition, { enrollment_id, generation, step_no: stepNo, n: 1, sender_id }, open);
}

/** Is it passed over, and with it the steps of its channel, instead of ending its enrollment [CON-4]? */
export function passesOver(version: Version, refusal: string): boolean {
  return version.definition.on_unsubscribe === 'skip_steps' && OPTED_OUT.has(refusal);
}

/** Skipped; the enrollment goes on with the next step of another channel, at its own delay, or completes. */
export function settlementOfPassed(happening: Happening, reason: keyof typeof REFUSALS): Settlement {
  const { touch, version, at } = happening;
  const { definition } = version;
  const base = { touch_id: touch.id, source_id: touch.source_id, at, reason, outcome: 'skipped' as const };
  const { consent } = CHANNELS[touch.channel];
  const passed = { history: new Map(), skip_channels: consent === null ? null : [consent] };
  const stepNo = firstToDo(definition, onwardFrom(definition, touch.step_no), passed);
  if (stepNo === null) return { ...base, ends: 'completed' };
  const next = followUp(happening, stepNo);
  return typeof next === 'string' ? { ...base, ends: 'failed' } : { ...base, next };
}

/** What a refusal by the gate, or by composing, writes; null: nothing (somebody else has it, or compose again). */
export function settlementOfRefusal(
  touch: DueTouch,
  reason: keyof typeof REFUSALS,
  at: number,
  detail: string | null = null,
): Settlement | null {
  const rule = REFUSALS[reason];
  const base = { touch_id: touch.id, source_id: touch.source_id, at, reason, detail };
  switch (rule.action) {
    case 'end':
      return { ...base, outcome: 'skipped', ends: rule.ends };
    case 'drop':
      return { ...base, outcome: 'dropped' };
    case 'hold':
      return { ...base, outcome: 'held' };
    // When is a question of the sender's days: postpone.ts.
    case 'later':
    case 'again':
    case 'none':
      return null;
  }
}
