/** What a `brevo` sender's `config` holds. */
import { z } from 'zod';
import { apiKey, httpFields } from '../http/config.ts';

export const BrevoConfigSchema = z.strictObject({
  ...httpFields('https://api.brevo.com'),
  /** A key of version 3 (`xkeysib-…`), not one for SMTP. */
  api_key: apiKey,
});
export type BrevoConfig = z.infer<typeof BrevoConfigSchema>;
