/** What a `waha` sender's `config` holds. */
import { z } from 'zod';
import { apiKey, callLimits } from '../http/config.ts';

const WARNING =
  'WhatsApp does not allow programs to use its app like a person and bans numbers that do; say true to accept that for this number';

export const WahaConfigSchema = z.strictObject({
  /** Of one's own gateway, often beside the installation: what may be reached over http the installation says. */
  base_url: z
    .url({ protocol: /^https?$/ })
    .max(500)
    .transform((url) => url.replace(/\/+$/, '')),
  ...callLimits,
  session: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,54}$/)
    .default('default'),
  api_key: apiKey,
  accept_ban_risk: z.literal(true, WARNING),
  /** Also to people who have never written to us; the dispatcher keeps it. */
  write_first: z.boolean().default(false),
});
export type WahaConfig = z.infer<typeof WahaConfigSchema>;

export function credentials({ api_key }: WahaConfig): Record<string, string> {
  return { 'x-api-key': api_key, accept: 'application/json' };
}
