import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dateOfDay, dayOfDate, daysOff, joinDaysOff, nextWorking } from './days-off.ts';
import { addBusinessDays, afterDelay } from './delay.ts';
import { nextOpen } from './window.ts';
import { DAY_MS, findZone, localDay, weekday } from './zone.ts';

const ALL_ZONES = [...Intl.supportedValuesOf('timeZone'), 'UTC'];
const days = (...dates: string[]) => daysOff(dates.map((date) => dayOfDate(date)!))!;
const iso = (ms: number) => new Date(ms).toISOString();

describe('holidays', () => {
  it('[CON-7] are dates that exist, and equal sets are one', () => {
    expect(dayOfDate('2026-02-29')).toBeNull();
    expect(dayOfDate('2026-1-1')).toBeNull();
    expect(dateOfDay(dayOfDate('2028-02-29')!)).toBe('2028-02-29');
    expect(days('2026-12-26', '2026-12-25', '2026-12-25')).toBe(days('2026-12-25', '2026-12-26'));
    expect(daysOff([])).toBeNull();
    expect(joinDaysOff([null, days('2026-12-25'), days('2026-01-01')])).toBe(
      days('2026-01-01', '2026-12-25'),
    );
    expect(joinDaysOff([null, null])).toBeNull();
  });

  it('[CON-7] close their whole day in their own zone and nothing else', () => {
    const christmas = [{ days_off: days('2026-12-25', '2026-12-26'), time_zone: 'Europe/Berlin' }];
    const open = (text: string) => {
      const result = nextOpen(Date.parse(text), christmas);
      if (!result.ok) throw new Error(result.error);
      return `${iso(result.not_before)} ${result.not_after === null ? 'open' : iso(result.not_after)}`;
    };
    expect(open('2026-12-24T12:00:00Z')).toBe('2026-12-24T12:00:00.000Z 2026-12-24T23:00:00.000Z');
    expect(open('2026-12-24T23:00:00Z')).toBe('2026-12-26T23:00:00.000Z open');
    expect(open('2027-06-01T12:00:00Z')).toBe('2027-06-01T12:00:00.000Z open');
  });

  it('[CON-7] cut a window, and a zone that does not exist blocks', () => {
    const office = { days: ['thu', 'fri', 'mon'] as const, from: '09:00', to: '17:00', time_zone: 'UTC' };
    const off = { days_off: days('2026-12-25'), time_zone: 'UTC' };
    expect(nextOpen(Date.parse('2026-12-25T10:00:00Z'), [office, off])).toMatchObject({
      not_before: Date.parse('2026-12-28T09:00:00Z'),
    });
    expect(nextOpen(0, [{ ...off, time_zone: 'Mars/Olympus' }])).toMatchObject({
      ok: false,
      error: 'bad_zone',
    });
  });

  it('[SEQ-1] are no business days', () => {
    const christmas = days('2026-12-24', '2026-12-25', '2026-12-26', '2027-01-01');
    const from = Date.parse('2026-12-23T09:00:00Z');
    const later = (amount: number) => {
      const result = afterDelay(from, { amount, unit: 'business_days' }, 'UTC', christmas);
      return result.ok ? iso(result.at) : result.error;
    };
    expect(later(1)).toBe('2026-12-28T09:00:00.000Z');
    expect(later(5)).toBe('2027-01-04T09:00:00.000Z');
    expect(later(0)).toBe('2026-12-23T09:00:00.000Z');
  });

  it('[SEQ-1] business days are counted as walking day by day does', () => {
    const property = fc.property(
      fc.integer({ min: 19_000, max: 24_000 }),
      fc.integer({ min: 1, max: 120 }),
      fc.uniqueArray(fc.integer({ min: 0, max: 250 }), { maxLength: 60 }),
      (day, count, offsets) => {
        const off = daysOff(offsets.map((offset) => day + offset));
        let walked = day;
        for (let left = count; left > 0; ) {
          walked++;
          if (weekday(walked) < 5 && !off?.days.includes(walked)) left--;
        }
        expect(addBusinessDays(day, count, off)).toBe(walked);
      },
    );
    fc.assert(property, { numRuns: 500 });
  });

  it('[CON-7] leave exactly the other days, in every zone', () => {
    const property = fc.property(
      fc.constantFrom(...ALL_ZONES),
      fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2034, 0, 1) }),
      fc.uniqueArray(fc.integer({ min: -4, max: 12 }), { minLength: 1, maxLength: 12 }),
      (name, ms, offsets) => {
        const zone = findZone(name)!;
        const off = daysOff(offsets.map((offset) => Math.floor(ms / DAY_MS) + offset))!;
        const isOff = (at: number) => off.days.includes(localDay(zone, at));
        const { start, end } = nextWorking(off, zone, ms);
        expect(end).toBeGreaterThan(ms);
        const first = Math.max(start, ms);
        expect(isOff(first)).toBe(false);
        if (first > ms) expect(isOff(first - 1)).toBe(true);
        if (end < Infinity) {
          expect(isOff(end - 1)).toBe(false);
          expect(isOff(end)).toBe(true);
        }
        for (let at = ms; at < first; at += 30 * 60_000) expect(isOff(at)).toBe(true);
      },
    );
    fc.assert(property, { numRuns: 2_000 });
  });
});
