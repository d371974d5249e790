/** What a `telegram_bot` sender's `config` holds. */
import { z } from 'zod';
import { httpFields } from '../http/config.ts';

/** What a bot may send in all (core.telegram.org/bots/faq, "about 30 messages per second"). */
const RATE_PER_SECOND = 30;

const fields = httpFields('https://api.telegram.org');

export const TelegramConfigSchema = z.strictObject({
  ...fields,
  rate_per_second: fields.rate_per_second.unwrap().max(RATE_PER_SECOND).default(25),
  /** As BotFather gave it. */
  token: z.string().regex(/^\d{1,20}:[A-Za-z0-9_-]{20,100}$/, 'must be a token as BotFather gives it'),
  /** Whether the first link of a text is shown with a picture of its page. */
  link_preview: z.boolean().default(false),
  /** Without a sound. */
  silent: z.boolean().default(false),
});
export type TelegramConfig = z.infer<typeof TelegramConfigSchema>;

/** The token is in the address: it goes into no log and no answer. */
export function methodUrl({ base_url, token }: TelegramConfig, method: string): string {
  return `${base_url}/bot${token}/${method}`;
}
