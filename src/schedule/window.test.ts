import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextOpen, type OpenResult, WEEKDAYS, type Weekday, type Window, windowProblem } from './window.ts';
import { DAY_MS, findZone, MINUTE_MS, offsetAt, weekday } from './zone.ts';

const ALL_ZONES = [...Intl.supportedValuesOf('timeZone'), 'UTC'];
const WORKDAYS: Weekday[] = ['mon', 'tue', 'wed', 'thu', 'fri'];

function window(from: string, to: string, timeZone: string, days: Weekday[] = WORKDAYS): Window {
  return { days, from, to, time_zone: timeZone };
}

function show(result: OpenResult): string {
  if (!result.ok) return result.error;
  const end = result.not_after === null ? 'open' : new Date(result.not_after).toISOString();
  return `${new Date(result.not_before).toISOString()} ${end}`;
}

function open(from: string, ...windows: Window[]): string {
  return show(nextOpen(Date.parse(from), windows));
}

function minutes(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
}

/** The definition itself: is the wall time of this instant in the window? */
function isInside(ms: number, { days, from, to, time_zone }: Window): boolean {
  const wall = ms + offsetAt(findZone(time_zone)!, ms);
  const day = Math.floor(wall / DAY_MS);
  const minute = (wall - day * DAY_MS) / MINUTE_MS;
  const begins = (number: number) => days.includes(WEEKDAYS[weekday(number)]!);
  if (minutes(from) < minutes(to)) return begins(day) && minute >= minutes(from) && minute < minutes(to);
  return (begins(day) && minute >= minutes(from)) || (begins(day - 1) && minute < minutes(to));
}

const time = fc.integer({ min: 0, max: 95 }).map((quarter) => {
  const hour = String(Math.floor(quarter / 4)).padStart(2, '0');
  return `${hour}:${String((quarter % 4) * 15).padStart(2, '0')}`;
});
const anyWindow = (zones: string[]) =>
  fc
    .record({
      days: fc.subarray([...WEEKDAYS], { minLength: 1 }),
      from: time,
      to: fc.oneof(time, fc.constant('24:00')),
      time_zone: fc.constantFrom(...zones),
    })
    .filter((candidate) => candidate.from !== candidate.to);

