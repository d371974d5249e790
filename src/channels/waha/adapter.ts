/**
 * The WhatsApp Lite adapter `waha`: a gateway that speaks as a person's app would (waha.devlike.pro). In: a configuration
 * in which somebody accepted what that risks, and composed texts. Out: one outcome of the port for each. Class N: each text
 * carries an id of ours, but not every engine of the gateway keeps it, and a message can be asked for within the chat of
 * its recipient alone, whose address may have changed since: not finding it would prove nothing.
 */
import { createHash } from 'node:crypto';
import type { WhatsappTextMessage } from '../../kernel/message.ts';
import type { Adapter, SendOutcome, SendRequest } from '../channel.ts';
import { type ApiChannel, JSON_HEADERS, openApi } from '../http/api.ts';
import { jsonObject, text } from '../http/json.ts';
import { flaw, type Reading, type Refusal, textFlaw } from '../http/outcome.ts';
import { CONTENT, permanent, SENDER } from '../sms/refusals.ts';
import { credentials, type WahaConfig, WahaConfigSchema } from './config.ts';
import { messageIdIn } from './message-id.ts';
import { verifyWaha } from './verify.ts';
import { wahaWebhook } from './webhook.ts';

const E164 = /^\+[1-9]\d{6,14}$/;
const MAX_CHARS = 4_096;

export const waha: Adapter<WhatsappTextMessage> = {
  channel: 'whatsapp_lite',
  provider: 'waha',
  provider_class: 'N',
  config: WahaConfigSchema,
  secret_fields: ['api_key'],
  connect: (config, network) =>
    openApi(
      WahaConfigSchema.parse(config),
      network,
      { provider_class: 'N', post, reading: { accepted, refused } },
      LITE,
    ),
  verify: (config, options) => verifyWaha(WahaConfigSchema.parse(config), options),
  webhook: wahaWebhook,
};

const LITE: ApiChannel<WhatsappTextMessage> = { prepare, recipient: ({ to }) => [to, to.slice(1)] };

function prepare(request: SendRequest<WhatsappTextMessage>): SendRequest<WhatsappTextMessage> | SendOutcome {
  const { to, text: written } = request.message;
  if (!E164.test(to)) return flaw('address_rejected', 'The recipient is no number in E.164.');
  return textFlaw(written, MAX_CHARS) ?? request;
}

/** As the app itself draws them; the same for the same key. */
function messageId(key: string): string {
  return `3EB0${createHash('sha256').update(key).digest('hex').slice(0, 28).toUpperCase()}`;
}

function post(config: WahaConfig, { message, idempotency_key }: SendRequest<WhatsappTextMessage>) {
  return {
    method: 'POST' as const,
    url: `${config.base_url}/api/sendText`,
    headers: { ...JSON_HEADERS, ...credentials(config) },
    body: JSON.stringify({
      session: config.session,
      chatId: `${message.to.slice(1)}@c.us`,
      text: message.text,
      linkPreview: false,
      id: messageId(idempotency_key),
    }),
  };
}

const accepted: Reading['accepted'] = ({ body }) => {
  const id = messageIdIn(jsonObject(body));
  return id === undefined ? null : { provider_id: id };
};

const refused: Reading['refused'] = ({ status, body }) => {
  const answer = jsonObject(body);
  const said = `${text(answer, 'message') ?? ''} ${text(answer, 'error') ?? ''}`;
  switch (status) {
    case 400:
      return /chatId|number/i.test(said) ? permanent('not_reachable') : CONTENT;
    case 404:
      return SENDER;
    case 422:
      return bySession(text(answer, 'status'), said);
    default:
      return null;
  }
};

/** The session is not at work: it starts, or somebody has to scan its code again. */
function bySession(status: string | undefined, said: string): Refusal {
  if (status === 'STARTING') return { permanence: 'transient', reason: 'unavailable' };
  return status !== undefined || /session/i.test(said) ? SENDER : CONTENT;
}
