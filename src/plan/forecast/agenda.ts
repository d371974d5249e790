/**
 * What comes, in the order in which a lane reads it: by time, then by how long it was due, then by id. Touches that are
 * alike are one cohort with a count, so a million planned touches take as much memory as they have different times.
 */
import type { Place } from '../../contacts/place.ts';
import type { Channel, Mode } from '../../kernel/channels.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { Postponement } from '../sequences/later.ts';
import type { Passed } from '../sequences/place.ts';
import type { Version } from '../sequences/versions.ts';

/** By position in the version, of steps that ask something: what they find as things are now (verdict.ts). */
export type Verdicts = ReadonlyMap<number, number>;

/** What all touches of a cohort and those that follow from them have in common. */
export interface Way {
  readonly sequence_id: Uuid;
  readonly version: Version;
  readonly place: Place;
  /** Of a cohort of many it stands for all contacts that get the same senders. */
  readonly contact_id: Uuid;
  readonly kept: readonly Uuid[];
  readonly passed: Passed;
  /** Before the enrollment that is looked at, itself, or after it. */
  readonly rank: -1 | 0 | 1;
  /** Known one by one, because their ids draw the gaps before them; absent in a cohort of many. */
  readonly enrollment: { id: Uuid; generation: number } | null;
  /** Null: nothing was asked, and whoever comes to a condition or a branch goes the way without it. */
  readonly verdicts: Verdicts | null;
}

export interface Cohort {
  readonly way: Way;
  readonly step_id: Uuid;
  readonly step_no: number;
  readonly channel: Channel;
  readonly mode: Mode;
  readonly sender_id: Uuid | null;
  /** When it is read, Unix milliseconds. */
  at: number;
  /** When it was to be read. */
  due: number;
  /** The least of its touches' ids. */
  id: Uuid;
  count: number;
  /** What keeps it back until then; null: nothing but its delay. */
  limit: Postponement | null;
  /** Whether what comes before it is taken for granted. */
  conditional: boolean;
}

export class Agenda {
  readonly #times: number[] = [];
  readonly #cohorts = new Map<number, Cohort[]>();
  /** Follow-ups of one cohort go to few times: found again by what they share. */
  readonly #alike = new Map<number, Map<Way, Cohort[]>>();

  add(cohort: Cohort): void {
    if (this.#joined(cohort)) return;
    const list = this.#cohorts.get(cohort.at);
    if (list) list.push(cohort);
    else {
      this.#cohorts.set(cohort.at, [cohort]);
      this.#push(cohort.at);
    }
  }

  /** The next time at which something is due; null: nothing is. */
  next(): number | null {
    return this.#times[0] ?? null;
  }

  /** All that is due then, in order; it is no longer on the agenda. */
  take(at: number): Cohort[] {
    const list = this.#cohorts.get(at) ?? [];
    this.#cohorts.delete(at);
    this.#alike.delete(at);
    if (this.#times[0] === at) this.#pop();
    return list.sort((a, b) => a.due - b.due || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  }

  #joined(cohort: Cohort): boolean {
    if (cohort.way.enrollment !== null) return false;
    const ways = this.#alike.get(cohort.at) ?? new Map<Way, Cohort[]>();
    this.#alike.set(cohort.at, ways);
    const list = ways.get(cohort.way);
    if (!list) {
      ways.set(cohort.way, [cohort]);
      return false;
    }
    const same = list.find(
      (one) =>
        one.step_no === cohort.step_no &&
        one.step_id === cohort.step_id &&
        one.sender_id === cohort.sender_id &&
        one.limit === cohort.limit &&
        one.conditional === cohort.conditional &&
        one.due === cohort.due,
    );
    if (!same) {
      list.push(cohort);
      return false;
    }
    same.count += cohort.count;
    if (cohort.id < same.id) same.id = cohort.id;
    return true;
  }

  #push(time: number): void {
    const heap = this.#times;
    let i = heap.push(time) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent]! <= time) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = time;
  }

  #pop(): void {
    const heap = this.#times;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= last) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}
