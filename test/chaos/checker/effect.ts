/** Whether, and until when, what a client asked for may have taken effect. */
import type { Ack } from './evidence.ts';

/** So long after its client gave up, a request may still take effect: a frozen process, a lock that is waited for. */
const AFTERMATH_NS = 30_000_000_000n;

export const succeeded = (ack: Ack) => ack.status !== null && ack.status >= 200 && ack.status < 300;

/** A refusal of a repeated request says nothing about the tries before it. */
export const certainlyRefused = (ack: Ack) =>
  ack.tries === 1 && ack.status !== null && ack.status >= 400 && ack.status < 500;

/** After this it takes effect no more. */
export const overAt = (ack: Ack) => BigInt(ack.ended) + (succeeded(ack) ? 0n : AFTERMATH_NS);
