/** The buckets of what waits for people, by the viewer's own days [DUE-1]. Pure. */
import { dayContaining, localDayRecord } from './period.ts';
import { findZone } from './zone.ts';

export const DUE_BUCKETS = ['overdue', 'today', 'upcoming', 'stale'] as const;
export type DueBucket = (typeof DUE_BUCKETS)[number];

/** What fell due more than so many days before today lies apart. */
export const STALE_AFTER_DAYS = 30;

export interface DueDays {
  /** `2026-11-22`, today in the zone. */
  day: string;
  /** Unix milliseconds; `from` inclusive, `to` exclusive. They follow each other: stale, overdue, today, upcoming. */
  buckets: Record<DueBucket, { from: number; to: number }>;
}

/** Null when the zone does not exist. */
export function dueDays(now: number, timeZone: string): DueDays | null {
  const zone = findZone(timeZone);
  if (zone === null) return null;
  const today = dayContaining(zone, now);
  const old = localDayRecord(zone, today.number - STALE_AFTER_DAYS).start;
  return {
    day: today.day,
    buckets: {
      stale: { from: Number.NEGATIVE_INFINITY, to: old },
      overdue: { from: old, to: today.start },
      today: { from: today.start, to: today.end },
      upcoming: { from: today.end, to: Number.POSITIVE_INFINITY },
    },
  };
}

export function bucketOf(dueAt: number, { buckets }: DueDays): DueBucket {
  return DUE_BUCKETS.find((name) => dueAt >= buckets[name].from && dueAt < buckets[name].to)!;
}
