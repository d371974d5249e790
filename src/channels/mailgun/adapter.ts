/**
 * The e-mail adapter `mailgun`. Class N: `POST /v3/<domain>/messages` knows no key, and its event log must not be
 * believed before it is half an hour old ("Event Polling" in Mailgun's reference). In: a configuration and composed
 * e-mails. Out: one outcome of the port for each. Our Message-ID goes along as `h:Message-Id` and is then Mailgun's id
 * too; touch and key as `v:` variables, which the webhooks give back.
 */
import type { EmailMessage } from '../../kernel/message.ts';
import type { Adapter, RefusalReason, SendRequest } from '../channel.ts';
import { jsonObject, text } from '../http/json.ts';
import type { Reading } from '../http/outcome.ts';
import { openMailApi } from '../mail/api.ts';
import { echo, mailbox, ownHeaders } from '../mail/format.ts';
import { type MailgunConfig, MailgunConfigSchema } from './config.ts';
import { verifyMailgun } from './verify.ts';
import { mailgunWebhook } from './webhook.ts';

export const mailgun: Adapter<EmailMessage> = {
  channel: 'email',
  provider: 'mailgun',
  provider_class: 'N',
  config: MailgunConfigSchema,
  secret_fields: ['api_key'],
  connect: (config, network) =>
    openMailApi(MailgunConfigSchema.parse(config), network, {
      provider_class: 'N',
      post,
      reading: { accepted, refused },
    }),
  verify: (config, options) => verifyMailgun(MailgunConfigSchema.parse(config), options),
  webhook: mailgunWebhook,
};

function post(config: MailgunConfig, request: SendRequest<EmailMessage>) {
  const { message } = request;
  const form = new URLSearchParams({
    from: mailbox(message.from),
    to: mailbox(message.to),
    subject: message.subject,
    text: message.text,
  });
  if (message.html !== undefined) form.set('html', message.html);
  if (message.reply_to !== undefined) form.set('h:Reply-To', mailbox(message.reply_to));
  for (const [name, value] of Object.entries(ownHeaders(message)))
    form.set(`h:${name === 'Message-ID' ? 'Message-Id' : name}`, value);
  for (const [name, value] of Object.entries(echo(request))) form.set(`v:${name}`, value);
  // Links and opens are counted by Cadenza or not at all.
  for (const option of ['o:tracking', 'o:tracking-clicks', 'o:tracking-opens']) form.set(option, 'no');
  return {
    method: 'POST' as const,
    url: `${config.base_url}/v3/${config.domain}/messages`,
    headers: {
      authorization: `Basic ${Buffer.from(`api:${config.api_key}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
    },
    body: form.toString(),
  };
}

const accepted: Reading['accepted'] = ({ body }) => {
  // Without the brackets, as webhooks give it.
  const id = text(jsonObject(body), 'id')?.replace(/^<|>$/g, '');
  return id ? { provider_id: id } : null;
};

const refused: Reading['refused'] = ({ status, body }) => {
  const message = text(jsonObject(body), 'message') ?? body;
  if (status === 400) return { permanence: 'permanent', reason: fieldAtFault(message) };
  // 402: all was in order, and it could not be done: a limit of the account, or a passing failure.
  if (status === 402) return { permanence: 'transient', reason: 'unavailable' };
  // A domain that is disabled, unverified, or may write only to authorized recipients.
  if (status === 403) return { permanence: 'permanent', reason: 'sender_rejected' };
  return null;
};

function fieldAtFault(message: string): RefusalReason {
  if (/\bto parameter|recipient/i.test(message)) return 'address_rejected';
  if (/\bfrom parameter|domain/i.test(message)) return 'sender_rejected';
  return 'content_rejected';
}
