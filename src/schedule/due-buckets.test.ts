import { describe, expect, it } from 'vitest';
import { bucketOf, DUE_BUCKETS, dueDays } from './due-buckets.ts';

const NOW = Date.parse('2026-11-22T03:30:00Z');

describe('[DUE-1] the buckets', () => {
  it('are of the viewer’s own day: the same moment is tomorrow in one zone and today in another', () => {
    const due = Date.parse('2026-11-22T05:00:00Z');
    expect(bucketOf(due, dueDays(NOW, 'Europe/Berlin')!)).toBe('today');
    // There it is still the evening of the 21st, whose midnight is 05:00 UTC.
    expect(dueDays(NOW, 'America/New_York')!.day).toBe('2026-11-21');
    expect(bucketOf(due, dueDays(NOW, 'America/New_York')!)).toBe('upcoming');
    expect(bucketOf(due - 1, dueDays(NOW, 'America/New_York')!)).toBe('today');
  });

  it('follow each other without gap or overlap, also over a change of the clock', () => {
    for (const zone of ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Pacific/Apia']) {
      const { buckets } = dueDays(Date.parse('2026-10-25T12:00:00Z'), zone)!;
      const order = [buckets.stale, buckets.overdue, buckets.today, buckets.upcoming];
      for (const [i, span] of order.entries()) if (i > 0) expect(span.from, zone).toBe(order[i - 1]!.to);
      expect(order[0]!.from).toBe(Number.NEGATIVE_INFINITY);
      expect(order[3]!.to).toBe(Number.POSITIVE_INFINITY);
    }
    const berlin = dueDays(Date.parse('2026-10-25T12:00:00Z'), 'Europe/Berlin')!.buckets.today;
    expect(berlin.to - berlin.from).toBe(25 * 3_600_000);
  });

  it('put apart what fell due more than thirty days before today', () => {
    const days = dueDays(NOW, 'UTC')!;
    expect(bucketOf(Date.parse('2026-10-23T00:00:00Z'), days)).toBe('overdue');
    expect(bucketOf(Date.parse('2026-10-22T23:59:59.999Z'), days)).toBe('stale');
    expect(DUE_BUCKETS).toHaveLength(4);
  });

  it('there are none in a zone that does not exist', () => {
    expect(dueDays(NOW, 'Mars/Olympus')).toBeNull();
  });
});
