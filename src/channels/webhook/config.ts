/** What a `webhook` sender's `config` holds. */
import { z } from 'zod';
import { callLimits } from '../http/config.ts';
import { keyOf } from './sign.ts';

const MAX_KEY_LIFE_S = 30 * 86_400;

const secret = z
  .string()
  .max(200)
  .refine((text) => keyOf(text) !== null, 'must be whsec_ and 24 to 64 bytes in base64');

export const WebhookConfigSchema = z.strictObject({
  ...callLimits,
  /** As the receiver keeps it (standardwebhooks.com). */
  signing_secret: secret,
  /** While receivers change over: calls carry both signatures. */
  previous_signing_secret: secret.optional(),
  /** The receiver takes one `Idempotency-Key` once, for at least `key_life_s`: a lost answer may be asked for again. */
  deduplicates: z.boolean().default(false),
  key_life_s: z.int().min(60).max(MAX_KEY_LIFE_S).default(86_400),
});
export type WebhookConfig = z.infer<typeof WebhookConfigSchema>;
