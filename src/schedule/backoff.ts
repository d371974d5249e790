/**
 * When to try again [SEQ-12]. In: how many tries were made. Out: milliseconds to wait, or null when the tries
 * are used up. Permanent errors never come here; they fail at once.
 */
import { MINUTE_MS } from './zone.ts';

export interface BackoffPolicy {
  /** Tries in all, the first included. */
  tries: number;
  /** Wait after the first try; each further wait is twice the one before. */
  first_wait_ms: number;
  max_wait_ms: number;
}

/** Three tries in all, 5 and 10 minutes apart; a fourth would wait 20. */
export const DEFAULT_BACKOFF: BackoffPolicy = {
  tries: 3,
  first_wait_ms: 5 * MINUTE_MS,
  max_wait_ms: 24 * 60 * MINUTE_MS,
};

/** `triesMade` is 1 or more. `retry_after_ms` is the provider's own wish, which only ever lengthens the wait. */
export function retryWait(
  triesMade: number,
  policy: BackoffPolicy = DEFAULT_BACKOFF,
  retryAfterMs = 0,
): number | null {
  if (triesMade >= policy.tries) return null;
  const wait = Math.min(policy.first_wait_ms * 2 ** (triesMade - 1), policy.max_wait_ms);
  return Math.max(wait, Math.min(retryAfterMs, policy.max_wait_ms));
}
