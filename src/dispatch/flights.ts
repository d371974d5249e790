/** What is under way beside the reading: bounded by the touches in it; a failure is kept until somebody looks. */
export class Flights {
  readonly #limit: number;
  readonly #onSettled: (count: number) => void;
  readonly #under = new Set<Promise<void>>();
  #touches = 0;
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

  /** Until so many touches more may be under way. Ask before the gate: what it lets go must start at once. */
  async room(touches: number): Promise<void> {
    while (this.#touches > 0 && this.#touches + touches > this.#limit) await this.next();
  }

  /** Starts a task now; it answers with how many touches it settled. */
  start(touches: number, task: () => Promise<number>): void {
    this.#touches += touches;
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
        this.#touches -= touches;
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
