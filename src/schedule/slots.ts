/**
 * Where postponed touches go when a sender's day is full [EXE-7]. In: for each touch when each coming day is open to
 * it, and what each day can still take. Out: a place for each, in order, by the same code that forecasts. Touches
 * whose recipients are in the same place share their days, so a million of them are placed in one walk.
 */

import { dayContaining, localDayRecord } from './period.ts';
import { nextOpen, type Rule, type WindowError } from './window.ts';
import { findZone } from './zone.ts';

interface Opening {
  not_before: number;
  not_after: number | null;
}

/** Two years of days. */
export const MAX_ALLOCATION_DAYS = 730;

export interface SenderDay extends Opening {
  /** The calendar day in the sender's zone, the key of its quota. */
  date: string;
}

/** When the n-th coming day is open, from 0; null when it is not. */
export type SenderDays = (day: number) => SenderDay | null;

/**
 * A place for each, first come first served: the first day that is open to it and not full. `capacity(date)` is what
 * a day can still take (limit less used less assigned), asked once a day. Null: no place within `maxDays`.
 */
export function placeInOrder(
  items: readonly SenderDays[],
  capacity: (date: string) => number,
  maxDays: number = MAX_ALLOCATION_DAYS,
): (SenderDay | null)[] {
  const groups = items.map((days) => ({ days, count: 1 }));
  return placeGroups(groups, capacity, maxDays).map(([part]) => part!.place);
}

export interface Part {
  place: SenderDay | null;
  count: number;
}

/** The same for groups whose members are alike: each in as many parts as it takes days. */
export function placeGroups(
  groups: readonly { days: SenderDays; count: number }[],
  capacity: (date: string) => number,
  maxDays: number = MAX_ALLOCATION_DAYS,
): Part[][] {
  const left = new Map<string, number>();
  // Days only fill: where one of a group found no room, none after it will.
  const reached = new Map<SenderDays, number>();
  return groups.map(({ days, count }) => {
    const parts: Part[] = [];
    let waiting = count;
    let day = reached.get(days) ?? 0;
    for (; day < maxDays; day++) {
      const open = days(day);
      if (open === null) continue;
      const room = left.get(open.date) ?? Math.floor(capacity(open.date));
      left.set(open.date, room);
      if (!(room > 0)) continue;
      const placed = Math.min(room, waiting);
      left.set(open.date, room - placed);
      parts.push({ place: open, count: placed });
      waiting -= placed;
      if (waiting === 0) break;
    }
    reached.set(days, day);
    if (waiting > 0) parts.push({ place: null, count: waiting });
    return parts;
  });
}

/**
 * The openings of a sender's coming days: its own calendar days cut with the rules. Day 0 is the one that holds
 * `fromMs`, from there on.
 */
export function senderDays(
  fromMs: number,
  timeZone: string,
  rules: readonly Rule[],
): SenderDays | WindowError {
  const zone = findZone(timeZone);
  if (zone === null) return { ok: false, error: 'bad_zone', detail: timeZone };
  const first = nextOpen(fromMs, rules);
  if (!first.ok) return first;
  const today = dayContaining(zone, fromMs).number;
  return (index) => {
    const day = localDayRecord(zone, today + index);
    const open = nextOpen(Math.max(day.start, fromMs), rules);
    if (!open.ok || open.not_before >= day.end) return null;
    const notAfter = open.not_after === null ? day.end : Math.min(open.not_after, day.end);
    return { date: day.day, not_before: open.not_before, not_after: notAfter };
  };
}
