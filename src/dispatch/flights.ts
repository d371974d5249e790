/** What is under way beside the reading: bounded by the touches in it; a failure is kept until somebody looks. */
import type { Uuid } from '../kernel/ids.ts';

export class Flights {
  readonly #limit: number;
  readonly #onSettled: (count: number) => void;
  readonly #under = new Set<Promise<void>>();
  /** The touches in them: the next read meets some of these again, still planned until their settle. */
  readonly #touches = new Set<Uuid>();
  #failure: unknown = null;
  /** Sum of what the tasks settled. */
  settled = 0;

  constructor(limit: number, onSettled: (count: number) => void) {
    this.#limit = limit;
    this.#onSettled = onSettled;
  }

  /** Tasks under way. */
  get size(): number {
    return this.#under.size;
  }

  has(touch: Uuid): boolean {
    return this.#touches.has(touch);
  }

  /** Until so many touches more may be under way. Ask before the gate: what it lets go must start at once. */
  async room(touches: number): Promise<void> {
    while (this.#touches.size > 0 && this.#touches.size + touches > this.#limit) await this.next();
  }

  /** Starts a task now; it answers with how many touches it settled. */
  start(touches: readonly Uuid[], task: () => Promise<number>): void {
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
      });
    this.#under.add(running);
  }

  /** Until one of them ends. */
  async next(): Promise<void> {
    await Promise.race(this.#under);
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
