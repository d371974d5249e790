/**
 * May a due touch go now, by the rules as they are? It was planned by those of another day: since then the recipient's
 * zone, the quiet hours, holidays or a window may have changed. The gate lets nothing through that was looked at under
 * other versions of contact, sender and policy than its own, so between this look and the gate nothing can change
 * unseen; and it keeps to the end of the opening that is written on the touch. Pure.
 */
import type { Planning } from '../plan/sequences/calendar.ts';
import type { Postponement } from '../plan/sequences/later.ts';
import { reopening } from '../plan/sequences/next.ts';
import { type Calendar, closedBy, rulesFor } from '../plan/sequences/time-rules.ts';
import type { Version } from '../plan/sequences/versions.ts';
import type { DueTouch } from './lanes.ts';
import { placeOfTouch } from './situation.ts';

/** Null: it may. */
export function lookAtTime(
  touch: DueTouch,
  { definition }: Version,
  calendar: Calendar,
  planning: Planning,
): { reason: Postponement } | { refusal: 'bad_schedule'; detail: string } | null {
  const { now } = planning;
  const place = placeOfTouch(touch, planning);
  const open = reopening(definition, touch.channel, now, calendar, place);
  if (!open.ok) return { refusal: 'bad_schedule', detail: open.detail };
  if (open.not_before > now)
    return { reason: closedBy(now, rulesFor(definition, calendar, touch.channel, place)) };
  // It may, but not as long as is written on it: written anew first, because the gate reads what is written.
  const written = touch.not_after ?? Number.POSITIVE_INFINITY;
  return (open.not_after ?? Number.POSITIVE_INFINITY) < written ? { reason: 'rules_changed' } : null;
}
