/**
 * The ramp of a new sender [EXE-7]: what it may send on a day, by the days since its first send in its own zone.
 * `ramp_limit()` in ramp.sql is the same for the gate. Pure.
 */
import { DAY_MS } from '../schedule/zone.ts';

export interface Ramp {
  /** On the day of its first send. */
  start: number;
  /** So many more … */
  increase: number;
  /** … each so many days. */
  every_days: number;
}

/** `day` and `first` are `YYYY-MM-DD`; before its first send a sender is at the start. */
export function rampLimit(ramp: Ramp, first: string | null, day: string): number {
  const days = first === null ? 0 : Math.max(0, Math.round((Date.parse(day) - Date.parse(first)) / DAY_MS));
  return ramp.start + ramp.increase * Math.floor(days / ramp.every_days);
}
