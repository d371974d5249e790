/**
 * What goes wrong at the provider: pure. Drawn from a seed, the account and how often this key came, so the same
 * calls meet the same faults in whatever order they arrive.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';

/** Each at a rate from 0 to 1; what is left over goes well. */
export const SEND_FAULTS = [
  /** Accepted, answered late but in time. */
  'slow',
  /** 429 with Retry-After; not accepted. */
  'throttled',
  /** 422 for good; not accepted. */
  'refused',
  /** 503; not accepted. */
  'unavailable',
  /** 500; not accepted, but who is to know. */
  'error_before',
  /** The connection is cut; not accepted. */
  'reset_before',
  /** No answer ever; not accepted. */
  'hang_before',
  /** Accepted, then the connection is cut. */
  'lost_reply',
  /** Accepted, then 502. */
  'bad_gateway',
  /** Accepted, then a 200 that cannot be read. */
  'garbled',
  /** Accepted, then no answer ever. */
  'hang_after',
  /** Accepted only after the caller has given up. */
  'late',
] as const;
export type SendFault = (typeof SEND_FAULTS)[number];

const rate = z.number().min(0).max(1);
const DAY_MS = 24 * 3_600_000;
const milliseconds = z.int().min(0).max(600_000);

export const FaultPlanSchema = z.strictObject({
  seed: z.int().default(0),
  rates: z.partialRecord(z.enum(SEND_FAULTS), rate).default({}),
  /** Look-ups answered with 503. */
  lookup_error: rate.default(0),
  slow_ms: milliseconds.default(300),
  /** `late`: how long after the call the message is accepted. */
  late_ms: milliseconds.default(3_000),
  /** Class L: at most so long after accepting, the message can be looked up. */
  lookup_delay_ms: milliseconds.default(0),
  /** Class K: how long a key is remembered, and by account where it differs. */
  key_life_ms: z.int().min(1).default(DAY_MS),
  key_lives: z.record(z.string(), z.int().min(1)).default({}),
});
export type FaultPlan = z.infer<typeof FaultPlanSchema>;

/** Between 0 and 1, the same for the same parts. */
export function draw(...parts: (string | number)[]): number {
  return createHash('sha256').update(parts.join('\0')).digest().readUIntBE(0, 6) / 2 ** 48;
}

/** `nth`: which call under this key it is. Null: it goes well. */
export function sendFault(plan: FaultPlan, account: string, key: string, nth: number): SendFault | null {
  let left = draw(plan.seed, 'send', account, key, nth);
  for (const fault of SEND_FAULTS) {
    left -= plan.rates[fault] ?? 0;
    if (left < 0) return fault;
  }
  return null;
}
