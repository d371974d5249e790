/**
 * The circuit breaker of a sender: when too many of its messages of today and yesterday, by its own calendar, bounced or
 * failed for good, it is to be paused before its provider does worse. In: what was counted (record.ts). Out: why it must
 * stop, or that it need not. Who pauses is dispatch/trip.ts. Pure.
 */
export interface Breaker {
  /** Fewer messages than this prove nothing. */
  min_sends: number;
  /** More than so many percent trip it; 100: never. */
  bounce_percent: number;
  failure_percent: number;
}

/** Above 5 % of hard bounces large mailbox providers and Amazon SES put a sender under review. */
export const USUAL_BREAKER: Breaker = { min_sends: 50, bounce_percent: 5, failure_percent: 20 };

/** How the reason begins, by which others know who paused the sender: hold_flag in plan/stop.sql, too. */
export const TRIPPED = 'circuit_breaker';

export interface SendingRecord {
  /** Its first day, `YYYY-MM-DD`. */
  since: string;
  /** Accepted, under way and failed. */
  sends: number;
  failed: number;
  bounced: number;
}

/** Why the sender must stop; null: it need not. */
export function tripReason(
  settings: Breaker | null,
  { sends, failed, bounced, since }: SendingRecord,
): string | null {
  const { min_sends, bounce_percent, failure_percent } = settings ?? USUAL_BREAKER;
  if (sends < min_sends) return null;
  const says = (count: number, what: string, most: number) =>
    `${TRIPPED}: ${count} of ${sends} messages since ${since} ${what}, more than ${most} %`;
  if (bounced * 100 > bounce_percent * sends) return says(bounced, 'bounced', bounce_percent);
  if (failed * 100 > failure_percent * sends) return says(failed, 'failed', failure_percent);
  return null;
}
