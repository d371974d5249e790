/**
 * The gap before a message of a sender that sends with gaps [EXE-9]: drawn between its least and its most, once for each
 * touch, from the random end of the touch's id. So every process draws the same, however often it looks. `sender_gap()`
 * in gap.sql is the same for the gate. Pure.
 */
import type { Uuid } from '../kernel/ids.ts';

export interface GapSettings {
  min_gap_s: number | null;
  max_gap_s: number | null;
}

const TAIL = 8;
const TAILS = 2 ** 32;

export function hasGap({ min_gap_s, max_gap_s }: GapSettings): boolean {
  return (max_gap_s ?? min_gap_s ?? 0) > 0;
}

/** Milliseconds. */
export function gapBefore(touch: Uuid, { min_gap_s, max_gap_s }: GapSettings): number {
  const least = (min_gap_s ?? 0) * 1000;
  const most = Math.max(least, (max_gap_s ?? min_gap_s ?? 0) * 1000);
  return least + Math.floor((Number.parseInt(touch.slice(-TAIL), 16) * (most - least)) / TAILS);
}

/** What many touches keep on average. Milliseconds. */
export function meanGap({ min_gap_s, max_gap_s }: GapSettings): number {
  const least = min_gap_s ?? 0;
  return (least + Math.max(least, max_gap_s ?? least)) * 500;
}

/** From its moment to the gate a touch takes so long. Without room for it each would make the next one late, and move it. */
const LAG_MS = 1_000;

/** Between the moments given to two touches, so that the gap has passed though the first one's call began last. */
export function gapBetweenSlots(gapMs: number, budgetMs: number): number {
  return gapMs + budgetMs + LAG_MS;
}
