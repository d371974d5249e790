/**
 * A bounded set of connections to one server, and the rate they may be used at. `take` is synchronous, so that
 * what `capacity` promised cannot be given away twice; sessions are opened when first needed, kept a short
 * while, and closed after their share of messages.
 */
import type { Network } from '../channel.ts';
import type { SmtpConfig } from './config.ts';
import { type Opened, openSession, quit, type Session } from './session.ts';

/** Shorter than servers keep an idle client (Postfix under load: 10 s), so that we are the ones who leave. */
const IDLE_MS = 8_000;
const RESET_LIMIT_MS = 5_000;

export class Pool {
  readonly #config: SmtpConfig;
  readonly #network: Network | undefined;
  readonly #idle: { session: Session; timer: NodeJS.Timeout }[] = [];
  #taken = 0;
  #closed = false;
  #drained: (() => void) | undefined;
  #tokens: number;
  #tokens_at = performance.now();

  constructor(config: SmtpConfig, network: Network | undefined) {
    this.#config = config;
    this.#network = network;
    this.#tokens = this.#burst();
  }

  /** Calls that may start now. */
  capacity(): number {
    if (this.#closed) return 0;
    const free = this.#config.max_connections - this.#taken;
    return Math.max(0, Math.min(free, Math.floor(this.#refill())));
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

  /** A session for the holder of a place: an idle one that still answers, else a new one. */
  async session(deadline: number, fresh = false): Promise<Opened> {
    while (!fresh) {
      const kept = this.#idle.pop();
      if (!kept) break;
      clearTimeout(kept.timer);
      if (await usable(kept.session, deadline)) return { ok: true, session: kept.session };
      kept.session.connection.close();
    }
    return openSession(this.#config, deadline, this.#network);
  }

  /** Takes a session back after a message. */
  keep(session: Session): void {
    if (session.connection.destroyed) return;
    if (session.used >= this.#config.max_messages_per_connection) {
      void quit(session);
      return;
    }
    const timer = setTimeout(() => {
      const at = this.#idle.findIndex((kept) => kept.session === session);
      if (at >= 0) this.#idle.splice(at, 1);
      void quit(session);
    }, IDLE_MS);
    timer.unref();
    this.#idle.push({ session, timer });
  }

  /** Lets calls in progress end (each has its own limit), then closes all. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#taken > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    const idle = this.#idle.splice(0);
    for (const { timer } of idle) clearTimeout(timer);
    await Promise.all(idle.map(({ session }) => quit(session)));
  }

  #burst(): number {
    const rate = this.#config.rate_per_second;
    return rate === undefined ? Number.POSITIVE_INFINITY : Math.max(1, rate);
  }

  #refill(): number {
    const rate = this.#config.rate_per_second;
    if (rate === undefined) return this.#tokens;
    const now = performance.now();
    this.#tokens = Math.min(this.#burst(), this.#tokens + ((now - this.#tokens_at) / 1_000) * rate);
    this.#tokens_at = now;
    return this.#tokens;
  }
}

/** An idle session that is still there, with what a refused message left behind reset. */
async function usable(session: Session, deadline: number): Promise<boolean> {
  if (session.connection.destroyed) return false;
  if (!session.needs_reset) return true;
  const limit = Math.min(RESET_LIMIT_MS, deadline - Date.now());
  const reset = await new Promise<boolean>((resolve) => {
    const settle = (ok: boolean): void => {
      clearTimeout(timer);
      session.connection.off('end', lost);
      resolve(ok);
    };
    const lost = (): void => settle(false);
    const timer = setTimeout(lost, limit);
    session.connection.once('end', lost);
    session.connection.reset((error) => settle(!error));
  });
  session.needs_reset = !reset;
  return reset;
}
