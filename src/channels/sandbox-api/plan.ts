/** What goes wrong, and how often: armed faults, taken one by one in the order they were given. */
import { z } from 'zod';
import { PROVIDERS, type ProviderName } from './message.ts';

export const FAULTS = [
  /** Refused for good: the recipient, the content, the sender. */
  'address',
  'content',
  'sender',
  /** As if the key were wrong. */
  'unauthorized',
  /** Refused for now, with `retry_after_s` where the provider says so. */
  'throttle',
  'unavailable',
  /** Accepted, answered after `ms`. */
  'delay',
  /** The connection is cut, nothing accepted; or accepted first. */
  'cut_before',
  'cut_after',
  /** Never answered. */
  'silence_before',
  'silence_after',
  /** 502 without, and after accepting. */
  'gateway_before',
  'gateway_after',
  /** Accepted, then a 200 that nobody can read. */
  'garbage',
  /** Accepted only after `ms`, never answered. */
  'late',
] as const;
export type FaultName = (typeof FAULTS)[number];

const MAX_MS = 600_000;

const FaultSchema = z.strictObject({
  fault: z.enum(FAULTS),
  provider: z.enum(PROVIDERS).optional(),
  /** A pattern for the recipient. */
  match: z.string().max(500).optional(),
  /** For how many messages; absent: all. */
  times: z.int().min(1).optional(),
  ms: z.int().min(0).max(MAX_MS).default(1_000),
  retry_after_s: z.int().min(0).max(86_400).default(1),
});

export const PlanSchema = z.strictObject({
  faults: z.array(FaultSchema).max(1_000).default([]),
  /** So long after accepting, a message can be looked up. */
  lookup_delay_ms: z.int().min(0).max(MAX_MS).default(0),
  /** Instead of the provider's own. */
  key_life_ms: z.int().min(1).optional(),
  /** Look-ups answered with 503. */
  lookup_fails: z.boolean().default(false),
});
export type PlanInput = z.input<typeof PlanSchema>;
export type Fault = z.infer<typeof FaultSchema>;

export class Plan {
  readonly settings: z.infer<typeof PlanSchema>;
  readonly #armed: { fault: Fault; pattern: RegExp | null; left: number }[];

  constructor(input: unknown) {
    this.settings = PlanSchema.parse(input);
    this.#armed = this.settings.faults.map((fault) => ({
      fault,
      pattern: fault.match === undefined ? null : new RegExp(fault.match, 'i'),
      left: fault.times ?? Number.POSITIVE_INFINITY,
    }));
  }

  /** The fault for this message, used up by one. */
  take(provider: ProviderName, recipient: string): Fault | null {
    const found = this.#armed.find(
      ({ fault, pattern, left }) =>
        left > 0 &&
        (fault.provider === undefined || fault.provider === provider) &&
        (pattern === null || pattern.test(recipient)),
    );
    if (!found) return null;
    found.left -= 1;
    return found.fault;
  }
}
