/**
 * The SMS adapter `quo` (OpenPhone). Class N: there is no key, and messages can be listed by their participants alone
 * (quo.com/docs/mdx/api-reference). In: a configuration and composed text messages. Out: one outcome of the port for
 * each. Quo gives nothing of ours back: its webhooks name a message by the id of the acceptance.
 */
import type { SmsMessage } from '../../kernel/message.ts';
import type { Adapter, RefusalReason, SendRequest } from '../channel.ts';
import { JSON_HEADERS } from '../http/api.ts';
import { at, jsonObject, text } from '../http/json.ts';
import type { Reading } from '../http/outcome.ts';
import { openSmsApi } from '../sms/api.ts';
import { credentials, type QuoConfig, QuoConfigSchema } from './config.ts';
import { verifyQuo } from './verify.ts';
import { quoWebhook } from './webhook.ts';

/** Prepaid: until somebody has paid, every try fails. */
const CREDITS_WAIT_MS = 3_600_000;

export const quo: Adapter<SmsMessage> = {
  channel: 'sms',
  provider: 'quo',
  provider_class: 'N',
  config: QuoConfigSchema,
  secret_fields: ['api_key'],
  connect: (config, network) =>
    openSmsApi(QuoConfigSchema.parse(config), network, {
      provider_class: 'N',
      post,
      reading: { accepted, refused },
    }),
  verify: (config, options) => verifyQuo(QuoConfigSchema.parse(config), options),
  webhook: quoWebhook,
};

function post(config: QuoConfig, { message }: SendRequest<SmsMessage>) {
  return {
    method: 'POST' as const,
    url: `${config.base_url}/v1/messages`,
    headers: { ...JSON_HEADERS, ...credentials(config) },
    body: JSON.stringify({
      content: message.text,
      from: message.from,
      to: [message.to],
      ...(config.user_id === undefined ? {} : { userId: config.user_id }),
      // It is not somebody's open conversation until the other side answers.
      setInboxStatus: 'done',
    }),
  };
}

const accepted: Reading['accepted'] = ({ body }) => {
  const id = text(jsonObject(body), 'data', 'id');
  return id === undefined ? null : { provider_id: id };
};

const refused: Reading['refused'] = ({ status, body }) => {
  const error = jsonObject(body);
  switch (status) {
    case 400:
    case 422: {
      const paths = at(error, 'errors');
      const path = (Array.isArray(paths) ? paths : []).map((one) => text(one, 'path') ?? '').join(' ');
      return { permanence: 'permanent', reason: fieldAtFault(`${path} ${text(error, 'message') ?? ''}`) };
    }
    case 402:
      return { permanence: 'throttled', reason: 'throttled', retry_after_ms: CREDITS_WAIT_MS };
    case 403:
      // The key is known: the number is not this key's, or not registered for traffic to the United States.
      return { permanence: 'permanent', reason: 'sender_rejected' };
    default:
      return null;
  }
};

function fieldAtFault(said: string): RefusalReason {
  if (/opted?[ -]?out|unsubscribed|\bSTOP\b/i.test(said)) return 'opted_out';
  if (/\/to\b|recipient/i.test(said)) return 'address_rejected';
  if (/\/(from|userId|phoneNumberId)\b|registration|registered/i.test(said)) return 'sender_rejected';
  return 'content_rejected';
}
