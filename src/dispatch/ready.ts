/**
 * Composed touches that wait for a free connection of their sender. Only a saturated sender has any, so the next read
 * passes that sender over and never meets a touch that is kept here.
 */
import { performance } from 'node:perf_hooks';
import type { Uuid } from '../kernel/ids.ts';
import type { Composed } from './compose.ts';
import type { DueTouch } from './lanes.ts';

/** After this long the touch is forgotten and read again: its contact or sender may have changed. */
const MAX_AGE_MS = 5_000;
/** How soon to ask again a connection that is busy for somebody else. */
const BUSY_WAIT_MS = 25;

interface Waiting {
  composed: Composed;
  since: number;
  policy: number;
}

export class Ready {
  readonly #bySender = new Map<Uuid, Waiting[]>();
  size = 0;

  senders(): Uuid[] {
    return [...this.#bySender.keys()];
  }

  touches(): DueTouch[] {
    return [...this.#bySender.values()].flatMap((list) => list.map(({ composed }) => composed.touch));
  }

  /** `policy`: the version of the organization's settings that they were looked at under. */
  add(composed: readonly Composed[], policy: number): void {
    const since = performance.now();
    for (const item of composed) {
      const list = this.#bySender.get(item.sender_id);
      if (list) list.push({ composed: item, since, policy });
      else this.#bySender.set(item.sender_id, [{ composed: item, since, policy }]);
      this.size++;
    }
  }

  /**
   * Up to `limit`, of each sender no more than can be started at once; each is reserved until its call begins. What was
   * looked at under other settings than `policy` is forgotten and read again: the gate is told one version for the batch,
   * and would let it go into quiet hours that were set meanwhile.
   */
  take(limit: number, policy: number): Composed[] {
    const taken: Composed[] = [];
    const oldest = performance.now() - MAX_AGE_MS;
    for (const [sender, list] of this.#bySender) {
      const kept = list.filter((item) => item.since >= oldest && item.policy === policy);
      const room = kept[0] ? Math.min(limit - taken.length, kept[0].composed.connection.capacity()) : 0;
      const going = kept.splice(0, Math.max(0, room));
      for (const { composed } of going) taken.push(composed);
      this.size -= list.length - kept.length;
      if (kept.length === 0) this.#bySender.delete(sender);
      else this.#bySender.set(sender, kept);
    }
    return taken;
  }

  /** Nothing of this lane is under way, yet no connection is free: another lane of this process uses them. */
  wait(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, BUSY_WAIT_MS));
  }
}
