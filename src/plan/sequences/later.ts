/**
 * Another time for a touch that may not go now [EXE-7]: from when to look for its next opening, which openings are long
 * enough, and what a sender's coming days can take. The dispatcher postpones by this, and the forecast. Pure.
 */
import type { Place } from '../../contacts/place.ts';
import { periodOf } from '../../schedule/period.ts';
import { type SenderDays, senderDays } from '../../schedule/slots.ts';
import type { WindowError } from '../../schedule/window.ts';
import { MINUTE_MS } from '../../schedule/zone.ts';
import { dayKey } from '../../senders/periods.ts';
import { type Ramp, rampLimit } from '../../senders/ramp.ts';
import type { Definition } from './definition.ts';
import { type Opening, reopening } from './next.ts';
import { type Calendar, rulesFor } from './time-rules.ts';

export type Postponement =
  | 'window_closed'
  | 'quiet_hours'
  | 'holiday'
  | 'rules_changed'
  | 'quota_day'
  | 'quota_hour'
  | 'sender_gap'
  | 'sender_ramp'
  | 'template_paused'
  | 'template_unavailable'
  | 'template_busy'
  | Cap;

/** Of contacts: their days are the organization's. */
const CAPS = ['frequency_cap', 'frequency_cap_week', 'channel_cap', 'channel_cap_week'] as const;
export type Cap = (typeof CAPS)[number];

/** About as often as its sender's templates are fetched anew. */
const TEMPLATE_WAIT_MS = 60 * MINUTE_MS;
/** As long as what a template wastes of the renderer's time is held against it. */
const BUSY_WAIT_MS = MINUTE_MS;

/** The moment from which its next opening is looked for. */
export function againFrom(
  reason: Postponement,
  at: number,
  zones: { sender: string; organization: string },
): number {
  if (reason === 'quota_hour') return periodOf(at, zones.sender)!.hour_end_ms;
  if (reason === 'template_paused' || reason === 'template_unavailable') return at + TEMPLATE_WAIT_MS;
  if (reason === 'template_busy') return at + BUSY_WAIT_MS;
  if ((CAPS as readonly string[]).includes(reason)) return periodOf(at, zones.organization)!.day_end_ms;
  return at;
}

/** The first opening that it can still go in: in its last moments the gate lets nothing through any more. */
export function openFrom(
  definition: Definition,
  channel: string,
  from: number,
  calendar: Calendar,
  place: Place | null,
  budgetMs: number,
): Opening {
  const open = reopening(definition, channel, from, calendar, place);
  return open.ok && open.not_after !== null && open.not_after < open.not_before + budgetMs
    ? reopening(definition, channel, open.not_after, calendar, place)
    : open;
}

/** The coming days of a sender, from its next one, as they are open to a touch. Those with the same rules share them. */
export class ComingDays {
  readonly from: number;
  readonly #zone: string;
  readonly #byRules = new Map<object, SenderDays | WindowError>();

  /** `at`: now; `zone`: the sender's. */
  constructor(at: number, zone: string) {
    this.from = periodOf(at, zone)!.day_end_ms;
    this.#zone = zone;
  }

  /** The key of the first of them. */
  get firstKey(): string {
    return dayKey(periodOf(this.from, this.#zone)!.day);
  }

  for(
    definition: Definition,
    channel: string,
    calendar: Calendar,
    place: Place | null,
  ): SenderDays | WindowError {
    const { all } = rulesFor(definition, calendar, channel, place);
    let days = this.#byRules.get(all);
    if (days === undefined) {
      days = senderDays(this.from, this.#zone, all);
      this.#byRules.set(all, days);
    }
    return days;
  }
}

/** What is left of a sender's day for those who are given places on it. `first`: the day of its first send. */
export function roomOn(
  sender: { daily_limit: number | null; ramp: Ramp | null },
  first: string | null,
  date: string,
  taken: number,
): number {
  const daily = sender.daily_limit ?? Number.POSITIVE_INFINITY;
  // A ramp rises: what a day can take is what it will be then.
  const limit = sender.ramp === null ? daily : Math.min(daily, rampLimit(sender.ramp, first, date));
  return limit - taken;
}
