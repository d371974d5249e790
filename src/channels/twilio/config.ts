/** What a `twilio` sender's `config` holds. */
import { z } from 'zod';
import { apiKey, baseUrl, httpFields } from '../http/config.ts';

const sid = (prefix: string) =>
  z.string().regex(new RegExp(`^${prefix}[0-9a-fA-F]{32}$`), `must be ${prefix} and 32 hexadecimal digits`);

/** Twilio keeps a queue of ten hours at most. */
const MAX_VALIDITY_S = 36_000;

export const TwilioConfigSchema = z.strictObject({
  ...httpFields('https://api.twilio.com'),
  account_sid: sid('AC'),
  /** Without it, `secret` is the account's auth token. */
  api_key_sid: sid('SK').optional(),
  secret: apiKey,
  /** Sends through this service, still from the sender's own number. */
  messaging_service_sid: sid('MG').optional(),
  /** Where Twilio tells what became of a message; touch and key are added to it. */
  status_callback: baseUrl.optional(),
  /** A message that waits longer in Twilio's queue is not sent any more: the hour it was meant for is over. */
  validity_period_s: z.int().min(1).max(MAX_VALIDITY_S).default(3_600),
});
export type TwilioConfig = z.infer<typeof TwilioConfigSchema>;

export function credentials({ account_sid, api_key_sid, secret }: TwilioConfig): Record<string, string> {
  const basic = Buffer.from(`${api_key_sid ?? account_sid}:${secret}`).toString('base64');
  return { authorization: `Basic ${basic}`, accept: 'application/json' };
}
