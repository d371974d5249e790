import { beforeAll, describe, expect, it } from 'vitest';
import { daysOff } from './days-off.ts';
import {
  DEFAULT_QUIET_HOURS,
  mayBeQuiet,
  quietHoursProblem,
  quietRules,
  quietWindows,
} from './quiet-hours.ts';
import { nextOpen, type Rule, WEEKDAYS, type Window } from './window.ts';
import { DAY_MS, findZone, HOUR_MS, localDay, MINUTE_MS, offsetAt, weekday, type Zone } from './zone.ts';

const NIGHT = { from: '21:00', to: '08:00' };

function next(from: string, rules: readonly Rule[]): string {
  const result = nextOpen(Date.parse(from), rules);
  if (!result.ok) return result.error;
  const end = result.not_after === null ? 'open' : new Date(result.not_after).toISOString().slice(0, 16);
  return `${new Date(result.not_before).toISOString().slice(0, 16)} ${end}`;
}

describe('quiet hours', () => {
  it("[CON-7] are of the recipient's own night", () => {
    const newYork = quietWindows([NIGHT], ['America/New_York']);
    expect(next('2026-11-20T02:30:00Z', newYork)).toBe('2026-11-20T13:00 2026-11-21T02:00');
    expect(next('2026-11-20T18:00:00Z', newYork)).toBe('2026-11-20T18:00 2026-11-21T02:00');
    expect(next('2026-11-21T02:00:00Z', newYork)).toBe('2026-11-21T13:00 2026-11-22T02:00');
  });

  it('[CON-7] of somebody who may be in several zones leave the hours in which it is day in all of them', () => {
    const anywhere = quietWindows([NIGHT], ['America/New_York', 'America/Los_Angeles', 'Pacific/Honolulu']);
    expect(next('2026-11-20T13:00:00Z', anywhere)).toBe('2026-11-20T18:00 2026-11-21T02:00');
    const opposite = quietWindows([{ from: '18:00', to: '09:00' }], ['Europe/London', 'Pacific/Auckland']);
    expect(next('2026-11-20T13:00:00Z', opposite)).toBe('never_open');
  });

  it('[CON-7] may lie at noon, begin or end at midnight', () => {
    const noon = quietWindows([{ from: '12:00', to: '14:00' }], ['UTC']);
    expect(next('2026-11-20T12:30:00Z', noon)).toBe('2026-11-20T14:00 2026-11-21T12:00');
    for (const midnight of ['00:00', '24:00']) {
      const evening = quietWindows([{ from: '20:00', to: midnight }], ['UTC']);
      expect(next('2026-11-20T22:00:00Z', evening)).toBe('2026-11-21T00:00 2026-11-21T20:00');
      const morning = quietWindows([{ from: midnight, to: '06:00' }], ['UTC']);
      expect(next('2026-11-20T05:00:00Z', morning)).toBe('2026-11-20T06:00 2026-11-21T00:00');
    }
  });

  it('[I10] that cannot be read, or have no end, block instead of falling open', () => {
    for (const hours of [
      { from: '00:00', to: '24:00' },
      { from: '08:00', to: '08:00' },
      { from: '24:00', to: '24:00' },
      { from: '8', to: '21:00' },
    ]) {
      expect(quietHoursProblem(hours)).toMatchObject({ error: 'bad_window' });
      expect(next('2026-11-20T12:00:00Z', quietWindows([hours], ['UTC']))).toBe('bad_window');
    }
    expect(quietHoursProblem(NIGHT)).toBeNull();
    expect(next('2026-11-20T12:00:00Z', quietWindows([NIGHT], ['Mars/Olympus']))).toBe('bad_zone');
  });

  it('[CON-7] are set a channel; for telephones in the United States the law sets them too', () => {
    expect(quietRules('email', DEFAULT_QUIET_HOURS, { countries: ['US'] })).toEqual([]);
    expect(quietRules('sms', DEFAULT_QUIET_HOURS, { countries: ['DE'] })).toEqual([
      { ...NIGHT, source: 'organization' },
    ]);
    const law = { ...NIGHT, source: '47 CFR 64.1200(c)(1)' };
    expect(quietRules('sms', null, { countries: ['CA', 'US'] })).toEqual([law]);
    expect(
      quietRules('call', { from: '23:00', to: '06:00', channels: ['call'] }, { countries: ['GU'] }),
    ).toEqual([{ from: '23:00', to: '06:00', source: 'organization' }, law]);
    expect(quietRules('whatsapp', null, { countries: ['DE'] })).toEqual([]);
    expect(mayBeQuiet('email', DEFAULT_QUIET_HOURS)).toBe(false);
    expect(mayBeQuiet('email', { ...NIGHT, channels: ['email'] })).toBe(true);
    expect(mayBeQuiet('sms', null)).toBe(true);
  });
});

