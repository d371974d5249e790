/** What a `mailgun` sender's `config` holds. Domains in the EU use `https://api.eu.mailgun.net`. */
import { z } from 'zod';
import { apiKey, httpFields } from '../http/config.ts';

export const MailgunConfigSchema = z.strictObject({
  ...httpFields('https://api.mailgun.net'),
  /** The sending domain, as it is called in Mailgun. */
  domain: z
    .string()
    .max(253)
    .regex(/^[A-Za-z0-9.-]+\.[A-Za-z0-9-]+$/),
  /** A key of the account, or one of the domain that may only send. */
  api_key: apiKey,
});
export type MailgunConfig = z.infer<typeof MailgunConfigSchema>;
