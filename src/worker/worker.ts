/**
 * A worker: takes lanes that have something due, delivers what is in them, sleeps until the next touch falls due or a
 * notification comes. Stateless; any number may run. In: an `Engine`. Out: `stop()`, which lets the lanes go and
 * settles what is in flight.
 */
import { performance } from 'node:perf_hooks';
import { type Listener, listen } from '../db/listen.ts';
import { refreshStatistics } from '../db/statistics.ts';
import { deliver } from '../dispatch/deliver.ts';
import type { Engine } from '../dispatch/engine.ts';
import {
  expireGates,
  keepLane,
  type Lane,
  leaveLane,
  othersWait,
  takeLane,
  untilNextDue,
} from '../dispatch/lanes.ts';
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
const STATISTICS_EVERY_MS = 1_000;
/** Turns that are over but for their provider's answers; a slow provider keeps nobody else's lane from its turn. */
const MAX_ENDING = 8;

export class Worker {
  readonly #engine: Engine;
  readonly #options: WorkerOptions;
  #stopping = false;
  #loops: Promise<void>[] = [];
  readonly #ending = new Set<Promise<void>>();
  #sleepers = new Set<() => void>();
  #refreshed = Number.NEGATIVE_INFINITY;
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
    await Promise.all(this.#ending);
    await this.#listener?.stop();
  }

  async #loop(): Promise<void> {
    while (!this.#stopping) {
      try {
        const lane = await takeLane(this.#engine.db, this.#engine.worker, this.#engine.limits.lane_lease_ms);
        if (lane) {
          await this.#refreshStatistics();
          await this.#work(lane);
        } else await this.#sleep(await this.#untilNext());
      } catch (error) {
        this.#engine.log.error({ error }, 'a lane failed; taking the next');
        await this.#sleep(ERROR_WAIT_MS);
      }
    }
  }

  /**
   * So that no plan is made for tables that are no longer so small: before the first batch is read, and from then on
   * beside, where nobody who is due waits for it. A failure costs speed only.
   */
  async #refreshStatistics(): Promise<void> {
    const now = performance.now();
    if (now - this.#refreshed < STATISTICS_EVERY_MS) return;
    const first = this.#refreshed === Number.NEGATIVE_INFINITY;
    this.#refreshed = now;
    const refreshed = refreshStatistics(this.#engine.db)
      .then(
        () => undefined,
        (error: unknown) => {
          this.#engine.log.warn({ error }, 'the statistics of the tables could not be refreshed');
        },
      )
      .finally(() => this.#ending.delete(refreshed));
    this.#ending.add(refreshed);
    if (first) await refreshed;
  }

  /** One turn in a lane. Ends when the lane is let go; what is still being sent then is settled beside the next turn. */
  async #work(lane: Lane): Promise<void> {
    let left: () => void = () => undefined;
    const letGo = new Promise<void>((resolve) => {
      left = resolve;
    });
    const whole = this.#turn(lane, left);
    if (this.#ending.size >= MAX_ENDING) return whole;
    const ending = whole
      .catch((error: unknown) => {
        this.#engine.log.error({ error, org_id: lane.org }, 'a lane failed after its turn');
      })
      .finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
    return Promise.race([whole, letGo]);
  }

  async #turn(lane: Lane, left: () => void): Promise<void> {
    const { db, worker } = this.#engine;
    // A careful holder keeps the lane itself, naming the touch it is at; its turn ends by count, the next is not careful.
    const heart = lane.careful ? null : this.#keep(lane);
    const turn = lane.careful ? null : this.#limit(lane);
    let done = 0;
    let expired: Promise<void> | null = null;
    let leaving: Promise<void> | null = null;
    const leave = () => {
      heart?.stop();
      turn?.stop();
      leaving ??= leaveLane(db, lane, done === 0 ? NOTHING_TO_DO_MS : 0).catch(() => undefined);
      return leaving;
    };
    try {
      if (lane.suspect) done += await dropSuspect(this.#engine, lane);
      // Beside the reading: nobody who is due waits for what a dead process left; the next turn finds that.
      expired = expireGates(db, lane.org, worker).then((count) => {
        done += count;
      });
      expired.catch(() => undefined);
      if (lane.careful) await expired;
      await deliver(this.#engine, lane, {
        stop: () => this.#stopping || heart?.lost() === true || turn?.over() === true,
        settled: (count) => {
          done += count;
          this.settled += count;
        },
        ...(turn ? { over: turn.end } : {}),
        left: () => {
          if (turn?.over() && !this.#stopping) void leave().then(left);
        },
      });
      await expired;
    } finally {
      await leave();
    }
  }

  /** The turn is over when it has lasted its time and another lane waits. */
  #limit(lane: Lane): { end: Promise<void>; over(): boolean; stop(): void } {
    const { db, limits } = this.#engine;
    let over = false;
    let timer: NodeJS.Timeout | undefined;
    const end = new Promise<void>((resolve) => {
      timer = setInterval(() => {
        othersWait(db, lane.org).then(
          (wait) => {
            over ||= wait;
            if (over) resolve();
          },
          () => undefined,
        );
      }, limits.lane_turn_ms);
    });
    return { end, over: () => over, stop: () => clearInterval(timer) };
  }

  /** The heartbeat. */
  #keep(lane: Lane): { stop(): void; lost(): boolean } {
    const { db, limits } = this.#engine;
    let lost = false;
    let before = this.settled;
    const timer = setInterval(() => {
      const made = this.settled > before;
      before = this.settled;
      keepLane(db, lane, limits.lane_lease_ms, { made, suspect: null }).then(
        (kept) => {
          lost ||= !kept;
        },
        () => undefined,
      );
    }, limits.lane_lease_ms / 3);
    return { stop: () => clearInterval(timer), lost: () => lost };
  }

  /** Milliseconds until something may be due. */
  async #untilNext(): Promise<number> {
    const wait = (await untilNextDue(this.#engine.db)) ?? this.#options.poll_ms;
    // A timer drops the fraction, and who looks a moment too early looks twice.
    return Math.min(this.#options.poll_ms, Math.max(1, Math.ceil(wait)));
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
