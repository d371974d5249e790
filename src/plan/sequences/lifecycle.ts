/**
 * The enrollment's life, as one total table status × event (SEQ-2). Every write of a status goes through it: the SQL
 * gets the statuses an event may leave as an argument. null: illegal, a 409 that changes nothing. The database
 * constraint, the API's enum and docs/states.md are compared with it by a test (I6).
 */
export const ENROLLMENT_STATUSES = [
  'active',
  'paused',
  'completed',
  'failed',
  'exited',
  'bounced',
  'unsubscribed',
  'unenrolled',
] as const;
export type EnrollmentStatus = (typeof ENROLLMENT_STATUSES)[number];

/** Live: at most one per (sequence, contact). */
export const LIVE_STATUSES = ['active', 'paused'] as const satisfies readonly EnrollmentStatus[];

export function isLive(status: EnrollmentStatus): boolean {
  return (LIVE_STATUSES as readonly EnrollmentStatus[]).includes(status);
}

export const ENROLLMENT_EVENTS = [
  'pause',
  'resume',
  'advance',
  'unenroll',
  'restart',
  'fail',
  'complete',
  'unsubscribe',
  'bounce',
  'exit',
] as const;
export type EnrollmentEvent = (typeof ENROLLMENT_EVENTS)[number];

type Row = Record<EnrollmentEvent, EnrollmentStatus | null>;

const NOWHERE: Row = {
  pause: null,
  resume: null,
  advance: null,
  unenroll: null,
  restart: null,
  fail: null,
  complete: null,
  unsubscribe: null,
  bounce: null,
  exit: null,
};

export const TRANSITIONS: Record<EnrollmentStatus, Row> = {
  active: {
    pause: 'paused',
    resume: null,
    advance: 'active',
    unenroll: 'unenrolled',
    restart: 'active',
    fail: 'failed',
    complete: 'completed',
    unsubscribe: 'unsubscribed',
    bounce: 'bounced',
    exit: 'exited',
  },
  // What a touch in flight ends with after a pause is recorded on the touch; only a person, an opt-out, a bounce or a
  // goal moves a paused enrollment.
  paused: {
    ...NOWHERE,
    resume: 'active',
    unenroll: 'unenrolled',
    restart: 'active',
    unsubscribe: 'unsubscribed',
    bounce: 'bounced',
    exit: 'exited',
  },
  completed: { ...NOWHERE, restart: 'active' },
  failed: { ...NOWHERE, restart: 'active' },
  exited: { ...NOWHERE, restart: 'active' },
  unenrolled: { ...NOWHERE, restart: 'active' },
  // Nothing brings these back but a fresh consent or address, and then a new enrollment.
  bounced: NOWHERE,
  unsubscribed: NOWHERE,
};

/** They look for a step to go on with; where none is left they lead to `completed` instead. */
export const MOVES = ['resume', 'advance'] as const satisfies EnrollmentEvent[];

/** The statuses an event may leave. */
export function leavable(event: EnrollmentEvent): EnrollmentStatus[] {
  return ENROLLMENT_STATUSES.filter((status) => TRANSITIONS[status][event] !== null);
}
