/**
 * The touch's state machine, as data. The database constraint, the API's enum and docs/states.md are compared with
 * these lists by a test (I6). Each transition is one guarded UPDATE in gate.sql, settle.sql, stop.sql, move.sql or
 * version-move.sql.
 */
export const TOUCH_STATES = [
  'planned',
  'sending',
  'sent',
  'failed',
  'unknown',
  'cancelled',
  'skipped',
] as const;
export type TouchState = (typeof TOUCH_STATES)[number];

/** Waiting: what an active enrollment has exactly one of (I5). */
export const WAITING_STATES = ['planned', 'sending', 'unknown'] as const satisfies readonly TouchState[];

export const TOUCH_EVENTS = [
  'gate',
  'resend',
  'sent',
  'failed',
  'retry',
  'not_started',
  'unknown',
  'cancel',
  'skip',
  'postpone',
  'hold',
  'release',
] as const;
export type TouchEvent = (typeof TOUCH_EVENTS)[number];

/** null: not possible; nothing is written. */
export const TOUCH_TRANSITIONS: Record<TouchState, Record<TouchEvent, TouchState | null>> = {
  planned: {
    gate: 'sending',
    resend: null,
    sent: null,
    failed: null,
    retry: null,
    not_started: null,
    unknown: null,
    cancel: 'cancelled',
    skip: 'skipped',
    postpone: 'planned',
    hold: 'planned',
    release: 'planned',
  },
  sending: {
    gate: null,
    resend: null,
    sent: 'sent',
    failed: 'failed',
    retry: 'planned',
    not_started: 'planned',
    unknown: 'unknown',
    cancel: null,
    skip: null,
    postpone: null,
    hold: null,
    release: null,
  },
  unknown: {
    gate: null,
    resend: 'sending',
    sent: 'sent',
    failed: 'failed',
    retry: 'planned',
    not_started: 'planned',
    unknown: 'unknown',
    cancel: null,
    skip: null,
    postpone: null,
    hold: null,
    release: null,
  },
  sent: ended(),
  failed: ended(),
  cancelled: ended(),
  skipped: ended(),
};

function ended(): Record<TouchEvent, null> {
  return Object.fromEntries(TOUCH_EVENTS.map((event) => [event, null])) as Record<TouchEvent, null>;
}

/**
 * The typed event stream (REP-1): written by the runtime, read by the reports, from this one list. A constraint keeps
 * others out. What ends an enrollment is told by its status, whoever ended it.
 */
export const EVENT_TYPES = [
  'enrolled',
  'pause',
  'resume',
  'advance',
  'restart',
  // to another version of its sequence
  'moved',
  // of an enrollment
  'completed',
  'exited',
  // beside `exited`, where what ended it was the goal
  'converted',
  'bounced',
  'unsubscribed',
  'unenrolled',
  // of a touch, and without one of its enrollment
  'failed',
  // of a touch
  'sent',
  'retry',
  'not_started',
  'unknown',
  'cancelled',
  'skipped',
  'postponed',
  'held',
  'looked_up',
  'resolved',
  'needs_review',
  // of a touch that a person does
  'drafted',
  'started',
  'done',
  'assigned',
  // of a touch, told by its provider or its recipient
  'delivered',
  'bounce',
  'complained',
  'opened',
  'clicked',
  'replied',
  // of a contact
  'unsubscribe',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];
