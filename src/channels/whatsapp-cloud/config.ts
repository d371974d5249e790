/** What a `whatsapp_cloud` sender's `config` holds. */
import { z } from 'zod';
import { apiKey, httpFields } from '../http/config.ts';

const id = z.string().regex(/^\d{5,30}$/, 'must be an id of Meta: digits');

export const WhatsappCloudConfigSchema = z.strictObject({
  ...httpFields('https://graph.facebook.com'),
  version: z
    .string()
    .regex(/^v\d{1,3}\.\d$/, 'must be a version of the Graph API, such as v23.0')
    .default('v23.0'),
  /** The number's id, not the number. */
  phone_number_id: id,
  /** The WhatsApp Business Account: its templates are synchronized from there. */
  waba_id: id.optional(),
  access_token: apiKey,
  /** What Meta is told to say when it tries the address that it is to call; without one no trial is answered. */
  webhook_verify_token: apiKey.optional(),
});
export type WhatsappCloudConfig = z.infer<typeof WhatsappCloudConfigSchema>;

export function graphUrl({ base_url, version }: WhatsappCloudConfig, path: string): string {
  return `${base_url}/${version}/${path}`;
}

export function credentials({ access_token }: WhatsappCloudConfig): Record<string, string> {
  return { authorization: `Bearer ${access_token}`, accept: 'application/json' };
}
