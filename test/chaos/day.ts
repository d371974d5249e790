/**
 * The time of day of a run: an organization lives where it is day, so that nobody's night falls into the run, and its
 * windows open and close at a full minute in the middle of it. By the platform's zones, not by the product's code.
 */
import type { Opening } from './checker/evidence.ts';

/** Around the world in steps of a few hours; each differs from UTC by whole hours, and none is in the United States. */
const ZONES = [
  'Pacific/Auckland',
  'Australia/Brisbane',
  'Asia/Tokyo',
  'Asia/Bangkok',
  'Asia/Dubai',
  'Europe/Berlin',
  'Africa/Lagos',
  'Atlantic/Azores',
  'America/Sao_Paulo',
  'America/Bogota',
  'America/Hermosillo',
  'Pacific/Pitcairn',
  'Pacific/Tahiti',
];
/** Hours of the day that are far from every night and from midnight. */
const FIRST_HOUR = 9;
const LAST_HOUR = 18;
const MINUTE_MS = 60_000;
/** Until the clients begin, and some work of theirs is done. */
const LEAD_MS = 12_000;
export const WEEK = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

function hourIn(zone: string, at: number): number {
  return Number(localTime(zone, at).slice(0, 2));
}

/** Making one takes longer than all else here. */
const CLOCKS = new Map<string, Intl.DateTimeFormat>();

/** `HH:MM` */
export function localTime(zone: string, at: number): string {
  let clock = CLOCKS.get(zone);
  if (!clock) {
    clock = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
    CLOCKS.set(zone, clock);
  }
  return clock.format(at);
}

/** Where it is day; the nth of them. */
export function dayZone(nth: number, now = Date.now()): string {
  const zones = ZONES.filter((zone) => hourIn(zone, now) >= FIRST_HOUR && hourIn(zone, now) < LAST_HOUR);
  return zones[nth % zones.length]!;
}

/** The full minute at which windows of this run open and close. */
export function turn(now = Date.now()): number {
  return Math.ceil((now + LEAD_MS) / MINUTE_MS) * MINUTE_MS;
}

export interface DayWindow {
  window: { days: readonly string[]; from: string; to: string; time_zone: string };
  opening: Opening;
}

/** Of today there: from the morning until then, or from then for a minute. */
export function windowOf(kind: 'closes' | 'opens', zone: string, at: number): DayWindow {
  const [opens, closes] = kind === 'closes' ? [null, at] : [at, at + MINUTE_MS];
  const from = opens === null ? '00:00' : localTime(zone, opens);
  return {
    window: { days: WEEK, from, to: localTime(zone, closes), time_zone: zone },
    opening: { opens, closes },
  };
}

/** Hours that it is now in the middle of. */
export function hoursAround(zone: string, now = Date.now()): { from: string; to: string } {
  const hours = 60 * MINUTE_MS;
  return { from: localTime(zone, now - hours), to: localTime(zone, now + 2 * hours) };
}
