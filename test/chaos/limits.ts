/**
 * Times of a run, short enough that every lease runs out often. They belong together: a look-up is believed only
 * after a gap longer than the longest freeze and the latest acceptance.
 */

/** In the environment of workers. */
export const LANE_LEASE_MS = 1_500;
export const BUDGET_MS = 400;
export const CALL_TIMEOUT_MS = 1_000;
export const LEASE_MARGIN_MS = 300;
export const LOOKUP_GAP_MS = 5_500;
export const POLL_MS = 100;

/** Longer than every lease above, shorter than the gap between two looks. */
export const MAX_FREEZE_MS = 4_000;
/** The provider accepts so long after its caller has given up. */
export const LATE_MS = 2_500;
export const LOOKUP_DELAY_MS = 1_500;

/** Of one account of class K: what its provider keeps to, and what the sender is told. */
export const SHORT_KEY_LIFE_MS = 5_000;
export const TOLD_KEY_LIFE_MS = 4_500;

/** The language model of people's drafts is given up after this. */
export const DRAFTING_MS = 1_200;
/** A client gives a request up after this. */
export const CLIENT_TIMEOUT_MS = 6_000;
/** Until everything has settled after the last fault. */
export const DRAIN_MS = 90_000;
