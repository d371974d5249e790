/** The quota periods of a sender now, in its own zone, as the gate wants them (EXE-7). */
import { periodOf } from '../schedule/period.ts';
import { hasGap } from './gap.ts';
import type { SenderSettings } from './senders.ts';

export interface QuotaPeriod {
  sender_id: string;
  day: string;
  hour: string | null;
  gapped: boolean;
  /** Both hold from … until, ISO. */
  from: string;
  until: string;
}

/** The key of a day in sender_usage. */
export function dayKey(day: string): string {
  return `d${day}`;
}

/** The key of an hour there. */
export function hourKey(hour: string): string {
  return `h${hour}`;
}

/** Null when the sender's zone cannot be read: it then sends nothing. */
export function quotaPeriod(
  sender: SenderSettings,
  organizationZone: string,
  now: number,
): QuotaPeriod | null {
  const period = periodOf(now, sender.time_zone ?? organizationZone);
  if (!period) return null;
  const hourly = sender.hourly_limit !== null;
  return {
    sender_id: sender.id,
    day: dayKey(period.day),
    hour: hourly ? hourKey(period.hour_key) : null,
    gapped: hasGap(sender),
    from: new Date(
      hourly ? Math.max(period.day_start_ms, period.hour_start_ms) : period.day_start_ms,
    ).toISOString(),
    until: new Date(
      hourly ? Math.min(period.day_end_ms, period.hour_end_ms) : period.day_end_ms,
    ).toISOString(),
  };
}
