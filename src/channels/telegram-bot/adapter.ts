/**
 * The adapter `telegram_bot`: texts of a bot to people who have started it. Class N: `sendMessage` takes no key, and a bot
 * cannot ask what it has sent (core.telegram.org/bots/api). In: a configuration and composed texts. Out: one outcome of
 * the port for each. Telegram gives nothing of ours back.
 */
import type { TelegramMessage } from '../../kernel/message.ts';
import type { Adapter, SendOutcome, SendRequest } from '../channel.ts';
import { type ApiChannel, JSON_HEADERS, openApi } from '../http/api.ts';
import { at, jsonObject, text } from '../http/json.ts';
import { flaw, type Reading, textFlaw } from '../http/outcome.ts';
import { methodUrl, type TelegramConfig, TelegramConfigSchema } from './config.ts';
import { meaningOf } from './errors.ts';
import { verifyTelegram } from './verify.ts';
import { telegramWebhook } from './webhook.ts';

/** A number, or the name of a channel or a public group. */
const CHAT = /^(-?\d{1,20}|@[A-Za-z][A-Za-z0-9_]{3,31})$/;
const MAX_CHARS = 4_096;

export const telegramBot: Adapter<TelegramMessage> = {
  channel: 'telegram',
  provider: 'telegram_bot',
  provider_class: 'N',
  config: TelegramConfigSchema,
  secret_fields: ['token'],
  connect: (config, network) =>
    openApi(
      TelegramConfigSchema.parse(config),
      network,
      { provider_class: 'N', post, reading: { accepted, refused } },
      TELEGRAM,
    ),
  verify: (config, options) => verifyTelegram(TelegramConfigSchema.parse(config), options),
  webhook: telegramWebhook,
};

const TELEGRAM: ApiChannel<TelegramMessage> = { prepare, recipient: ({ to }) => [to] };

function prepare(request: SendRequest<TelegramMessage>): SendRequest<TelegramMessage> | SendOutcome {
  const { to, text: written } = request.message;
  if (!CHAT.test(to)) return flaw('address_rejected', 'The recipient is no id of a chat.');
  return textFlaw(written, MAX_CHARS) ?? request;
}

function post(config: TelegramConfig, { message }: SendRequest<TelegramMessage>) {
  return {
    method: 'POST' as const,
    url: methodUrl(config, 'sendMessage'),
    headers: JSON_HEADERS,
    body: JSON.stringify({
      chat_id: message.to,
      // Without `parse_mode`: what was written is what arrives, whatever stands in it.
      text: message.text,
      ...(config.link_preview ? {} : { link_preview_options: { is_disabled: true } }),
      ...(config.silent ? { disable_notification: true } : {}),
    }),
  };
}

/** An id is unlike any other within its chat; who is in it is not kept. */
const accepted: Reading['accepted'] = ({ body }) => {
  const answer = jsonObject(body);
  const id = at(answer, 'result', 'message_id');
  return at(answer, 'ok') === true && Number.isSafeInteger(id) ? { provider_id: String(id) } : null;
};

const refused: Reading['refused'] = ({ status, body }) => {
  const answer = jsonObject(body);
  if (status >= 500 || at(answer, 'ok') !== false) return null;
  const seconds = at(answer, 'parameters', 'retry_after');
  return meaningOf(
    status,
    text(answer, 'description') ?? '',
    typeof seconds === 'number' && seconds >= 0 ? seconds : undefined,
  );
};
