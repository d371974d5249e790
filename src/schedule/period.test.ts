import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { periodOf } from './period.ts';

const ALL_ZONES = [...Intl.supportedValuesOf('timeZone'), 'UTC'];
const instant = fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2034, 11, 1) });

describe('quota periods', () => {
  it("[EXE-7] are the account's own calendar days", () => {
    const ms = Date.parse('2026-11-22T04:30:00Z');
    expect(periodOf(ms, 'UTC')?.day).toBe('2026-11-22');
    expect(periodOf(ms, 'America/New_York')).toMatchObject({
      day: '2026-11-21',
      day_start_ms: Date.parse('2026-11-21T05:00:00Z'),
      day_end_ms: Date.parse('2026-11-22T05:00:00Z'),
    });
    expect(periodOf(ms, 'Asia/Kathmandu')?.day).toBe('2026-11-22');
  });

  it('[EXE-7] are 23 and 25 hours long when the clock changes', () => {
    const hours = (text: string) => {
      const period = periodOf(Date.parse(text), 'America/New_York')!;
      return (period.day_end_ms - period.day_start_ms) / 3_600_000;
    };
    expect(hours('2026-03-08T12:00:00Z')).toBe(23);
    expect(hours('2026-11-01T12:00:00Z')).toBe(25);
    expect(hours('2026-07-01T12:00:00Z')).toBe(24);
  });

  it('[EXE-7] give the repeated hour of autumn two keys', () => {
    const first = periodOf(Date.parse('2026-11-01T05:30:00Z'), 'America/New_York')!;
    const second = periodOf(Date.parse('2026-11-01T06:30:00Z'), 'America/New_York')!;
    expect(first.day).toBe(second.day);
    expect(first.hour_key).toBe('2026-11-01T05Z');
    expect(second.hour_key).toBe('2026-11-01T06Z');
    expect(first.hour_end_ms).toBe(second.hour_start_ms);
  });

  it('hold their instant and follow each other without gap or overlap, in every zone', () => {
    const property = fc.property(fc.constantFrom(...ALL_ZONES), instant, (timeZone, ms) => {
      const period = periodOf(ms, timeZone)!;
      expect(period.day_start_ms).toBeLessThanOrEqual(ms);
      expect(period.day_end_ms).toBeGreaterThan(ms);
      expect(period.hour_start_ms).toBeLessThanOrEqual(ms);
      expect(period.hour_end_ms).toBeGreaterThan(ms);
      const next = periodOf(period.day_end_ms, timeZone)!;
      expect(next.day_start_ms).toBe(period.day_end_ms);
      expect(next.day > period.day).toBe(true);
      expect(periodOf(period.day_end_ms - 1, timeZone)!.day).toBe(period.day);
    });
    fc.assert(property, { numRuns: 3_000 });
  });

  it('do not exist in a zone that does not', () => {
    expect(periodOf(0, 'Mars/Olympus')).toBeNull();
  });
});
