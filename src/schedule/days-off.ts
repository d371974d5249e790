/**
 * Days on which nothing is sent and which no business day counts: holidays. A set of calendar days, without a zone:
 * which instants they cover is asked for a zone. In: dates as `YYYY-MM-DD`. Out: one object for equal sets, so that
 * what is computed from it is found again by identity.
 */
import { DAY_MS, segmentsAround, weekday, type Zone } from './zone.ts';

const MAX_KNOWN = 1_000;
const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;

export interface DaysOff {
  /** Days since 1970-01-01, ascending, each once. */
  readonly days: readonly number[];
  /** Those of them from Monday to Friday. */
  readonly workdays: readonly number[];
  /** Short and equal for the same object, for keys of caches. */
  toJSON(): string;
}

export interface Stretch {
  start: number;
  end: number;
}

const known = new Map<string, DaysOff>();
let made = 0;

/** The day number of a date that exists, else null. */
export function dayOfDate(date: string): number | null {
  const match = DATE.exec(date);
  if (match === null) return null;
  const ms = Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3]));
  return new Date(ms).toISOString().slice(0, 10) === date ? ms / DAY_MS : null;
}

export function dateOfDay(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** Null when there are none. */
export function daysOff(days: Iterable<number>): DaysOff | null {
  const sorted = [...new Set(days)].sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  const text = sorted.join();
  const before = known.get(text);
  if (before !== undefined) return before;
  if (known.size >= MAX_KNOWN) known.clear();
  const id = `days-off-${++made}`;
  const set = { days: sorted, workdays: sorted.filter((day) => weekday(day) < 5), toJSON: () => id };
  known.set(text, set);
  return set;
}

/** All days of several sets. */
export function joinDaysOff(sets: readonly (DaysOff | null)[]): DaysOff | null {
  const some = sets.filter((set) => set !== null);
  return some.length < 2 ? (some[0] ?? null) : daysOff(some.flatMap((set) => set.days));
}

/** How many numbers of an ascending list are below `limit`. */
export function countBelow(days: readonly number[], limit: number): number {
  let low = 0;
  let high = days.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (days[middle]! < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The first stretch that ends after `ms` and in which the zone's calendar shows no day of the set. Its end is
 * Infinity when none follows, its start -Infinity when there was none in the two days before.
 */
export function nextWorking(set: DaysOff, zone: Zone, ms: number): Stretch {
  const { days } = set;
  let start = -Infinity;
  // From two days before: a zone's calendar is at most a day from UTC's.
  let i = countBelow(days, Math.floor(ms / DAY_MS) - 2);
  while (i < days.length) {
    const first = i++;
    while (i < days.length && days[i] === days[i - 1]! + 1) i++;
    for (const off of stretchesOf(zone, days[first]!, days[i - 1]!)) {
      if (off.start > Math.max(ms, start)) return { start, end: off.start };
      start = off.end;
    }
  }
  return { start, end: Infinity };
}

/** When the zone's calendar shows one of the days from `first` to `last`. */
function stretchesOf(zone: Zone, first: number, last: number): Stretch[] {
  const wallFrom = first * DAY_MS;
  const wallTo = (last + 1) * DAY_MS;
  const found: Stretch[] = [];
  for (const segment of segmentsAround(zone, wallFrom, wallTo)) {
    const start = Math.max(segment.from, wallFrom - segment.offset);
    const end = Math.min(segment.to, wallTo - segment.offset);
    if (start < end) found.push({ start, end });
  }
  return found;
}