describe('a sending window', () => {
  it('[SEQ-16] lets a touch through at once when it is open, until it closes', () => {
    const office = window('09:00', '17:00', 'Europe/Berlin');
    expect(open('2026-11-20T10:30:00Z', office)).toBe('2026-11-20T10:30:00.000Z 2026-11-20T16:00:00.000Z');
  });

  it('[SEQ-16] moves a touch to the next opening, over the weekend', () => {
    const office = window('09:00', '17:00', 'Europe/Berlin');
    expect(open('2026-11-20T16:00:00Z', office)).toBe('2026-11-23T08:00:00.000Z 2026-11-23T16:00:00.000Z');
    expect(open('2026-11-23T03:00:00Z', office)).toBe('2026-11-23T08:00:00.000Z 2026-11-23T16:00:00.000Z');
  });

  it('[SEQ-16] may go over midnight and belongs to the day it began', () => {
    const night = window('22:00', '02:00', 'UTC', ['fri']);
    expect(open('2026-11-20T21:00:00Z', night)).toBe('2026-11-20T22:00:00.000Z 2026-11-21T02:00:00.000Z');
    expect(open('2026-11-21T01:00:00Z', night)).toBe('2026-11-21T01:00:00.000Z 2026-11-21T02:00:00.000Z');
    expect(open('2026-11-21T02:00:00Z', night)).toBe('2026-11-27T22:00:00.000Z 2026-11-28T02:00:00.000Z');
  });

  it("[SEQ-16] is intersected with the sender's, each in its own zone", () => {
    const sequence = window('09:00', '18:00', 'Europe/Berlin');
    const sender = window('09:00', '17:00', 'America/New_York');
    expect(open('2026-11-20T09:00:00Z', sequence, sender)).toBe(
      '2026-11-20T14:00:00.000Z 2026-11-20T17:00:00.000Z',
    );
    expect(open('2026-11-20T17:00:00Z', sequence, sender)).toBe(
      '2026-11-23T14:00:00.000Z 2026-11-23T17:00:00.000Z',
    );
  });

  it('[SEQ-16] that never meets the other is an error, not a loop', () => {
    const mornings = window('06:00', '09:00', 'UTC');
    const evenings = window('18:00', '21:00', 'UTC');
    expect(open('2026-11-20T09:00:00Z', mornings, evenings)).toBe('never_open');
    expect(open('2026-11-20T09:00:00Z', mornings, window('00:00', '24:00', 'UTC', ['sun']))).toBe(
      'never_open',
    );
  });

  it('finds the few weeks a year in which two daylight rules let two windows meet', () => {
    // New York 12:00 is London 17:00, except between the two changes of March, when it is 16:00.
    const london = window('16:00', '17:00', 'Europe/London');
    const newYork = window('12:00', '13:00', 'America/New_York');
    expect(open('2026-04-10T00:00:00Z', london, newYork)).toBe(
      '2026-10-26T16:00:00.000Z 2026-10-26T17:00:00.000Z',
    );
  });

  it('in a zone that does not exist blocks and says so', () => {
    expect(nextOpen(0, [window('09:00', '17:00', 'Mars/Olympus')])).toEqual({
      ok: false,
      error: 'bad_zone',
      detail: 'Mars/Olympus',
    });
  });

  it('that cannot be read blocks and says so', () => {
    const bad = [
      window('9:00', '17:00', 'UTC'),
      window('09:00', '25:00', 'UTC'),
      window('09:00', '09:00', 'UTC'),
      window('24:00', '09:00', 'UTC'),
      window('09:00', '17:00', 'UTC', []),
      window('09:00', '17:00', 'UTC', ['someday' as Weekday]),
    ];
    for (const one of bad) {
      expect(nextOpen(0, [one])).toMatchObject({ ok: false, error: 'bad_window' });
      expect(windowProblem(one)).toMatchObject({ error: 'bad_window' });
    }
    expect(windowProblem(window('09:00', '17:00', 'UTC'))).toBeNull();
  });

  it('that is always open has no edge at midnight', () => {
    const always = window('00:00', '24:00', 'Europe/Berlin', [...WEEKDAYS]);
    const now = Date.parse('2026-11-20T22:59:59Z');
    const result = nextOpen(now, [always]);
    expect(result).toMatchObject({ ok: true, not_before: now });
    expect(result.ok && result.not_after! - now).toBeGreaterThan(6 * DAY_MS);
    expect(nextOpen(now, [])).toEqual({ ok: true, not_before: now, not_after: null });
  });

  it('follows the clock when it changes', () => {
    const early = window('02:15', '02:45', 'America/New_York', ['sun']);
    // On 2026-03-08 that half hour is skipped: the next one is a week later.
    expect(open('2026-03-07T12:00:00Z', early)).toBe('2026-03-15T06:15:00.000Z 2026-03-15T06:45:00.000Z');
    // On 2026-11-01 01:15 to 01:45 comes twice.
    const twice = window('01:15', '01:45', 'America/New_York', ['sun']);
    expect(open('2026-11-01T00:00:00Z', twice)).toBe('2026-11-01T05:15:00.000Z 2026-11-01T05:45:00.000Z');
    expect(open('2026-11-01T05:50:00Z', twice)).toBe('2026-11-01T06:15:00.000Z 2026-11-01T06:45:00.000Z');
  });
});

