/**
 * What a sender can still take, as time goes on in a forecast: its days, hours, ramp and gap. gate.sql says the same of
 * the moment it is asked, and dispatch/postpone.ts and onto-slots.ts of those it refused; here nothing is written.
 */
import { placeWithGaps, type Slot } from '../../schedule/gaps.ts';
import { periodOf } from '../../schedule/period.ts';
import { placeGroups } from '../../schedule/slots.ts';
import { gapBefore, gapBetweenSlots, hasGap, meanGap } from '../../senders/gap.ts';
import { dayKey, hourKey } from '../../senders/periods.ts';
import { rampLimit } from '../../senders/ramp.ts';
import type { SenderSettings } from '../../senders/senders.ts';
import { keepsOff, type TakenSlot } from '../../senders/taken-slots.ts';
import { ComingDays, openFrom, type Postponement, roomOn } from '../sequences/later.ts';
import type { Calendar } from '../sequences/time-rules.ts';
import type { Cohort } from './agenda.ts';

/** What it had used and given away when the forecast began. */
export interface RoomAtStart {
  /** By period (`d2026-11-22`, `h…`). */
  used: Map<string, number>;
  assigned: Map<string, number>;
  /** Of its first send; null: it has sent nothing. */
  first_day: string | null;
  /** From when the gap before its next send counts. */
  gap_from: number | null;
  /** In the order of time; those of touches that are not known one by one say nobody's. */
  slots: (Slot & Partial<Given>)[];
}

type Given = Pick<TakenSlot, 'touch_id' | 'taken_at'>;

/** Of one cohort in a batch, how many go, and how many wait for what. */
export interface Passed {
  cohort: Cohort;
  go: number;
  waits: { reason: Postponement; count: number }[];
}

/** When some of a cohort go instead; `at` null: not in the time looked at. */
export interface Later {
  cohort: Cohort;
  count: number;
  at: number | null;
}

export class SenderRoom {
  readonly #settings: SenderSettings & { calendar: Calendar };
  readonly #zone: string;
  readonly #budget: number;
  readonly #room: RoomAtStart;
  readonly gapped: boolean;

  constructor(
    settings: SenderSettings & { calendar: Calendar },
    organizationZone: string,
    room: RoomAtStart,
    budgetMs: number,
  ) {
    this.#settings = settings;
    this.#zone = settings.time_zone ?? organizationZone;
    this.#room = room;
    this.#budget = budgetMs;
    this.gapped = hasGap(settings);
  }

  get zone(): string {
    return this.#zone;
  }

