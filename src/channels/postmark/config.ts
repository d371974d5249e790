/** What a `postmark` sender's `config` holds: the token of a server, and the message stream it writes to. */
import { z } from 'zod';
import { apiKey, httpFields } from '../http/config.ts';

export const PostmarkConfigSchema = z.strictObject({
  ...httpFields('https://api.postmarkapp.com'),
  server_token: apiKey,
  /** Bulk mail belongs into a broadcast stream: Postmark keeps the two apart by their reputation. */
  message_stream: z
    .string()
    .regex(/^[a-z0-9_-]{1,30}$/)
    .default('outbound'),
});
export type PostmarkConfig = z.infer<typeof PostmarkConfigSchema>;
