/**
 * The day and the hour that hold an instant, in a sender's own zone: what quotas are counted by [EXE-7].
 * Days are the zone's calendar days (23 to 25 hours long when the clock changes) and follow each other without
 * gap or overlap. Hours are UTC hours, so that the repeated hour of autumn is two hours with two keys.
 */
import { DAY_MS, findZone, HOUR_MS, localDay, startOfDay, type Zone } from './zone.ts';

export interface Period {
  /** `2026-11-22`, the calendar day in the zone. */
  day: string;
  day_start_ms: number;
  day_end_ms: number;
  /** `2026-11-22T09Z`, unique over daylight time. */
  hour_key: string;
  hour_start_ms: number;
  hour_end_ms: number;
}

export interface LocalDay {
  /** Days since 1970-01-01 on the zone's calendar. */
  number: number;
  day: string;
  start: number;
  end: number;
}

const MAX_DAYS_PER_ZONE = 4_096;
const MAX_HOURS = 4_096;
const daysOf = new WeakMap<Zone, Map<number, LocalDay>>();
const hourKeys = new Map<number, string>();

/** Null when the zone does not exist. */
export function periodOf(ms: number, timeZone: string): Period | null {
  const zone = findZone(timeZone);
  if (zone === null) return null;
  const day = dayContaining(zone, ms);
  const hour = Math.floor(ms / HOUR_MS);
  return {
    day: day.day,
    day_start_ms: day.start,
    day_end_ms: day.end,
    hour_key: hourKey(hour),
    hour_start_ms: hour * HOUR_MS,
    hour_end_ms: (hour + 1) * HOUR_MS,
  };
}

/** The zone's calendar day that holds an instant. */
export function dayContaining(zone: Zone, ms: number): LocalDay {
  let day = localDayRecord(zone, localDay(zone, ms));
  // A clock set back over midnight shows yesterday's date again: that hour stays with the day that had begun.
  while (ms >= day.end) day = localDayRecord(zone, day.number + 1);
  while (ms < day.start) day = localDayRecord(zone, day.number - 1);
  return day;
}

/** The record of one calendar day of the zone, by its number. */
export function localDayRecord(zone: Zone, number: number): LocalDay {
  let days = daysOf.get(zone);
  if (days === undefined) {
    days = new Map();
    daysOf.set(zone, days);
  }
  const known = days.get(number);
  if (known !== undefined) return known;
  if (days.size >= MAX_DAYS_PER_ZONE) days.clear();
  const record = {
    number,
    day: new Date(number * DAY_MS).toISOString().slice(0, 10),
    start: startOfDay(zone, number),
    end: startOfDay(zone, number + 1),
  };
  days.set(number, record);
  return record;
}

function hourKey(hour: number): string {
  const known = hourKeys.get(hour);
  if (known !== undefined) return known;
  if (hourKeys.size >= MAX_HOURS) hourKeys.clear();
  const key = `${new Date(hour * HOUR_MS).toISOString().slice(0, 13)}Z`;
  hourKeys.set(hour, key);
  return key;
}
