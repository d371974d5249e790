/**
 * The SMS adapter `twilio`. Class N: `POST …/Messages.json` takes no key, and messages can be listed by numbers and day
 * alone (twilio.com/docs/messaging/api/message-resource). In: a configuration and composed text messages. Out: one
 * outcome of the port for each. Touch and key ride in the address of the status callback, where one is configured.
 */
import type { SmsMessage } from '../../kernel/message.ts';
import type { Adapter, SendRequest } from '../channel.ts';
import { at, jsonObject, text } from '../http/json.ts';
import type { Reading } from '../http/outcome.ts';
import { openSmsApi } from '../sms/api.ts';
import { callbackUrl } from '../sms/echo.ts';
import { credentials, type TwilioConfig, TwilioConfigSchema } from './config.ts';
import { REFUSED } from './errors.ts';
import { verifyTwilio } from './verify.ts';
import { twilioWebhook } from './webhook.ts';

export const twilio: Adapter<SmsMessage> = {
  channel: 'sms',
  provider: 'twilio',
  provider_class: 'N',
  config: TwilioConfigSchema,
  secret_fields: ['secret'],
  connect: (config, network) =>
    openSmsApi(TwilioConfigSchema.parse(config), network, {
      provider_class: 'N',
      post,
      reading: { accepted, refused },
    }),
  verify: (config, options) => verifyTwilio(TwilioConfigSchema.parse(config), options),
  webhook: twilioWebhook,
};

function post(config: TwilioConfig, request: SendRequest<SmsMessage>) {
  const { from, to, text: body } = request.message;
  const form = new URLSearchParams({
    From: from,
    To: to,
    Body: body,
    ValidityPeriod: String(config.validity_period_s),
    // What was composed and counted is what goes out.
    SmartEncoded: 'false',
  });
  if (config.messaging_service_sid !== undefined)
    form.set('MessagingServiceSid', config.messaging_service_sid);
  if (config.status_callback !== undefined)
    form.set('StatusCallback', callbackUrl(config.status_callback, request));
  return {
    method: 'POST' as const,
    url: `${config.base_url}/2010-04-01/Accounts/${config.account_sid}/Messages.json`,
    headers: { ...credentials(config), 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
  };
}

const accepted: Reading['accepted'] = ({ body }) => {
  const id = text(jsonObject(body), 'sid');
  return id !== undefined && /^(SM|MM)[0-9a-fA-F]{32}$/.test(id) ? { provider_id: id } : null;
};

const refused: Reading['refused'] = ({ status, body }) => {
  const code = at(jsonObject(body), 'code');
  // Without a code it is not Twilio that speaks, but something before it.
  return typeof code !== 'number' || status >= 500 ? null : (REFUSED[code] ?? null);
};
