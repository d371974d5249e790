/**
 * The SMS adapter `telnyx`. Class N: keys are honoured by those operations alone that declare them
 * (developers.telnyx.com/docs/development/api-fundamentals/idempotency), and sending a message is not known to; a message
 * can be asked for by Telnyx's own id alone. In: a configuration and composed text messages. Out: one outcome of the
 * port for each. Touch and key ride in the address of the webhook, where one is configured.
 */
import type { SmsMessage } from '../../kernel/message.ts';
import type { Adapter, SendRequest } from '../channel.ts';
import { JSON_HEADERS } from '../http/api.ts';
import { jsonObject, text } from '../http/json.ts';
import type { Reading } from '../http/outcome.ts';
import { openSmsApi } from '../sms/api.ts';
import { callbackUrl } from '../sms/echo.ts';
import { credentials, type TelnyxConfig, TelnyxConfigSchema } from './config.ts';
import { FIELD_CODES, fieldAtFault, REFUSED } from './errors.ts';
import { verifyTelnyx } from './verify.ts';
import { telnyxWebhook } from './webhook.ts';

export const telnyx: Adapter<SmsMessage> = {
  channel: 'sms',
  provider: 'telnyx',
  provider_class: 'N',
  config: TelnyxConfigSchema,
  secret_fields: ['api_key'],
  connect: (config, network) =>
    openSmsApi(TelnyxConfigSchema.parse(config), network, {
      provider_class: 'N',
      post,
      reading: { accepted, refused },
    }),
  verify: (config, options) => verifyTelnyx(TelnyxConfigSchema.parse(config), options),
  webhook: telnyxWebhook,
};

function post(config: TelnyxConfig, request: SendRequest<SmsMessage>) {
  const { from, to, text: body } = request.message;
  const { messaging_profile_id, webhook_url } = config;
  return {
    method: 'POST' as const,
    url: `${config.base_url}/v2/messages`,
    headers: { ...JSON_HEADERS, ...credentials(config) },
    body: JSON.stringify({
      from,
      to,
      text: body,
      type: 'SMS',
      ...(messaging_profile_id === undefined ? {} : { messaging_profile_id }),
      ...(webhook_url === undefined ? {} : { webhook_url: callbackUrl(webhook_url, request) }),
    }),
  };
}

const accepted: Reading['accepted'] = ({ body }) => {
  const answer = jsonObject(body);
  const id = text(answer, 'data', 'id');
  return id !== undefined && text(answer, 'data', 'record_type') === 'message' ? { provider_id: id } : null;
};

/** The first of its errors that means something to us. */
const refused: Reading['refused'] = ({ status, body }) => {
  if (status >= 500) return null;
  const errors = jsonObject(body)?.errors;
  for (const error of Array.isArray(errors) ? errors : []) {
    const code = text(error, 'code') ?? '';
    const meant = FIELD_CODES.has(code)
      ? fieldAtFault(text(error, 'source', 'pointer') ?? '')
      : REFUSED[code];
    if (meant) return meant;
  }
  return null;
};
