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
import { openLane } from '../dispatch/open-lane.ts';
import { dropSuspect } from '../dispatch/poison.ts';
import { isUuid, type Uuid } from '../kernel/ids.ts';
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
/** Timers count whole milliseconds, and ring up to so much late. */
const TIMER_LATE_MS = 2;
/** Turns that are over but for their provider's answers; a slow provider keeps nobody else's lane from its turn. */
const MAX_ENDING = 8;

export class Worker {
  readonly #engine: Engine;
  readonly #options: WorkerOptions;
  #stopping = false;
  #loops: Promise<void>[] = [];
  readonly #ending = new Set<Promise<void>>();
  #sleepers = new Set<(where: Uuid | null) => void>();
  #alarm: { moment: number; timer: NodeJS.Timeout } | null = null;
  /** When, by the monotonic clock; null: never yet. */
  #refreshed: number | null = null;
  #listener: Listener | null = null;
  /** Touches settled since the start. */
  settled = 0;

  constructor(engine: Engine, options: WorkerOptions) {
    this.#engine = engine;
    this.#options = options;
  }

  start(): void {
    this.#listener = listen(this.#engine.db.url, WAKE_CHANNEL, (org) =>
      this.#wakeOne(isUuid(org) ? org : null),
    );
    this.#loops = Array.from({ length: this.#options.lanes }, () => this.#loop());
  }

  /** Stops taking touches up, finishes or hands back what it holds, lets its lanes go. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#alarm?.timer);
    this.#wakeAll();
    await Promise.all(this.#loops);
    await Promise.all(this.#ending);
    await this.#listener?.stop();
  }

  async #loop(): Promise<void> {
    // Where something was said to be due; null: look everywhere.
    let where: Uuid | null = null;
    // Reading fails or ends the process together with the lease that was taken in the same statement, and nobody would count
    // that: until a turn has gone well, and after one that has not, the lane is taken first and read then.
    let proven = false;
    while (!this.#stopping) {
      try {
        const lane: Lane | null = await (proven ? openLane(this.#engine, where) : this.#take(where));
        if (lane) {
          if (this.#refreshed === null) await this.#refreshStatistics();
          await this.#work(lane);
          proven = true;
        }
        where = lane || where !== null ? null : await this.#rest();
      } catch (error) {
        proven = false;
        where = null;
        this.#engine.log.error({ error }, 'a lane failed; taking the next');
        await this.#sleep(ERROR_WAIT_MS);
      }
    }
  }

  #take(where: Uuid | null): Promise<Lane | null> {
    const { db, worker, limits } = this.#engine;
    return takeLane(db, worker, limits.lane_lease_ms, null, where);
  }

  /**
   * So that no plan is kept for tables that are no longer so small: before the first batch is read, and from then on
   * beside the work, also in a turn that lasts. A failure costs speed only.
   */
  async #refreshStatistics(): Promise<void> {
    const now = performance.now();
    if (this.#refreshed !== null && now - this.#refreshed < STATISTICS_EVERY_MS) return;
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
    await refreshed;
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
    const expire = () => {
      expired ??= expireGates(db, lane.org, worker).then((count) => {
        done += count;
      });
      expired.catch(() => undefined);
      return expired;
    };
    let leaving: Promise<void> | null = null;
    const leave = () => {
      heart?.stop();
      turn?.stop();
      leaving ??= leaveLane(db, lane, done === 0 ? NOTHING_TO_DO_MS : 0).catch(() => undefined);
      return leaving;
    };
    try {
      if (lane.suspect) done += await dropSuspect(this.#engine, lane);
      if (lane.careful) await expire();
      await deliver(this.#engine, lane, {
        stop: () => this.#stopping || heart?.lost() === true || turn?.over() === true,
        settled: (count) => {
          done += count;
          this.settled += count;
        },
        ...(turn ? { over: turn.end } : {}),
        // Not sooner: on an idle system each of these takes the processor or the disk from the one touch that is due.
        begun: () => {
          setImmediate(() => {
            this.#wakeOne(null);
            void expire();
            void this.#refreshStatistics();
          });
        },
        left: () => {
          if (turn?.over() && !this.#stopping) void leave().then(left);
        },
      });
      await expire();
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
        void this.#refreshStatistics();
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

  /** Until something may be due or a notification comes; answers where. A moment that was missed is found by polling. */
  async #rest(): Promise<Uuid | null> {
    const asked = performance.now();
    const next = await untilNextDue(this.#engine.db);
    // The database said so on the way, at about the middle of it.
    if (next !== null) this.#alarmAt(next.ms + (asked + performance.now()) / 2, next.org);
    return this.#sleep(this.#options.poll_ms);
  }

  /**
   * One alarm for all loops, and one of them gets up: two would find the same lane, each in the other's way. The sooner
   * of two moments stays; who looks for nothing finds the next.
   */
  #alarmAt(moment: number, org: Uuid): void {
    if (this.#stopping || (this.#alarm !== null && this.#alarm.moment <= moment)) return;
    if (moment - performance.now() >= this.#options.poll_ms) return;
    clearTimeout(this.#alarm?.timer);
    // The timer is set so much early; the rest is waited for in turns of the loop.
    const ring = () => {
      if (this.#alarm !== alarm) return;
      if (performance.now() < moment) {
        setImmediate(ring);
        return;
      }
      this.#alarm = null;
      this.#wakeOne(org);
    };
    const ms = Math.max(1, moment - performance.now() - TIMER_LATE_MS);
    const alarm = { moment, timer: setTimeout(ring, ms) };
    this.#alarm = alarm;
  }

  #sleep(ms: number): Promise<Uuid | null> {
    if (this.#stopping) return Promise.resolve(null);
    return new Promise((resolve) => {
      const done = (where: Uuid | null) => {
        clearTimeout(timer);
        this.#sleepers.delete(done);
        resolve(where);
      };
      const timer = setTimeout(() => done(null), ms);
      this.#sleepers.add(done);
    });
  }

  #wakeOne(where: Uuid | null): void {
    const [wake] = this.#sleepers;
    wake?.(where);
  }

  #wakeAll(): void {
    for (const wake of [...this.#sleepers]) wake(null);
  }
}
