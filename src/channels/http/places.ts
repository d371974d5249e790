/**
 * How many calls one connection may have under way, and how fast new ones may start. `take` is synchronous, so that
 * what `capacity` promised cannot be given away twice.
 */
export class Places {
  readonly #most: number;
  readonly #rate: number | undefined;
  #taken = 0;
  #closed = false;
  #drained: (() => void) | undefined;
  #tokens: number;
  #tokens_at = performance.now();

  constructor(limits: { max_connections: number; rate_per_second?: number | undefined }) {
    this.#most = limits.max_connections;
    this.#rate = limits.rate_per_second;
    this.#tokens = this.#burst();
  }

  /** Calls that may start now. */
  capacity(): number {
    if (this.#closed) return 0;
    return Math.max(0, Math.min(this.#most - this.#taken, Math.floor(this.#refill())));
  }

  /** Takes one place; false when there is none. Whoever takes gives back. */
  take(): boolean {
    if (this.capacity() < 1) return false;
    this.#taken += 1;
    this.#tokens -= 1;
    return true;
  }

  give(): void {
    this.#taken -= 1;
    if (this.#taken === 0) this.#drained?.();
  }

  /** Nothing starts any more; resolves when what is under way has ended (each call has its own limit). */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#taken === 0) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
  }

  #burst(): number {
    return this.#rate === undefined ? Number.POSITIVE_INFINITY : Math.max(1, this.#rate);
  }

  #refill(): number {
    if (this.#rate === undefined) return this.#tokens;
    const now = performance.now();
    this.#tokens = Math.min(this.#burst(), this.#tokens + ((now - this.#tokens_at) / 1_000) * this.#rate);
    this.#tokens_at = now;
    return this.#tokens;
  }
}