  /** The verdicts on one batch, in order; those that go are counted. */
  pass(batch: readonly { cohort: Cohort; count: number }[], at: number): Passed[] {
    const { daily_limit, hourly_limit, ramp } = this.#settings;
    const { used } = this.#room;
    const { day, hour_key } = periodOf(at, this.#zone)!;
    const rampDay = ramp === null ? null : rampLimit(ramp, this.#room.first_day, day);
    const ramping = rampDay !== null && rampDay < (daily_limit ?? Number.POSITIVE_INFINITY);
    const limit = ramping ? rampDay : (daily_limit ?? Number.POSITIVE_INFINITY);
    const dayLeft = limit - (used.get(dayKey(day)) ?? 0);
    const hourLeft = (hourly_limit ?? Number.POSITIVE_INFINITY) - (used.get(hourKey(hour_key)) ?? 0);
    // One whose gap has not passed ranks behind those that may go, as in the gate.
    const waiting = new Map(batch.map((item) => [item, this.gapped && this.#waitsForGap(item.cohort, at)]));
    const ranked = this.gapped
      ? [...batch].sort((a, b) => Number(waiting.get(a)) - Number(waiting.get(b)))
      : batch;
    const passed = new Map<unknown, Passed>();
    let rank = 0;
    let went = 0;
    for (const item of ranked) {
      const one: Passed = { cohort: item.cohort, go: 0, waits: [] };
      const inDay = within(item.count, dayLeft - rank);
      const inHour = within(inDay, hourLeft - rank);
      one.go = this.gapped ? (waiting.get(item) || rank > 0 ? 0 : Math.min(1, inHour)) : inHour;
      if (inHour > one.go) one.waits.push({ reason: 'sender_gap', count: inHour - one.go });
      if (inDay > inHour) one.waits.push({ reason: 'quota_hour', count: inDay - inHour });
      if (item.count > inDay)
        one.waits.push({ reason: ramping ? 'sender_ramp' : 'quota_day', count: item.count - inDay });
      rank += item.count;
      went += one.go;
      passed.set(item, one);
    }
    if (went > 0) this.#count(day, hour_key, went, at);
    return batch.map((item) => passed.get(item)!);
  }

  #waitsForGap(cohort: Cohort, at: number): boolean {
    const { gap_from } = this.#room;
    if (gap_from === null) return false;
    return at < gap_from + this.#gapBefore(cohort);
  }

  #gapBefore({ way, id }: Cohort): number {
    return way.enrollment ? gapBefore(id, this.#settings) : meanGap(this.#settings);
  }

  #count(day: string, hour: string, count: number, at: number): void {
    const { used } = this.#room;
    for (const key of [dayKey(day), hourKey(hour)]) used.set(key, (used.get(key) ?? 0) + count);
    this.#room.first_day ??= day;
    this.#room.gap_from = at + this.#budget;
  }

  /** Places on its coming days. */
  ontoDays(waiting: readonly { cohort: Cohort; count: number }[], at: number, maxDays: number): Later[] {
    const coming = new ComingDays(at, this.#zone);
    const groups = waiting.flatMap((one) => {
      const { way, channel } = one.cohort;
      const days = coming.for(way.version.definition, channel, this.#settings.calendar, way.place);
      return typeof days === 'function' ? [{ ...one, days }] : [];
    });
    const { used, assigned, first_day } = this.#room;
    const taken = (key: string) => Math.max(used.get(key) ?? 0, assigned.get(key) ?? 0);
    const placed = placeGroups(
      groups,
      (date) => roomOn(this.#settings, first_day, date, taken(dayKey(date))),
      maxDays,
    );
    return placed.flatMap((parts, i) =>
      parts.map(({ place, count }) => {
        if (place) assigned.set(dayKey(place.date), (assigned.get(dayKey(place.date)) ?? 0) + count);
        return { cohort: groups[i]!.cohort, count, at: place?.not_before ?? null };
      }),
    );
  }

  /** Moments as far apart as its gaps. A cohort of many keeps the gap that they draw on average, behind all others. */
  ontoGaps(waiting: readonly { cohort: Cohort; count: number }[], at: number, until: number): Later[] {
    const { slots } = this.#room;
    // Moments that have come: whoever is given another leaves its own, as onto-slots.ts reads them.
    const leaving = new Set(waiting.map(({ cohort }) => cohort.id));
    const coming = slots.findIndex((slot) => slot.at > at);
    const past = slots.splice(0, coming < 0 ? slots.length : coming);
    slots.unshift(
      ...past.filter(
        ({ at: moment, touch_id, taken_at }) =>
          touch_id !== undefined &&
          !leaving.has(touch_id) &&
          keepsOff({ at: moment, taken_at: taken_at! }, at),
      ),
    );
    const from = this.#room.gap_from === null ? null : this.#room.gap_from - this.#budget;
    const placed: Later[] = [];
    for (const { cohort, count } of waiting) {
      const item = {
        gap_ms: gapBetweenSlots(this.#gapBefore(cohort), this.#budget),
        ...(cohort.way.enrollment ? { given: { touch_id: cohort.id, taken_at: at } } : {}),
        open: (moment: number) => this.#openFrom(cohort, moment),
      };
      let last = cohort.way.enrollment ? null : (slots.at(-1)?.at ?? null);
      for (let n = 0; n < count; n++) {
        // Nobody goes between those whose gaps are only known on average.
        const behind: RoomAtStart['slots'] = last === null ? slots : [{ at: last, gap_ms: 0 }];
        const [place] = placeWithGaps([item], behind, { from, now: Math.max(at, last ?? at) });
        if (!place || place.at >= until) {
          placed.push({ cohort, count: count - n, at: null });
          break;
        }
        if (last !== null) slots.push({ at: place.at, gap_ms: item.gap_ms });
        if (!cohort.way.enrollment) last = place.at;
        placed.push({ cohort, count: 1, at: place.at });
      }
    }
    return placed;
  }

  #openFrom({ way, channel }: Cohort, moment: number) {
    const { definition } = way.version;
    const open = openFrom(definition, channel, moment, this.#settings.calendar, way.place, this.#budget);
    return open.ok ? open : null;
  }
}

function within(count: number, left: number): number {
  return Math.max(0, Math.min(count, left));
}