const FIRST = Date.UTC(2025, 0, 1);
const LAST = Date.UTC(2035, 0, 1);

/** All changes of all zones, found through the platform's own formatter: a week in which it says another offset. */
function changesOf(name: string): number[] {
  const format = new Intl.DateTimeFormat('en', {
    timeZone: name,
    timeZoneName: 'longOffset',
    year: 'numeric',
  });
  const zone = findZone(name)!;
  const found: number[] = [];
  let before = format.format(FIRST);
  for (let ms = FIRST + 7 * DAY_MS; ms <= LAST; ms += 7 * DAY_MS) {
    const now = format.format(ms);
    if (offsetText(now) !== offsetText(before)) found.push(exactChange(zone, ms - 7 * DAY_MS, ms));
    before = now;
  }
  return found;
}

function offsetText(text: string): string {
  return text.slice(text.indexOf('GMT'));
}

function exactChange(zone: Zone, from: number, to: number): number {
  let low = from / 1000;
  let high = to / 1000;
  const before = offsetAt(zone, from);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(zone, middle * 1000) === before) low = middle;
    else high = middle;
  }
  return high * 1000;
}

/** The rules themselves, by the wall clock of an instant. */
interface Judge {
  zone: Zone;
  allows(day: number, minute: number): boolean;
}

const minutes = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));

function quietJudge(zone: string, { from, to }: { from: string; to: string }): Judge {
  const begin = minutes(from);
  const end = minutes(to);
  const quiet = begin < end ? (m: number) => m >= begin && m < end : (m: number) => m >= begin || m < end;
  return { zone: findZone(zone)!, allows: (_day, minute) => !quiet(minute) };
}

function windowJudge({ days, from, to, time_zone }: Window): Judge {
  const wanted = new Set(days.map((day) => WEEKDAYS.indexOf(day)));
  return {
    zone: findZone(time_zone)!,
    allows: (day, minute) => wanted.has(weekday(day)) && minute >= minutes(from) && minute < minutes(to),
  };
}

function holidayJudge(zone: string, days: readonly number[]): Judge {
  return { zone: findZone(zone)!, allows: (day) => !days.includes(day) };
}

function allowed(ms: number, judges: readonly Judge[]): boolean {
  return judges.every(({ zone, allows }) => {
    const wall = ms + offsetAt(zone, ms);
    const day = Math.floor(wall / DAY_MS);
    return allows(day, Math.floor((wall - day * DAY_MS) / MINUTE_MS));
  });
}

/**
 * Over `hours` from `from`, at every minute: the plan must be the first minute that the judges allow. That is all
 * that is asked for: inside the rules, nothing earlier, the same again when asked again, never earlier for a later one.
 */
