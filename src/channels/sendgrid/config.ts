/** What a `sendgrid` sender's `config` holds. Accounts in the EU use `https://api.eu.sendgrid.com`. */
import { z } from 'zod';
import { apiKey, httpFields } from '../http/config.ts';

export const SendgridConfigSchema = z.strictObject({
  ...httpFields('https://api.sendgrid.com'),
  api_key: apiKey,
});
export type SendgridConfig = z.infer<typeof SendgridConfigSchema>;
