/**
 * The e-mail adapter `sendgrid`. Class N: `POST /v3/mail/send` has no key in its description, and the activity search is
 * a paid extra that lags behind. In: a configuration and composed e-mails. Out: one outcome of the port for each. An
 * acceptance is 202 with an empty body; the id stands in `X-Message-Id`. Our Message-ID may be set: it is not among the
 * headers that the description forbids. Touch and key go along as custom arguments, which every event gives back.
 */
import type { EmailMessage } from '../../kernel/message.ts';
import type { Adapter, RefusalReason, SendRequest } from '../channel.ts';
import { JSON_HEADERS } from '../http/api.ts';
import type { HttpAnswer } from '../http/call.ts';
import { at, jsonObject, text } from '../http/json.ts';
import type { Reading } from '../http/outcome.ts';
import { openMailApi } from '../mail/api.ts';
import { echo, ownHeaders } from '../mail/format.ts';
import { type SendgridConfig, SendgridConfigSchema } from './config.ts';
import { verifySendgrid } from './verify.ts';
import { sendgridWebhook } from './webhook.ts';

/** Used-up credits: sooner asked again, it only uses up tries. */
const CREDITS_WAIT_MS = 3_600_000;

export const sendgrid: Adapter<EmailMessage> = {
  channel: 'email',
  provider: 'sendgrid',
  provider_class: 'N',
  config: SendgridConfigSchema,
  secret_fields: ['api_key'],
  connect: (config, network) =>
    openMailApi(SendgridConfigSchema.parse(config), network, {
      provider_class: 'N',
      post,
      reading: { accepted, refused },
    }),
  verify: (config, options) => verifySendgrid(SendgridConfigSchema.parse(config), options),
  webhook: sendgridWebhook,
};

function post(config: SendgridConfig, request: SendRequest<EmailMessage>) {
  const { message } = request;
  const person = ({ name, address }: { name?: string; address: string }) => ({
    email: address,
    ...(name ? { name } : {}),
  });
  // The plain part comes first, and no part may be empty.
  const parts: [string, string | undefined][] = [
    ['text/plain', message.text],
    ['text/html', message.html],
  ];
  return {
    method: 'POST' as const,
    url: `${config.base_url}/v3/mail/send`,
    headers: { ...JSON_HEADERS, authorization: `Bearer ${config.api_key}` },
    body: JSON.stringify({
      personalizations: [
        { to: [person(message.to)], headers: ownHeaders(message), custom_args: echo(request) },
      ],
      from: person(message.from),
      ...(message.reply_to === undefined ? {} : { reply_to: person(message.reply_to) }),
      subject: message.subject,
      content: parts.flatMap(([type, value]) => (value ? [{ type, value }] : [])),
      // Links and opens are counted by Cadenza or not at all, and the unsubscribe link is its own.
      tracking_settings: {
        click_tracking: { enable: false, enable_text: false },
        open_tracking: { enable: false },
        subscription_tracking: { enable: false },
      },
    }),
  };
}

const accepted: Reading['accepted'] = ({ status, headers }) => {
  const id = headers['x-message-id'];
  return status === 202 && typeof id === 'string' && id !== '' ? { provider_id: id } : null;
};

const refused: Reading['refused'] = (answer) => {
  const { status } = answer;
  const error = at(jsonObject(answer.body), 'errors', 0);
  const field = text(error, 'field') ?? '';
  const message = text(error, 'message') ?? '';
  if (status === 429) return { permanence: 'throttled', reason: 'throttled', ...untilReset(answer) };
  if (status === 401 && /credits/i.test(message))
    return { permanence: 'throttled', reason: 'throttled', retry_after_ms: CREDITS_WAIT_MS };
  // The address it is to come from is no verified sender.
  if ((status === 403 || status === 400) && /^from|^reply_to/.test(field))
    return { permanence: 'permanent', reason: 'sender_rejected' };
  if (status === 400) return { permanence: 'permanent', reason: fieldAtFault(field, message) };
  return null;
};

function fieldAtFault(field: string, message: string): RefusalReason {
  if (/^personalizations\.\d+\.(to|cc|bcc)/.test(field)) return 'address_rejected';
  if (/^(content|subject|personalizations\.\d+\.(headers|subject))/.test(field)) return 'content_rejected';
  return /e-?mail address/i.test(message) ? 'address_rejected' : 'other';
}

/** `X-RateLimit-Reset`: Unix seconds at which the window ends. */
function untilReset({ headers }: HttpAnswer): { retry_after_ms?: number } {
  const reset = headers['x-ratelimit-reset'];
  if (typeof reset !== 'string' || !/^\d{9,11}$/.test(reset)) return {};
  return { retry_after_ms: Math.max(0, Number(reset) * 1_000 - Date.now()) };
}