function judgeAll(
  from: number,
  hours: number,
  rules: readonly Rule[],
  judges: readonly Judge[],
): string | null {
  const count = hours * 60;
  const first = new Float64Array(count + 1).fill(Number.NaN);
  for (let i = count - 1; i >= 0; i--)
    first[i] = allowed(from + i * MINUTE_MS, judges) ? from + i * MINUTE_MS : first[i + 1]!;
  for (let i = 0; i < count; i += 7) {
    const ms = from + i * MINUTE_MS;
    if (Number.isNaN(first[i])) break;
    const plan = nextOpen(ms, rules);
    if (!plan.ok) return `${new Date(ms).toISOString()}: ${plan.error}`;
    if (plan.not_before !== first[i])
      return `${new Date(ms).toISOString()}: ${new Date(plan.not_before).toISOString()} instead of ${new Date(first[i]!).toISOString()}`;
    if (plan.not_after !== null && plan.not_after <= from + count * MINUTE_MS) {
      if (plan.not_after < from + count * MINUTE_MS && allowed(plan.not_after, judges))
        return `${new Date(ms).toISOString()}: ends at ${new Date(plan.not_after).toISOString()}, which is allowed`;
      if (!allowed(plan.not_after - MINUTE_MS, judges)) return `${new Date(ms).toISOString()}: ends too late`;
    }
  }
  return null;
}

describe('over every change of the clock of ten years, in every zone of the tz database', () => {
  let all = 0;
  let zonesThatChange = 0;
  // Zones whose clocks do the same at the same instant stand for each other: nothing else of a zone enters a plan.
  let changes: { name: string; at: number }[] = [];
  beforeAll(() => {
    const found = new Map<string, { name: string; at: number }>();
    for (const name of [...Intl.supportedValuesOf('timeZone'), 'UTC']) {
      const times = changesOf(name);
      all += times.length;
      if (times.length > 0) zonesThatChange++;
      const zone = findZone(name)!;
      for (const at of times)
        found.set(`${at} ${offsetAt(zone, at - 1)} ${offsetAt(zone, at)}`, { name, at });
    }
    changes = [...found.values()];
  });

  it('[I10] they are all looked at', () => {
    expect(all).toBeGreaterThan(2_500);
    expect(zonesThatChange).toBeGreaterThan(120);
    expect(changes.length).toBeGreaterThan(400);
  });

  it('[I10] a plan is the first minute outside quiet hours, inside the window and on no holiday', () => {
    const office: Window = {
      days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sun'],
      from: '07:30',
      to: '23:15',
      time_zone: 'Europe/London',
    };
    // Hours that the changes themselves fall into, and those of the law.
    const nights = [NIGHT, { from: '23:30', to: '01:30' }, { from: '02:15', to: '03:00' }];
    changes.forEach(({ name, at }, i) => {
      const zone = findZone(name)!;
      const from = Math.floor(at / HOUR_MS) * HOUR_MS - 20 * HOUR_MS;
      for (const [k, night] of nights.entries()) {
        const off = [localDay(zone, at) + ((i + k) % 2)];
        const rules: Rule[] = [
          ...quietWindows([night], [name]),
          { days_off: daysOff(off)!, time_zone: name },
        ];
        const judges = [quietJudge(name, night), holidayJudge(name, off)];
        if (k === i % 3) {
          rules.push(office);
          judges.push(windowJudge(office));
        }
        const wrong = judgeAll(from, 60, rules, judges);
        if (wrong !== null) throw new Error(`${name}, quiet ${night.from}-${night.to}, ${wrong}`);
      }
    });
  });

  it('[I10] for somebody who may be in several zones it is day in all of them', () => {
    const others = ['America/New_York', 'Europe/Berlin', 'Asia/Kolkata', 'Australia/Lord_Howe'];
    changes.forEach(({ name, at }, i) => {
      const zones = [name, others[i % others.length]!];
      // Short enough a night that any two zones have an hour in common.
      const night = { from: '23:00', to: '07:00' };
      const judges = zones.map((zone) => quietJudge(zone, night));
      const from = Math.floor(at / HOUR_MS) * HOUR_MS - 12 * HOUR_MS;
      const wrong = judgeAll(from, 48, quietWindows([night], zones), judges);
      if (wrong !== null) throw new Error(`${zones}, ${wrong}`);
    });
  });
});
