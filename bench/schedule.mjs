/**
 * `bench schedule`: how long planning the time of one touch takes in bulk, from a contact's phone or time zone to the
 * first moment that all rules allow: a delay in business days, the windows of sequence and sender, quiet hours, and the
 * holidays of the organization and of countries. No database: this is arithmetic, and runs once for every step.
 */
import { figure } from './stats.mjs';

const PLAN = { full: { touches: 400_000, runs: 7 }, quick: { touches: 100_000, runs: 3 } };
const WORKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri'];
const STEP = { id: '0', channel: 'sms', delay: { amount: 2, unit: 'business_days' } };
const START = Date.UTC(2026, 0, 5);
const DAY_MS = 86_400_000;

/** @param {{ quick: boolean, log: (line: string) => void }} options */
export async function benchSchedule({ quick, log }) {
  const { touches, runs } = PLAN[quick ? 'quick' : 'full'];
  const { placeOf } = await import('../dist/contacts/place.js');
  const { opening } = await import('../dist/plan/sequences/next.js');
  const { daysOff } = await import('../dist/schedule/days-off.js');
  const contacts = people();
  const calendar = calendarOf(daysOff);
  const kinds = {
    all_rules_us: { definition: definitionOf(), calendar },
    quiet_hours_us: {
      definition: { steps: [STEP] },
      calendar: { ...calendar, sender_window: null, holidays: NONE },
    },
  };
  const measured = Object.fromEntries(Object.keys(kinds).map((name) => [name, []]));
  for (let run = 0; run < runs; run++) {
    for (const [name, { definition, calendar: rules }] of Object.entries(kinds)) {
      const began = performance.now();
      let planned = 0;
      for (let n = 0; n < touches; n++) {
        const contact = contacts[(n * 7_919) % contacts.length];
        const open = opening(
          definition,
          0,
          START + ((n * 60_013) % (60 * DAY_MS)),
          rules,
          placeOf(contact, 'UTC'),
        );
        if (open.ok) planned++;
      }
      const us = ((performance.now() - began) * 1000) / touches;
      if (planned === 0) throw new Error('nothing could be planned');
      measured[name].push(us);
      log(`run ${run + 1}: ${name} ${us.toFixed(2)} (${planned} of ${touches} have a time)`);
    }
  }
  const figures = Object.fromEntries(
    Object.entries(measured).map(([name, values]) => [name, figure(values, 'µs/touch')]),
  );
  return {
    bench: 'schedule',
    quick,
    runs,
    figures,
    ratios: {},
    skipped: [],
    why_skipped: {},
    machine: { node: process.versions.node },
  };
}

const NONE = { key: '', own: null, countries: new Map() };

function definitionOf() {
  return {
    steps: [STEP],
    window: { days: [...WORKDAYS, 'sat'], from: '07:00', to: '23:00', time_zone: 'Europe/Berlin' },
  };
}

function calendarOf(daysOff) {
  const year = (offset) => Array.from({ length: 44 }, (_, i) => Math.floor(START / DAY_MS) + offset + i * 33);
  return {
    organization_zone: 'Europe/Berlin',
    sender_zone: null,
    sender_window: { days: [...WORKDAYS, 'sat', 'sun'], from: '00:00', to: '23:30' },
    quiet_hours: { from: '21:00', to: '08:00', channels: ['sms'] },
    holidays: {
      key: 'bench',
      own: daysOff(year(3)),
      countries: new Map(['US', 'DE', 'GB', 'FR', 'AU'].map((country, i) => [country, daysOff(year(5 + i))])),
    },
  };
}

/** Ten thousand people with given zones, phones of one clock, of American states and of whole continents. */
function people() {
  const zones = Intl.supportedValuesOf('timeZone');
  const phones = ['+4915112345', '+4479460018', '+3361234567', '+6141234567', '+7916123456', '+5511912345'];
  const area = ['212', '415', '312', '850', '480', '907', '808', '416', '604', '800'];
  return Array.from({ length: 10_000 }, (_, n) => {
    if (n % 3 === 0) return { time_zone: zones[n % zones.length], phone: null };
    const phone =
      n % 3 === 1
        ? `${phones[n % phones.length]}${n % 10}`
        : `+1${area[n % area.length]}5550${100 + (n % 900)}`;
    return { time_zone: null, phone };
  });
}
