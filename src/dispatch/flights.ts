/** What is under way beside the reading: bounded by the touches in it; a failure is kept until somebody looks. */
import type { Uuid } from '../kernel/ids.ts';

export class Flights {
  readonly #limit: number;
  readonly #onSettled: (count: number) => void;
  readonly #under = new Set<Promise<void>>();
  /** Of these, those that call nobody but the database. */
  readonly #short = new Set<Promise<void>>();
  /** The touches in them: the next read meets some of these again, still planned until their settle. */
  readonly #touches = new Set<Uuid>();
  readonly #over: Promise<void> | undefined;
  #isOver = false;
  #failure: unknown = null;
  /** Sum of what the tasks settled. */
  settled = 0;

  /** `over`: nobody waits for a call longer than that. */
  constructor(limit: number, onSettled: (count: number) => void, over?: Promise<void>) {
    this.#limit = limit;
    this.#onSettled = onSettled;
    this.#over = over?.then(() => {
      this.#isOver = true;
    });
  }

  /** Tasks under way. */
  get size(): number {
    return this.#under.size;
  }

  has(touch: Uuid): boolean {
    return this.#touches.has(touch);
  }

  /**
   * Until so many touches more may be under way. Ask before the gate: what it lets go must start at once. False: there
   * is no room yet, and the turn is over.
   */
  async room(touches: number): Promise<boolean> {
    while (this.#touches.size > 0 && this.#touches.size + touches > this.#limit) {
      if (this.#isOver) return false;
      await this.next();
    }
    return true;
  }

  /** Starts a task now; it answers with how many touches it settled. `short`: it calls no provider. */
  start(touches: readonly Uuid[], task: () => Promise<number>, short = false): void {
    for (const id of touches) this.#touches.add(id);
    const running: Promise<void> = task()
      .then(
        (settled) => {
          this.settled += settled;
          this.#onSettled(settled);
        },
        (error: unknown) => {
          this.#failure ??= error;
        },
      )
      .finally(() => {
        for (const id of touches) this.#touches.delete(id);
        this.#under.delete(running);
        this.#short.delete(running);
      });
    this.#under.add(running);
    if (short) this.#short.add(running);
  }

  /** Until one of them ends, or the turn is over. */
  async next(): Promise<void> {
    await Promise.race(this.#over ? [...this.#under, this.#over] : this.#under);
    this.#rethrow();
  }

  /** Until all have ended, the turn is over, or so long. */
  async quiet(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const passed = new Promise<void>((resolve) => {
      timer = setTimeout(() => resolve(), ms);
    });
    let waiting = true;
    void passed.then(() => {
      waiting = false;
    });
    while (waiting && this.#under.size > 0 && !this.#isOver)
      await Promise.race(this.#over ? [...this.#under, this.#over, passed] : [...this.#under, passed]);
    clearTimeout(timer);
    this.#rethrow();
  }

  /** Until the short ones have ended: whoever reads the lane next would meet their touches again. */
  async drainShort(): Promise<void> {
    while (this.#short.size > 0) await Promise.race(this.#short);
    this.#rethrow();
  }

  /** Until all of them have ended. */
  async drain(): Promise<void> {
    while (this.#under.size > 0) await Promise.race(this.#under);
    this.#rethrow();
  }

  #rethrow(): void {
    if (this.#failure === null) return;
    const failure = this.#failure;
    this.#failure = null;
    throw failure;
  }
}
