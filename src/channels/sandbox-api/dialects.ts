/** The dialects by name, and how long each provider remembers a key. */
import { brevo } from './brevo.ts';
import type { Dialect } from './dialect.ts';
import { mailgun } from './mailgun.ts';
import type { ProviderName } from './message.ts';
import { postmark } from './postmark.ts';
import { quo } from './quo.ts';
import { resend } from './resend.ts';
import { sendgrid } from './sendgrid.ts';
import { ses } from './ses.ts';
import { telegramBot } from './telegram-bot.ts';
import { telnyx } from './telnyx.ts';
import { twilio } from './twilio.ts';
import { waha } from './waha.ts';
import { webhook } from './webhook.ts';
import { whatsappCloud } from './whatsapp-cloud.ts';

export const DIALECTS: Readonly<Record<ProviderName, Dialect>> = {
  resend,
  postmark,
  sendgrid,
  mailgun,
  brevo,
  ses,
  twilio,
  telnyx,
  quo,
  whatsapp_cloud: whatsappCloud,
  waha,
  telegram_bot: telegramBot,
  webhook,
};

/** Those without keys never hand one in. */
export const KEY_LIFE_MS: Readonly<Record<ProviderName, number>> = {
  resend: 24 * 3_600_000,
  postmark: 0,
  sendgrid: 0,
  mailgun: 0,
  brevo: 15 * 60_000,
  ses: 0,
  twilio: 0,
  telnyx: 0,
  quo: 0,
  whatsapp_cloud: 0,
  waha: 0,
  telegram_bot: 0,
  // What a receiver that takes each key once would keep.
  webhook: 24 * 3_600_000,
};
