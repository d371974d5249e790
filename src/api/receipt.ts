/** The receipt of a stop, and how long a caller waits for it. */
import { z } from 'zod';
import { id, time } from './schemas.ts';

const MAX_WAIT_S = 60;
const WAIT = /^(\d{1,5})(ms|s)?$/;

export const receipt = z
  .object({
    id,
    subject_type: z.string(),
    subject_id: z.string(),
    status: z.string(),
    epoch: z.number().int(),
    effective_at: time,
    not_started: z.number().int().describe('Planned messages that were cancelled'),
    in_flight: z
      .array(
        z.object({
          touch: id,
          state: z.string(),
          since: time,
          provider: z.string().nullable(),
          outcome_by: time.describe('By then its outcome is known, or it is `unknown`'),
          reason: z.string().nullable(),
        }),
      )
      .describe('What may still be sent; nothing else will be'),
    in_flight_count: z.number().int(),
    next_offset: z.number().int().nullable(),
    drained: z.boolean().describe('Nothing of it is in flight any more'),
  })
  .meta({
    id: 'Receipt',
    description: 'What a stop acknowledged: what is not listed in it will never be sent',
  });

/** `?wait=30s`: answer when what is in flight has settled, or after this long. In milliseconds. */
const wait = z
  .string()
  .regex(WAIT, 'must be a time such as 30s or 500ms')
  .transform((text) => {
    const [, amount, unit] = WAIT.exec(text)!;
    return Number(amount) * (unit === 'ms' ? 1 : 1_000);
  })
  .refine((ms) => ms <= MAX_WAIT_S * 1_000, `must be ${MAX_WAIT_S}s or less`)
  .optional()
  .describe('Wait so long at most (`30s`) until what is in flight has settled, and tell its true outcome');

export const waitQuery = z.strictObject({ wait });
