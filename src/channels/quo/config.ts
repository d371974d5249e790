/** What a `quo` sender's `config` holds. Quo was OpenPhone, and its first API still answers under that name. */
import { z } from 'zod';
import { apiKey, httpFields } from '../http/config.ts';

/** Of one key (quo.com/docs/mdx/api-reference/rate-limits). */
const RATE_PER_SECOND = 10;

const fields = httpFields('https://api.openphone.com');

export const QuoConfigSchema = z.strictObject({
  ...fields,
  rate_per_second: fields.rate_per_second.unwrap().max(RATE_PER_SECOND).default(RATE_PER_SECOND),
  api_key: apiKey,
  /** On whose behalf it is sent; absent: the number's owner. */
  user_id: z
    .string()
    .regex(/^US[A-Za-z0-9]{1,64}$/)
    .optional(),
});
export type QuoConfig = z.infer<typeof QuoConfigSchema>;

export function credentials({ api_key }: QuoConfig): Record<string, string> {
  return { authorization: api_key, accept: 'application/json' };
}