describe('for any windows, zones and instants', () => {
  const instant = fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2034, 0, 1) });
  const zones = fc.constantFrom(...ALL_ZONES);

  it('the answer is inside every window, from its first instant to its last, and never early', () => {
    const property = fc.property(
      zones.chain((zone) =>
        fc.array(anyWindow([zone, 'UTC', 'America/New_York']), { minLength: 1, maxLength: 3 }),
      ),
      instant,
      (windows, ms) => {
        const result = nextOpen(ms, windows);
        if (!result.ok) {
          expect(result.error).toBe('never_open');
          return;
        }
        expect(result.not_before).toBeGreaterThanOrEqual(ms);
        expect(result.not_after!).toBeGreaterThan(result.not_before);
        for (const one of windows) {
          expect(isInside(result.not_before, one)).toBe(true);
          expect(isInside(result.not_after! - 1, one)).toBe(true);
        }
      },
    );
    fc.assert(property, { numRuns: 1_500 });
  });

  it('nothing open is passed over: no instant before the answer lies in all windows', () => {
    const property = fc.property(
      zones.chain((zone) => fc.array(anyWindow([zone, 'UTC']), { minLength: 1, maxLength: 2 })),
      instant,
      (windows, ms) => {
        const result = nextOpen(ms, windows);
        const end = result.ok ? result.not_before : ms + 15 * DAY_MS;
        const first = Math.ceil(ms / (15 * MINUTE_MS)) * 15 * MINUTE_MS;
        for (let at = first; at < end; at += 15 * MINUTE_MS) {
          expect(windows.every((one) => isInside(at, one))).toBe(false);
        }
      },
    );
    fc.assert(property, { numRuns: 400 });
  });

  it('a later touch never opens before an earlier one', () => {
    const property = fc.property(
      fc.array(anyWindow(ALL_ZONES), { minLength: 1, maxLength: 2 }),
      instant,
      fc.nat({ max: 9 * DAY_MS }),
      (windows, ms, more) => {
        const first = nextOpen(ms, windows);
        const second = nextOpen(ms + more, windows);
        if (first.ok && second.ok) expect(second.not_before).toBeGreaterThanOrEqual(first.not_before);
        expect(second.ok).toBe(first.ok);
      },
    );
    fc.assert(property, { numRuns: 1_000 });
  });

  it('holds around every change of the clock', () => {
    const zoneNames = [
      'America/New_York',
      'Europe/London',
      'Australia/Lord_Howe',
      'Africa/Cairo',
      'America/Nuuk',
      'Atlantic/Azores',
      'Africa/Casablanca',
      'America/Havana',
    ];
    for (const name of zoneNames) {
      const zone = findZone(name)!;
      const windows = [
        window('00:15', '02:45', name, [...WEEKDAYS]),
        window('23:30', '00:30', name, [...WEEKDAYS]),
      ];
      for (let hour = Date.UTC(2024, 0, 1); hour < Date.UTC(2035, 0, 1); hour += DAY_MS / 2) {
        if (offsetAt(zone, hour) === offsetAt(zone, hour + DAY_MS / 2)) continue;
        for (let ms = hour - DAY_MS; ms < hour + DAY_MS; ms += 10 * MINUTE_MS) {
          for (const one of windows) {
            const result = nextOpen(ms, [one]);
            if (!result.ok) throw new Error(`${name} ${new Date(ms).toISOString()} ${result.error}`);
            if (isInside(ms, one) !== (result.not_before === ms)) {
              throw new Error(`${name} ${new Date(ms).toISOString()} ${one.from} ${show(result)}`);
            }
          }
        }
      }
    }
  });

  it('answers in bulk in less than 20 µs a touch', () => {
    const windows = [window('09:00', '17:00', 'Europe/Berlin'), window('08:00', '20:00', 'America/New_York')];
    const start = Date.UTC(2026, 0, 1);
    const before = performance.now();
    for (let i = 0; i < 100_000; i++) nextOpen(start + ((i * 7_919_000) % (90 * DAY_MS)), windows);
    expect(((performance.now() - before) * 1000) / 100_000).toBeLessThan(20);
  });
});
