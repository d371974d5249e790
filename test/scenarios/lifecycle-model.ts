/** What an enrollment and its touches must do, in a hundred lines without a database: the model of lifecycle-model.test.ts. */
import type { Uuid } from '../../src/kernel/ids.ts';
import type { TouchState } from '../../src/ledger/states.ts';
import {
  type EnrollmentEvent,
  type EnrollmentStatus,
  isLive,
  TRANSITIONS,
} from '../../src/plan/sequences/lifecycle.ts';
import type { Flight } from '../support/flight.ts';

const TRIES = 3;

export interface ModelTouch {
  id: Uuid;
  state: TouchState;
  attempt: number;
  /** Of the gate that let it go last. */
  token: Uuid | null;
  /** The letter of its step. */
  step: string;
  generation: number;
}

export interface ModelEnrollment {
  id: Uuid;
  contact: number;
  status: EnrollmentStatus;
  /** The letters of its version's steps; the position in them, and the letter it is at, which may be of none of them. */
  plan: string;
  version: number;
  step: number;
  at: string;
  generation: number;
  live: ModelTouch;
  touches: ModelTouch[];
  /** The how-manieth end of all; null while it is live. */
  ended: number | null;
}

export interface ModelContact {
  id: Uuid;
  reachable: boolean;
}

export interface Model {
  /** The letters of the steps published last. */
  published: string;
  /** Its number. */
  versions: number;
  /** How often one has ended. */
  ends: number;
  contacts: ModelContact[];
  enrollments: ModelEnrollment[];
  flights: { flight: Flight; enrollment: ModelEnrollment; touch: ModelTouch }[];
  /** Touches a provider said yes to, with how often. */
  accepted: Map<Uuid, number>;
}

export type Answer = 'accepted' | 'refused' | 'bounce' | 'later' | 'ambiguous' | 'not_started';

export const inFlight = (touch: ModelTouch) => touch.state === 'sending' || touch.state === 'unknown';

export function liveOf(model: Model, contact: number): ModelEnrollment | undefined {
  return model.enrollments.find((one) => one.contact === contact && isLive(one.status));
}

/** The live one of a contact, or else the one that ended last. */
export function latestOf(model: Model, contact: number): ModelEnrollment | undefined {
  const mine = model.enrollments.filter((one) => one.contact === contact);
  return liveOf(model, contact) ?? mine.sort((a, b) => a.ended! - b.ended!).at(-1);
}

/** Call after each step. */
export function noteEnds(model: Model): void {
  for (const one of model.enrollments) {
    if (isLive(one.status)) one.ended = null;
    else one.ended ??= ++model.ends;
  }
}

/** Null: it may go on; else the code of the refusal. */
export function refusalOf(model: Model, one: ModelEnrollment, event: EnrollmentEvent): string | null {
  if (TRANSITIONS[one.status][event] === null) return 'illegal_transition';
  const other = liveOf(model, one.contact);
  if (event === 'restart' && other !== undefined && other !== one) return 'already_enrolled';
  // Moved to a version that ends before its place, it has nobody to write to any more.
  const writes = event === 'restart' || (event === 'resume' && one.step < one.plan.length);
  if (writes && !model.contacts[one.contact]!.reachable) return 'enrollment_refused';
  if ((event === 'advance' || event === 'restart') && inFlight(one.live)) return 'touch_in_flight';
  return null;
}

/** Whether a new touch is planned by it. `published`: what a restart begins with. */
export function apply(one: ModelEnrollment, event: EnrollmentEvent, published = one.plan): boolean {
  if (one.live.state === 'planned') one.live.state = event === 'advance' ? 'skipped' : 'cancelled';
  one.status = TRANSITIONS[one.status][event]!;
  switch (event) {
    case 'restart':
      one.generation++;
      one.plan = published;
      return goTo(one, 0);
    case 'advance':
      return goTo(one, behind(one));
    case 'resume':
      if (inFlight(one.live)) return false;
      return goTo(one, one.live.state === 'sent' || one.live.state === 'skipped' ? behind(one) : one.step);
    default:
      return false;
  }
}

/** The position after the one it is at; one that is gone stands before the position that is told for it. */
function behind(one: ModelEnrollment): number {
  return one.plan[one.step] === one.at ? one.step + 1 : one.step;
}

function had(one: ModelEnrollment, letter: string): boolean {
  return one.touches.some(
    (touch) =>
      touch.step === letter &&
      touch.generation === one.generation &&
      (inFlight(touch) || touch.state === 'sent' || touch.state === 'skipped'),
  );
}

/** To the first step from there that it has not had; false: none is left, and it has completed. */
function goTo(one: ModelEnrollment, from: number): boolean {
  const step = [...one.plan].findIndex((letter, no) => no >= from && !had(one, letter));
  if (step === -1) {
    one.status = 'completed';
    return false;
  }
  one.step = step;
  one.at = one.plan[step]!;
  return true;
}

/** Moved to what is published; whether a new touch is planned by it. */
export function move(one: ModelEnrollment, published: string): boolean {
  const left = [one.at, ...one.plan.slice(behind(one))];
  const goal = left.find((letter, i) => published.includes(letter) && (i === 0 || !had(one, letter)));
  one.plan = published;
  one.step = goal === undefined ? published.length : published.indexOf(goal);
  if (one.status !== 'active' || one.live.state !== 'planned') return false;
  one.live.state = 'cancelled';
  return goTo(one, one.step);
}

export interface Settled {
  result: 'settled' | 'late' | 'lost';
  /** A next touch is planned. */
  planned: boolean;
}

/** What an outcome does; `token` fences it. */
export function settle(
  model: Model,
  one: ModelEnrollment,
  touch: ModelTouch,
  token: Uuid | null,
  answer: Answer,
): Settled {
  if (!inFlight(touch) || touch.token !== token) return { result: 'lost', planned: false };
  const moves = one.status === 'active' && one.live === touch;
  const result = moves ? 'settled' : 'late';
  if (answer === 'ambiguous') touch.state = 'unknown';
  if (answer === 'not_started') touch.attempt--;
  const givenUp = answer === 'later' && touch.attempt >= TRIES;
  if (answer === 'not_started' || (answer === 'later' && !givenUp))
    touch.state = moves ? 'planned' : 'cancelled';
  if (answer === 'bounce') model.contacts[one.contact]!.reachable = false;
  if (answer === 'accepted') {
    touch.state = 'sent';
    return { result, planned: moves && goTo(one, behind(one)) };
  }
  if (answer === 'refused' || answer === 'bounce' || givenUp) {
    touch.state = 'failed';
    if (moves) one.status = answer === 'bounce' ? 'bounced' : 'failed';
  }
  return { result, planned: false };
}

/** An opt-out of the contact: every live enrollment ends, what is planned is cancelled. */
export function optOut(model: Model, contact: number): void {
  model.contacts[contact]!.reachable = false;
  for (const one of model.enrollments)
    if (one.contact === contact && isLive(one.status)) apply(one, 'unsubscribe');
}
