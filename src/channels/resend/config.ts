/** What a `resend` sender's `config` holds. A key that may only send is enough; `verify` then cannot see the domain. */
import { z } from 'zod';
import { apiKey, httpFields } from '../http/config.ts';

export const ResendConfigSchema = z.strictObject({
  ...httpFields('https://api.resend.com'),
  api_key: apiKey,
});
export type ResendConfig = z.infer<typeof ResendConfigSchema>;
