import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { describe, expect, it } from 'vitest';
import { findZone, isZone, offsetAt, startOfDay, wallToInstant, type Zone } from './zone.ts';

const ALL_ZONES = [...Intl.supportedValuesOf('timeZone'), 'UTC'];
const FROM = Date.UTC(2024, 0, 1);
const TO = Date.UTC(2035, 0, 1);

function zone(name: string): Zone {
  const found = findZone(name);
  if (found === null) throw new Error(`no zone ${name}`);
  return found;
}

/** The offset by another road than ours: the platform's own formatter. */
function offsetByFormatter(formatter: Intl.DateTimeFormat, ms: number): number {
  const part: Record<string, number> = {};
  for (const { type, value } of formatter.formatToParts(ms)) part[type] = Number(value);
  const wall = Date.UTC(part.year!, part.month! - 1, part.day!, part.hour!, part.minute!, part.second!);
  return wall - Math.floor(ms / 1000) * 1000;
}

function formatterOf(name: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat('en-US', {
    timeZone: name,
    calendar: 'iso8601',
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
}

describe('time zones', () => {
  it('agrees with the platform on the offset of every zone at any instant from 2024 to 2034', () => {
    const formatters = new Map(ALL_ZONES.map((name) => [name, formatterOf(name)]));
    const property = fc.property(
      fc.constantFrom(...ALL_ZONES),
      fc.integer({ min: FROM, max: TO }),
      (name, ms) => offsetAt(zone(name), ms) === offsetByFormatter(formatters.get(name)!, ms),
    );
    fc.assert(property, { numRuns: 4_000 });
  });

  it('finds every change of the clock from 2024 to 2034 to the second', () => {
    // The zones whose rules differ most: both hemispheres, half hours, Ramadan, midnight changes, none.
    const names = [
      'America/New_York',
      'Europe/London',
      'Europe/Berlin',
      'Australia/Lord_Howe',
      'Australia/Sydney',
      'America/Santiago',
      'Africa/Cairo',
      'Africa/Casablanca',
      'Asia/Beirut',
      'America/Nuuk',
      'Atlantic/Azores',
      'Pacific/Chatham',
      'America/Havana',
      'Asia/Kathmandu',
    ];
    let changes = 0;
    for (const name of names) {
      let at = Temporal.Instant.fromEpochMilliseconds(FROM).toZonedDateTimeISO(name);
      for (;;) {
        const next = at.getTimeZoneTransition('next');
        if (next === null || next.epochMilliseconds >= TO) break;
        const ms = next.epochMilliseconds;
        expect([name, ms, offsetAt(zone(name), ms)]).toEqual([name, ms, next.offsetNanoseconds / 1e6]);
        expect(offsetAt(zone(name), ms - 1)).not.toBe(offsetAt(zone(name), ms));
        at = next;
        changes++;
      }
    }
    expect(changes).toBeGreaterThan(200);
  });

  it('reads a wall time as Temporal does: skipped moves forward, ambiguous takes the earlier', () => {
    const minute = fc.integer({ min: FROM / 60_000, max: TO / 60_000 });
    const property = fc.property(fc.constantFrom(...ALL_ZONES), minute, (name, wallMinute) => {
      const wall = wallMinute * 60_000;
      const plain = Temporal.PlainDateTime.from(new Date(wall).toISOString().slice(0, 19));
      const expected = plain.toZonedDateTime(name, { disambiguation: 'compatible' }).epochMilliseconds;
      expect(wallToInstant(zone(name), wall)).toBe(expected);
    });
    fc.assert(property, { numRuns: 1_500 });
  });

  it('reads wall times on the days on which the clock changes', () => {
    const utc = (text: string) => Date.parse(`${text}Z`);
    const newYork = zone('America/New_York');
    // 02:30 does not exist on 2026-03-08: it becomes 03:30 EDT.
    expect(wallToInstant(newYork, utc('2026-03-08T02:30:00'))).toBe(utc('2026-03-08T07:30:00'));
    // 01:30 comes twice on 2026-11-01: the first is EDT.
    expect(wallToInstant(newYork, utc('2026-11-01T01:30:00'))).toBe(utc('2026-11-01T05:30:00'));
  });

  it('starts a day whose midnight is skipped at the end of the gap', () => {
    // Cairo goes from 00:00 to 01:00 on 2026-04-24.
    const day = Date.UTC(2026, 3, 24) / 86_400_000;
    expect(startOfDay(zone('Africa/Cairo'), day)).toBe(Date.parse('2026-04-23T22:00:00Z'));
    // Nuuk goes from 2026-03-28 23:00 to the 29th: the day's first instant is the change itself.
    const nuuk = zone('America/Nuuk');
    const sunday = Date.UTC(2026, 2, 29) / 86_400_000;
    expect(startOfDay(nuuk, sunday)).toBe(Date.parse('2026-03-29T01:00:00Z'));
  });

  it('knows names in any letter case and refuses everything that is no zone', () => {
    expect(findZone('europe/berlin')).toBe(findZone('Europe/Berlin'));
    expect(isZone('UTC')).toBe(true);
    for (const name of ['', 'Mars/Olympus', '+02:00', 'Europe/Berlin ', "UTC'; --", 'GMT+5', '__proto__']) {
      expect([name, isZone(name)]).toEqual([name, false]);
    }
  });
});
