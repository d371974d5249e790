/**
 * Time zones as integers. Owns the offset of a zone at an instant and the instant of a wall time; everything
 * else in this room is integer arithmetic on top. In: IANA names and Unix milliseconds. Out: Unix milliseconds.
 *
 * Asking Temporal costs 15 to 40 µs a question, so it is asked once a zone and week: a week holds at most one
 * change of offset (the tests walk every zone from 2024 to 2034), and every touch of that week is answered
 * from two numbers.
 */
import { Temporal } from 'temporal-polyfill';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;

/** Offsets lie between -12 and +14 hours; this is the widest distance of a wall time from its instant. */
const WIDEST_OFFSET_MS = 15 * HOUR_MS;

/** Names arrive from the API in any letter case, so the cache of names has a limit of its own. */
const MAX_NAMES = 4_096;
const MAX_WEEKS_PER_ZONE = 2_048;

/** Offsets such as `+05:30` are no zones: they know no daylight time, and PostgreSQL reads their sign backwards. */
const ZONE_NAME = /^[A-Za-z][A-Za-z0-9_+\-/]{0,63}$/;

interface Week {
  /** The instant at which the offset changes, or Infinity when it does not in this week. */
  change: number;
  before: number;
  after: number;
}

export interface Zone {
  readonly name: string;
  readonly weeks: Map<number, Week>;
}

/** A stretch of time with one offset; `from` inclusive, `to` exclusive. */
export interface Segment {
  from: number;
  to: number;
  offset: number;
}

const zonesByName = new Map<string, Zone | null>();
const zonesById = new Map<string, Zone>();

/** The zone of an IANA name, or null when there is none: the caller blocks and says so. */
export function findZone(name: string): Zone | null {
  const known = zonesByName.get(name);
  if (known !== undefined) return known;
  if (zonesByName.size >= MAX_NAMES) zonesByName.clear();
  const found = resolve(name);
  zonesByName.set(name, found);
  return found;
}

export function isZone(name: string): boolean {
  return findZone(name) !== null;
}

function resolve(name: string): Zone | null {
  if (!ZONE_NAME.test(name)) return null;
  try {
    const id = Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name).timeZoneId;
    let zone = zonesById.get(id);
    if (zone === undefined) {
      zone = { name: id, weeks: new Map() };
      zonesById.set(id, zone);
    }
    return zone;
  } catch {
    return null;
  }
}

/** Offset from UTC at an instant, milliseconds, positive east of Greenwich. */
export function offsetAt(zone: Zone, ms: number): number {
  const week = weekOf(zone, Math.floor(ms / WEEK_MS));
  return ms < week.change ? week.before : week.after;
}

/** The day number (days since 1970-01-01) of an instant on the zone's calendar. */
export function localDay(zone: Zone, ms: number): number {
  return Math.floor((ms + offsetAt(zone, ms)) / DAY_MS);
}

/** 0 for Monday to 6 for Sunday. Day 0 was a Thursday. */
export function weekday(day: number): number {
  return (((day + 3) % 7) + 7) % 7;
}

/**
 * The instant of a wall time, which is written as if it were UTC milliseconds. A skipped wall time moves
 * forward by the gap; an ambiguous one is the earlier of the two.
 */
export function wallToInstant(zone: Zone, wall: number): number {
  const segments = segmentsAround(zone, wall, wall);
  for (const segment of segments) {
    const instant = wall - segment.offset;
    if (instant >= segment.from && instant < segment.to) return instant;
  }
  // In a gap: read with the offset before it, the wall clock has moved on by the gap's length.
  for (let i = 1; i < segments.length; i++) {
    const instant = wall - segments[i - 1]!.offset;
    if (instant >= segments[i]!.from && wall - segments[i]!.offset < segments[i]!.from) return instant;
  }
  return wall - offsetAt(zone, wall);
}

/** The first instant whose calendar day in the zone is `day` or later: midnight, or the end of a skipped one. */
export function startOfDay(zone: Zone, day: number): number {
  const midnight = day * DAY_MS;
  for (const segment of segmentsAround(zone, midnight, midnight)) {
    const start = Math.max(segment.from, midnight - segment.offset);
    if (start < segment.to) return start;
  }
  return midnight - offsetAt(zone, midnight);
}

/** All segments that can hold an instant whose wall time is between the two, in order. */
export function segmentsAround(zone: Zone, wallFrom: number, wallTo: number): Segment[] {
  const from = wallFrom - WIDEST_OFFSET_MS;
  const to = wallTo + WIDEST_OFFSET_MS;
  const segments: Segment[] = [];
  const last = Math.floor(to / WEEK_MS);
  for (let index = Math.floor(from / WEEK_MS); index <= last; index++) {
    const week = weekOf(zone, index);
    const start = index * WEEK_MS;
    const end = start + WEEK_MS;
    extend(segments, start, Math.min(week.change, end), week.before);
    if (week.change < end) extend(segments, week.change, end, week.after);
  }
  return segments;
}

function extend(segments: Segment[], from: number, to: number, offset: number): void {
  if (from >= to) return;
  const previous = segments[segments.length - 1];
  if (previous !== undefined && previous.offset === offset) previous.to = to;
  else segments.push({ from, to, offset });
}

function weekOf(zone: Zone, index: number): Week {
  const known = zone.weeks.get(index);
  if (known !== undefined) return known;
  if (zone.weeks.size >= MAX_WEEKS_PER_ZONE) zone.weeks.clear();
  const start = index * WEEK_MS;
  const before = askOffset(zone, start);
  const after = askOffset(zone, start + WEEK_MS - 1);
  const week = { change: before === after ? Infinity : findChange(zone, start, before), before, after };
  zone.weeks.set(index, week);
  return week;
}

/** Bisects to the second at which the offset stops being `before`; zones change on whole seconds. */
function findChange(zone: Zone, start: number, before: number): number {
  let low = start / 1000;
  let high = (start + WEEK_MS) / 1000;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (askOffset(zone, middle * 1000) === before) low = middle;
    else high = middle;
  }
  return high * 1000;
}

function askOffset(zone: Zone, ms: number): number {
  const there = Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(zone.name);
  return there.offsetNanoseconds / 1_000_000;
}
