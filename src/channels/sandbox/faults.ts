/**
 * The ways in which the sink can be told to misbehave. A fault acts at one stage of the conversation, on every
 * message or on those whose recipient matches, for ever or for so many times.
 */
import { z } from 'zod';

/** In the order a conversation meets them. */
const FAULT_STAGES = [
  'connect',
  'helo',
  'mail',
  'rcpt',
  'data',
  'before_dot',
  'after_dot_lost',
  'after_dot',
  'reply',
] as const;
export type FaultStage = (typeof FAULT_STAGES)[number];

/** Before RCPT TO nobody is named, so there is nothing to match. */
const BEFORE_RECIPIENT: readonly FaultStage[] = ['connect', 'helo', 'mail'];

const MAX_DELAY_MS = 600_000;
const MAX_FAULTS = 100;

function isPattern(source: string): boolean {
  try {
    new RegExp(source);
    return true;
  } catch {
    return false;
  }
}

const Fault = z
  .strictObject({
    /** A regular expression over the recipient's address, case ignored. */
    match: z.string().max(200).refine(isPattern, 'must be a regular expression').optional(),
    /** How many times it acts; without it, until cleared. */
    times: z.int().min(1).optional(),
    /** Answer with this code and text (put the enhanced code first: `5.1.1 No such user`). `data` is the answer to the message. */
    refuse: z
      .strictObject({
        code: z.int().min(400).max(599),
        text: z
          .string()
          .max(400)
          .regex(/^[^\r\n]*$/),
        at: z.enum(['connect', 'mail', 'rcpt', 'data']).default('rcpt'),
      })
      .optional(),
    /**
     * Drop the connection: at the command named, without answering it. `before_dot`: inside the message.
     * `after_dot_lost`: the whole message came and is not recorded. `after_dot`: it is recorded, and nobody is told.
     */
    cut: z
      .enum(['connect', 'helo', 'mail', 'rcpt', 'data', 'before_dot', 'after_dot_lost', 'after_dot'])
      .optional(),
    /** Wait so long first; alone, it delays RCPT or (`reply`) the answer to a message already recorded. */
    delay_ms: z.int().min(1).max(MAX_DELAY_MS).optional(),
    delay_at: z.enum(['rcpt', 'reply']).default('reply'),
  })
  .refine((fault) => !(fault.refuse && fault.cut), 'refuse or cut, not both')
  .refine((fault) => fault.refuse || fault.cut || fault.delay_ms, 'nothing to do')
  .refine(
    (fault) => !fault.match || !BEFORE_RECIPIENT.includes(stageOf(fault)),
    'match needs a recipient, so it cannot act before RCPT',
  );

export const FaultsSchema = z
  .union([Fault, z.array(Fault).max(MAX_FAULTS)])
  .transform((faults) => (Array.isArray(faults) ? faults : [faults]));
export type FaultInput = z.input<typeof FaultsSchema>;
export type Fault = z.output<typeof Fault>;

function stageOf(fault: {
  refuse?: { at: 'connect' | 'mail' | 'rcpt' | 'data' } | undefined;
  cut?: FaultStage | undefined;
  delay_at: FaultStage;
}): FaultStage {
  if (fault.cut) return fault.cut;
  // A refused message must have come in full and must not be recorded.
  if (fault.refuse) return fault.refuse.at === 'data' ? 'after_dot_lost' : fault.refuse.at;
  return fault.delay_at;
}

interface Armed {
  stage: FaultStage;
  pattern: RegExp | undefined;
  left: number;
  fault: Fault;
}

export class Faults {
  #armed: Armed[] = [];

  /** Replaces all faults. Throws a ZodError on nonsense. */
  set(input: FaultInput): void {
    this.#armed = FaultsSchema.parse(input).map((fault) => ({
      stage: stageOf(fault),
      pattern: fault.match === undefined ? undefined : new RegExp(fault.match, 'i'),
      left: fault.times ?? Number.POSITIVE_INFINITY,
      fault,
    }));
  }

  clear(): void {
    this.#armed = [];
  }

  /** The fault that acts at this stage on any of these recipients; one of its times is used up. */
  take(stage: FaultStage, recipients: readonly string[] = []): Fault | null {
    const found = this.#armed.find(
      (armed) =>
        armed.stage === stage &&
        armed.left > 0 &&
        (!armed.pattern || recipients.some((recipient) => armed.pattern!.test(recipient))),
    );
    if (!found) return null;
    found.left -= 1;
    return found.fault;
  }
}
