/**
 * A worker: takes lanes that have something due, delivers what is in them, sleeps until the next touch falls due or a
 * notification comes. Stateless; any number may run. In: an `Engine`. Out: `stop()`, which lets the lanes go and
 * settles what is in flight.
 */
import { type Listener, listen } from '../db/listen.ts';
import { deliver } from '../dispatch/deliver.ts';
import type { Engine } from '../dispatch/engine.ts';
import { expireGates, keepLane, type Lane, leaveLane, takeLane, untilNextDue } from '../dispatch/lanes.ts';
import { dropSuspect } from '../dispatch/poison.ts';
import { WAKE_CHANNEL } from '../ledger/wake.ts';

export interface WorkerOptions {
  /** Lanes worked at once. */
  lanes: number;
  /** The longest sleep; correctness rests on this, not on notifications. */
  poll_ms: number;
}

/** A lane whose due touches are all in other hands is left alone this long. */
const NOTHING_TO_DO_MS = 250;
const ERROR_WAIT_MS = 500;

export class Worker {
  readonly #engine: Engine;
  readonly #options: WorkerOptions;
  #stopping = false;
  #loops: Promise<void>[] = [];
  #sleepers = new Set<() => void>();
  #listener: Listener | null = null;
  /** Touches settled since the start. */
  settled = 0;

  constructor(engine: Engine, options: WorkerOptions) {
    this.#engine = engine;
    this.#options = options;
  }

  start(): void {
    this.#listener = listen(this.#engine.db.url, WAKE_CHANNEL, () => this.#wakeAll());
    this.#loops = Array.from({ length: this.#options.lanes }, () => this.#loop());
  }

  /** Stops taking touches up, finishes or hands back what it holds, lets its lanes go. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wakeAll();
    await Promise.all(this.#loops);
    await this.#listener?.stop();
  }

  async #loop(): Promise<void> {
    while (!this.#stopping) {
      try {
        const lane = await takeLane(this.#engine.db, this.#engine.worker, this.#engine.limits.lane_lease_ms);
        if (lane) await this.#work(lane);
        else await this.#sleep(await this.#untilNext());
      } catch (error) {
        this.#engine.log.error({ error }, 'a lane failed; taking the next');
        await this.#sleep(ERROR_WAIT_MS);
      }
    }
  }

  async #work(lane: Lane): Promise<void> {
    const { db, limits, worker } = this.#engine;
    let lost = false;
    let before = this.settled;
    // A careful holder keeps the lane itself: it names the touch it is at.
    const heart = lane.careful
      ? undefined
      : setInterval(() => {
          const made = this.settled > before;
          before = this.settled;
          keepLane(db, lane, limits.lane_lease_ms, { made, suspect: null }).then(
            (kept) => {
              lost ||= !kept;
            },
            () => undefined,
          );
        }, limits.lane_lease_ms / 3);
    let done = 0;
    try {
      if (lane.suspect) done += await dropSuspect(this.#engine, lane);
      done += await expireGates(db, lane.org, worker);
      done += await deliver(this.#engine, lane, {
        stop: () => this.#stopping || lost,
        settled: (count) => {
          this.settled += count;
        },
      });
    } finally {
      clearInterval(heart);
      await leaveLane(db, lane, done === 0 ? NOTHING_TO_DO_MS : 0).catch(() => undefined);
    }
  }

  /** Milliseconds until something may be due. */
  async #untilNext(): Promise<number> {
    const wait = (await untilNextDue(this.#engine.db)) ?? this.#options.poll_ms;
    return Math.min(this.#options.poll_ms, Math.max(1, wait));
  }

  #sleep(ms: number): Promise<void> {
    if (this.#stopping) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#sleepers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#sleepers.add(done);
    });
  }

  #wakeAll(): void {
    for (const wake of [...this.#sleepers]) wake();
  }
}
