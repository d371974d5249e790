/** What a `telnyx` sender's `config` holds. */
import { z } from 'zod';
import { apiKey, baseUrl, httpFields } from '../http/config.ts';

export const TelnyxConfigSchema = z.strictObject({
  ...httpFields('https://api.telnyx.com'),
  api_key: apiKey,
  /** Needed where the number belongs to several, or to none. */
  messaging_profile_id: z.uuid().optional(),
  /** Where Telnyx tells what became of a message, instead of the profile's; touch and key are added to it. */
  webhook_url: baseUrl.optional(),
});
export type TelnyxConfig = z.infer<typeof TelnyxConfigSchema>;

export function credentials({ api_key }: TelnyxConfig): Record<string, string> {
  return { authorization: `Bearer ${api_key}`, accept: 'application/json' };
}
