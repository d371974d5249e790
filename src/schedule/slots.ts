/**
 * Where postponed touches go when a sender's day is full [EXE-7]. In: how many, what each coming day can still
 * take, when each is open. Out: stretches of places, so that a million touches are placed by as many rows as
 * there are days, each touch once and in order, by the same code that forecasts.
 */

import { dayContaining, localDayRecord } from './period.ts';
import { nextOpen, type Rule, type WindowError } from './window.ts';
import { findZone } from './zone.ts';

export interface Opening {
  not_before: number;
  not_after: number | null;
}

/** `count` touches, the first of them being number `first` (from 0), go into one day. */
export interface Placement {
  day: number;
  first: number;
  count: number;
  not_before: number;
  not_after: number | null;
}

export interface Allocation {
  placements: Placement[];
  /** Touches for which there was no place within `max_days`. */
  unplaced: number;
}

/** Two years of days. */
export const MAX_ALLOCATION_DAYS = 730;

/**
 * Places `count` touches in order. `capacity(day)` is what that day can still take (limit less used less
 * assigned), `opening(day)` when it is open, or null. Days are counted from 0, today.
 */
export function allocate(
  count: number,
  capacity: (day: number) => number,
  opening: (day: number) => Opening | null,
  maxDays: number = MAX_ALLOCATION_DAYS,
): Allocation {
  const placements: Placement[] = [];
  let placed = 0;
  for (let day = 0; day < maxDays && placed < count; day++) {
    const room = Math.min(Math.floor(capacity(day)), count - placed);
    if (!(room > 0)) continue;
    const open = opening(day);
    if (open === null) continue;
    const { not_before, not_after } = open;
    placements.push({ day, first: placed, count: room, not_before, not_after });
    placed += room;
  }
  return { placements, unplaced: count - placed };
}

/**
 * The time of the k-th touch of a placement (k from 0). With `spread`, places lie evenly over the opening
 * instead of all at its start; without an end there is nothing to spread over.
 */
export function placeTime(placement: Placement, k: number, spread = false): number {
  if (!spread || placement.not_after === null) return placement.not_before;
  const length = placement.not_after - placement.not_before;
  return placement.not_before + Math.floor((length * k) / placement.count);
}

export interface SenderDay extends Opening {
  /** The calendar day in the sender's zone, the key of its quota. */
  date: string;
}

/**
 * The openings of a sender's coming days: its own calendar days cut with its windows. Day 0 is the one that
 * holds `fromMs`, from there on. The answer is the function that `allocate` asks.
 */
export function senderDays(
  fromMs: number,
  timeZone: string,
  windows: readonly Rule[],
): ((day: number) => SenderDay | null) | WindowError {
  const zone = findZone(timeZone);
  if (zone === null) return { ok: false, error: 'bad_zone', detail: timeZone };
  const first = nextOpen(fromMs, windows);
  if (!first.ok) return first;
  const today = dayContaining(zone, fromMs).number;
  return (index) => {
    const day = localDayRecord(zone, today + index);
    const open = nextOpen(Math.max(day.start, fromMs), windows);
    if (!open.ok || open.not_before >= day.end) return null;
    const notAfter = open.not_after === null ? day.end : Math.min(open.not_after, day.end);
    return { date: day.day, not_before: open.not_before, not_after: notAfter };
  };
}
