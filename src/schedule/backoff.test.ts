import { describe, expect, it } from 'vitest';
import { DEFAULT_BACKOFF, retryWait } from './backoff.ts';

const MINUTE = 60_000;

describe('backoff', () => {
  it('[SEQ-12] tries three times in all, 5 and 10 minutes apart', () => {
    expect(retryWait(1)).toBe(5 * MINUTE);
    expect(retryWait(2)).toBe(10 * MINUTE);
    expect(retryWait(3)).toBeNull();
    expect(retryWait(4)).toBeNull();
  });

  it('[SEQ-12] would wait 20 minutes before a fourth try', () => {
    expect(retryWait(3, { ...DEFAULT_BACKOFF, tries: 4 })).toBe(20 * MINUTE);
  });

  it('waits as long as the provider asks, but never shorter than the policy nor longer than its limit', () => {
    expect(retryWait(1, DEFAULT_BACKOFF, 1_000)).toBe(5 * MINUTE);
    expect(retryWait(1, DEFAULT_BACKOFF, 30 * MINUTE)).toBe(30 * MINUTE);
    expect(retryWait(1, DEFAULT_BACKOFF, 1e12)).toBe(DEFAULT_BACKOFF.max_wait_ms);
    expect(retryWait(40, { ...DEFAULT_BACKOFF, tries: 50 })).toBe(DEFAULT_BACKOFF.max_wait_ms);
  });
});
