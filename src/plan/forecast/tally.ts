/** What a forecast counts: sends by day, sequence, sender and channel, with what limits them; and what is not sent. */
import type { Channel, Mode } from '../../kernel/channels.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { periodOf } from '../../schedule/period.ts';
import type { Postponement } from '../sequences/later.ts';
import type { Cohort } from './agenda.ts';

export interface LimitCount {
  limit: Postponement;
  count: number;
}

export interface ForecastRow {
  /** Of the organization, `2026-11-22`. */
  day: string;
  /** Null: people do it. */
  sender_id: Uuid | null;
  channel: Channel;
  mode: Mode;
  count: number;
  /** Of these, how many only if what the forecast takes for granted before them comes true. */
  conditional: number;
  /** What keeps how many of them back until that day, beyond the delay of their step; most first. */
  limits: LimitCount[];
}

export interface ForecastStep {
  step_id: Uuid;
  step_no: number;
  channel: Channel;
  mode: Mode;
  sender_id: Uuid | null;
  at: Date | null;
  limit: Postponement | null;
  conditional: boolean;
  /** Why it has no time. */
  held_by: string | null;
}

interface Row extends Omit<ForecastRow, 'limits'> {
  limits: Map<Postponement, number>;
}

export class Tally {
  readonly #zone: string;
  readonly #counts: (cohort: Cohort) => boolean;
  readonly #rows = new Map<string, Row>();
  readonly #held = new Map<string, number>();
  readonly #ended = new Map<string, number>();
  readonly #sequences = new Map<Uuid, number>();
  /** Of the enrollment that is looked at, in order. */
  readonly steps: ForecastStep[] = [];
  /** Nothing more comes of it. */
  finished = false;
  #later = 0;

  /** `counts`: whether a cohort belongs to what is asked for; others only take up room. */
  constructor(zone: string, counts: (cohort: Cohort) => boolean) {
    this.#zone = zone;
    this.#counts = counts;
  }

  sent(cohort: Cohort, count: number, at: number): void {
    if (cohort.way.rank === 0) this.#step(cohort, at, null);
    if (!this.#counts(cohort)) return;
    const { day } = periodOf(at, this.#zone)!;
    const { sender_id, channel, mode, limit, way } = cohort;
    const key = `${day} ${sender_id} ${channel} ${mode}`;
    const row = this.#rows.get(key) ?? {
      day,
      sender_id,
      channel,
      mode,
      count: 0,
      conditional: 0,
      limits: new Map(),
    };
    this.#rows.set(key, row);
    row.count += count;
    if (cohort.conditional) row.conditional += count;
    if (limit !== null) add(row.limits, limit, count);
    add(this.#sequences, way.sequence_id, count);
  }

  held(cohort: Cohort, count: number, reason: string): void {
    if (cohort.way.rank === 0) this.#last(cohort, reason);
    if (this.#counts(cohort)) add(this.#held, reason, count);
  }

  ended(cohort: Cohort, count: number, how: string): void {
    if (cohort.way.rank === 0) this.finished = true;
    if (this.#counts(cohort)) add(this.#ended, how, count);
  }

  later(cohort: Cohort, count: number): void {
    if (cohort.way.rank === 0) this.#last(cohort, 'later');
    if (this.#counts(cohort)) this.#later += count;
  }

  #last(cohort: Cohort, why: string): void {
    this.#step(cohort, null, why);
    this.finished = true;
  }

  #step(cohort: Cohort, at: number | null, held_by: string | null): void {
    const { step_id, step_no, channel, mode, sender_id, limit, conditional } = cohort;
    const when = at === null ? null : new Date(at);
    this.steps.push({ step_id, step_no, channel, mode, sender_id, at: when, limit, conditional, held_by });
  }

  result() {
    const items = [...this.#rows.values()]
      .map((row): ForecastRow => ({ ...row, limits: limitsOf(row.limits) }))
      .sort(
        (a, b) =>
          order(a.day, b.day) || order(a.channel, b.channel) || order(a.sender_id ?? '', b.sender_id ?? ''),
      );
    const sum = (of: (row: ForecastRow) => number) => items.reduce((all, row) => all + of(row), 0);
    return {
      items,
      totals: {
        sends: sum((row) => (row.mode === 'automatic' ? row.count : 0)),
        people: sum((row) => (row.mode === 'human' ? row.count : 0)),
        conditional: sum((row) => row.conditional),
        /** Touches that come after the last day. */
        later: this.#later,
      },
      held: counted(this.#held).map(([reason, count]) => ({ reason, count })),
      ends: counted(this.#ended).map(([how, count]) => ({ how, count })),
      sequences: counted(this.#sequences).map(([sequence_id, count]) => ({ sequence_id, count })),
    };
  }
}

function add<K>(counts: Map<K, number>, key: K, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function counted<K extends string>(counts: Map<K, number>): [K, number][] {
  return [...counts].sort(([a, n], [b, m]) => m - n || order(a, b));
}

function limitsOf(limits: Map<Postponement, number>): LimitCount[] {
  return counted(limits).map(([limit, count]) => ({ limit, count }));
}
