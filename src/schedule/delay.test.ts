import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addBusinessDays, afterDelay, type Delay, type DelayUnit, MAX_DELAY_DAYS } from './delay.ts';
import { DAY_MS, findZone, localDay, offsetAt, weekday } from './zone.ts';

const ALL_ZONES = [...Intl.supportedValuesOf('timeZone'), 'UTC'];
const instant = fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2034, 0, 1) });

function at(from: string, amount: number, unit: DelayUnit, timeZone: string): string {
  const result = afterDelay(Date.parse(from), { amount, unit }, timeZone);
  return result.ok ? new Date(result.at).toISOString() : result.error;
}

function mustAt(from: number, delay: Delay, timeZone: string): number {
  const result = afterDelay(from, delay, timeZone);
  if (!result.ok) throw new Error(result.error);
  return result.at;
}

describe('a step delay', () => {
  it('[SEQ-1] lets minutes and hours pass, also over a change of the clock', () => {
    expect(at('2026-11-01T05:30:00Z', 90, 'minutes', 'America/New_York')).toBe('2026-11-01T07:00:00.000Z');
    expect(at('2026-03-08T06:30:00Z', 24, 'hours', 'America/New_York')).toBe('2026-03-09T06:30:00.000Z');
  });

  it('[SEQ-1] keeps the wall time over days, also when the clock changes in between', () => {
    // 09:00 EST to 09:00 EDT: 23 hours.
    expect(at('2026-03-07T14:00:00Z', 1, 'days', 'America/New_York')).toBe('2026-03-08T13:00:00.000Z');
    // 09:00 EDT to 09:00 EST: 25 hours.
    expect(at('2026-10-31T13:00:00Z', 1, 'days', 'America/New_York')).toBe('2026-11-01T14:00:00.000Z');
  });

  it('[SEQ-1] moves a skipped wall time forward and takes the earlier of an ambiguous one', () => {
    expect(at('2026-03-07T07:30:00Z', 1, 'days', 'America/New_York')).toBe('2026-03-08T07:30:00.000Z');
    expect(at('2026-10-31T05:30:00Z', 1, 'days', 'America/New_York')).toBe('2026-11-01T05:30:00.000Z');
  });

  it('[SEQ-1] counts business days from Monday to Friday', () => {
    // 2026-11-20 is a Friday.
    expect(at('2026-11-20T09:00:00Z', 1, 'business_days', 'UTC')).toBe('2026-11-23T09:00:00.000Z');
    expect(at('2026-11-21T09:00:00Z', 1, 'business_days', 'UTC')).toBe('2026-11-23T09:00:00.000Z');
    expect(at('2026-11-22T09:00:00Z', 2, 'business_days', 'UTC')).toBe('2026-11-24T09:00:00.000Z');
    expect(at('2026-11-20T09:00:00Z', 5, 'business_days', 'UTC')).toBe('2026-11-27T09:00:00.000Z');
    expect(at('2026-11-18T09:00:00Z', 3, 'business_days', 'UTC')).toBe('2026-11-23T09:00:00.000Z');
    // Friday evening in New York is Saturday in UTC: the zone's own calendar counts.
    expect(at('2026-11-21T02:00:00Z', 1, 'business_days', 'America/New_York')).toBe(
      '2026-11-24T02:00:00.000Z',
    );
  });

  it('counts business days as walking day by day does', () => {
    const property = fc.property(
      fc.integer({ min: 19_000, max: 24_000 }),
      fc.integer({ min: 1, max: 300 }),
      (day, count) => {
        let walked = day;
        for (let left = count; left > 0; ) {
          walked++;
          if (weekday(walked) < 5) left--;
        }
        expect(addBusinessDays(day, count)).toBe(walked);
      },
    );
    fc.assert(property);
  });

  it('is never earlier than asked, grows with the amount, and keeps the wall time wherever it exists', () => {
    const amount = fc.integer({ min: 0, max: 400 });
    const unit = fc.constantFrom<DelayUnit>('minutes', 'hours', 'days', 'business_days');
    const property = fc.property(
      fc.constantFrom(...ALL_ZONES),
      instant,
      amount,
      unit,
      (timeZone, from, amount, unit) => {
        const zone = findZone(timeZone)!;
        const due = mustAt(from, { amount, unit }, timeZone);
        expect(due).toBeGreaterThanOrEqual(from);
        expect(mustAt(from, { amount: amount + 1, unit }, timeZone)).toBeGreaterThan(due);
        if (amount === 0 || unit === 'minutes' || unit === 'hours') return;
        const days = localDay(zone, due) - localDay(zone, from);
        if (unit === 'days') expect(days).toBe(amount);
        else expect(weekday(localDay(zone, due))).toBeLessThan(5);
        const drift = due + offsetAt(zone, due) - (from + offsetAt(zone, from)) - days * DAY_MS;
        // Only a skipped wall time moves, and only forward by the gap.
        expect([0, 30 * 60_000, 60 * 60_000]).toContain(drift);
      },
    );
    fc.assert(property, { numRuns: 3_000 });
  });

  it('refuses a zone it does not know and an amount that is none', () => {
    expect(afterDelay(0, { amount: 1, unit: 'days' }, 'Mars/Olympus')).toEqual({
      ok: false,
      error: 'bad_zone',
      detail: 'Mars/Olympus',
    });
    for (const amount of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, MAX_DELAY_DAYS + 1]) {
      expect(afterDelay(0, { amount, unit: 'days' }, 'UTC')).toMatchObject({ ok: false, error: 'bad_delay' });
    }
    expect(afterDelay(0, { amount: 1, unit: 'weeks' as DelayUnit }, 'UTC')).toMatchObject({
      error: 'bad_delay',
    });
  });
});
