/**
 * The relative delay of a step. In: an instant, a delay, a zone. Out: the instant at which the delay is over.
 * Minutes and hours are time that passes; days and business days are calendar days at the same wall time.
 */
import { countBelow, type DaysOff } from './days-off.ts';
import { DAY_MS, findZone, HOUR_MS, localDay, MINUTE_MS, offsetAt, wallToInstant, weekday } from './zone.ts';

export const DELAY_UNITS = ['minutes', 'hours', 'days', 'business_days'] as const;
export type DelayUnit = (typeof DELAY_UNITS)[number];

export interface Delay {
  /** A whole number, 0 or more. */
  amount: number;
  unit: DelayUnit;
}

/** Ten years: nobody plans further, and every loop here stays short. */
export const MAX_DELAY_DAYS = 3_653;

const MAX_AMOUNT: Record<DelayUnit, number> = {
  minutes: MAX_DELAY_DAYS * 24 * 60,
  hours: MAX_DELAY_DAYS * 24,
  days: MAX_DELAY_DAYS,
  business_days: Math.floor((MAX_DELAY_DAYS * 5) / 7),
};

export type DelayResult =
  | { ok: true; at: number }
  | { ok: false; error: 'bad_zone' | 'bad_delay'; detail: string };

/**
 * `from` is Unix milliseconds. Safe over daylight time: a skipped wall time moves forward, an ambiguous one
 * takes the earlier, and the result is never before `from`. Business days are Monday to Friday without `off`, the
 * holidays; counted from a weekend, the first one is Monday. An amount of 0 is `from` itself.
 */
export function afterDelay(
  from: number,
  delay: Delay,
  timeZone: string,
  off: DaysOff | null = null,
): DelayResult {
  const { amount, unit } = delay;
  if (!Number.isInteger(amount) || amount < 0 || !(amount <= MAX_AMOUNT[unit])) {
    return { ok: false, error: 'bad_delay', detail: `${amount} ${unit}` };
  }
  if (unit === 'minutes') return { ok: true, at: from + amount * MINUTE_MS };
  if (unit === 'hours') return { ok: true, at: from + amount * HOUR_MS };
  const zone = findZone(timeZone);
  if (zone === null) return { ok: false, error: 'bad_zone', detail: timeZone };
  if (amount === 0) return { ok: true, at: from };

  const day = localDay(zone, from);
  const target = unit === 'days' ? day + amount : addBusinessDays(day, amount, off);
  const timeOfDay = from + offsetAt(zone, from) - day * DAY_MS;
  return { ok: true, at: Math.max(from, wallToInstant(zone, target * DAY_MS + timeOfDay)) };
}

/** The day number `count` business days after `day`; `count` is 1 or more. */
export function addBusinessDays(day: number, count: number, off: DaysOff | null = null): number {
  let target = addWeekdays(day, count);
  if (off === null) return target;
  // Every holiday passed over asks for one weekday more, which may pass over further ones.
  const before = countBelow(off.workdays, day + 1);
  for (let passed = 0; ; ) {
    const holidays = countBelow(off.workdays, target + 1) - before;
    if (holidays === passed) return target;
    passed = holidays;
    target = addWeekdays(day, count + passed);
  }
}

function addWeekdays(day: number, count: number): number {
  const weekdayNow = weekday(day);
  // From a weekend one counts as if from the Friday before it.
  const base = weekdayNow > 4 ? day - (weekdayNow - 4) : day;
  const position = Math.min(weekdayNow, 4) + count;
  return base - Math.min(weekdayNow, 4) + Math.floor(position / 5) * 7 + (position % 5);
}
