/**
 * The WhatsApp adapter `whatsapp_cloud`. Class N: `POST …/messages` takes no key and a message cannot be asked for by
 * anything of ours (developers.facebook.com/docs/whatsapp/cloud-api). In: a configuration, approved templates with their
 * placeholders filled, and free texts. Out: one outcome of the port for each. Touch and key ride in
 * `biz_opaque_callback_data`, which the calls about a message repeat.
 */
import type { WhatsappTemplateMessage, WhatsappTextMessage } from '../../kernel/message.ts';
import type { Adapter, SendOutcome, SendRequest } from '../channel.ts';
import { type ApiChannel, JSON_HEADERS, openApi } from '../http/api.ts';
import { at, jsonObject, text } from '../http/json.ts';
import { flaw, type Reading, textFlaw } from '../http/outcome.ts';
import { componentsOf } from './components.ts';
import { credentials, graphUrl, type WhatsappCloudConfig, WhatsappCloudConfigSchema } from './config.ts';
import { meaningOf } from './errors.ts';
import { readTemplates } from './templates.ts';
import { verifyWhatsappCloud } from './verify.ts';
import { echo, whatsappCloudWebhook } from './webhook.ts';

type WhatsappMessage = WhatsappTemplateMessage | WhatsappTextMessage;

const E164 = /^\+[1-9]\d{6,14}$/;
const MAX_CHARS = 4_096;

export const whatsappCloud: Adapter<WhatsappMessage> = {
  channel: 'whatsapp',
  provider: 'whatsapp_cloud',
  provider_class: 'N',
  config: WhatsappCloudConfigSchema,
  secret_fields: ['access_token', 'webhook_verify_token'],
  connect: (config, network) =>
    openApi(
      WhatsappCloudConfigSchema.parse(config),
      network,
      { provider_class: 'N', post, reading: { accepted, refused } },
      WHATSAPP,
    ),
  verify: (config, options) => verifyWhatsappCloud(WhatsappCloudConfigSchema.parse(config), options),
  templates: (config, options) => readTemplates(WhatsappCloudConfigSchema.parse(config), options),
  webhook: whatsappCloudWebhook,
};

const WHATSAPP: ApiChannel<WhatsappMessage> = {
  prepare,
  // Meta repeats it with and without its plus.
  recipient: ({ to }) => [to, to.slice(1)],
};

function prepare(request: SendRequest<WhatsappMessage>): SendRequest<WhatsappMessage> | SendOutcome {
  const { message } = request;
  if (!E164.test(message.to)) return flaw('address_rejected', 'The recipient is no number in E.164.');
  if (message.kind === 'whatsapp_template') return request;
  return textFlaw(message.text, MAX_CHARS) ?? request;
}

function post(config: WhatsappCloudConfig, request: SendRequest<WhatsappMessage>) {
  const { message } = request;
  const { to } = message;
  const content =
    message.kind === 'whatsapp_text'
      ? { type: 'text', text: { body: message.text, preview_url: false } }
      : {
          type: 'template',
          template: {
            name: message.template.name,
            // The one policy there is; the description asks for it by name.
            language: { policy: 'deterministic', code: message.template.language },
            components: componentsOf(message.template),
          },
        };
  return {
    method: 'POST' as const,
    url: graphUrl(config, `${config.phone_number_id}/messages`),
    headers: { ...JSON_HEADERS, ...credentials(config) },
    body: JSON.stringify({
      messaging_product: 'whatsapp',
      recipient_type: 'individual',
      to,
      ...content,
      biz_opaque_callback_data: echo(request),
    }),
  };
}

const accepted: Reading['accepted'] = ({ body }) => {
  const id = text(jsonObject(body), 'messages', 0, 'id');
  return id?.startsWith('wamid.') ? { provider_id: id } : null;
};

const refused: Reading['refused'] = ({ body }) => {
  const error = at(jsonObject(body), 'error');
  const [code, subcode] = [at(error, 'code'), at(error, 'error_subcode')];
  if (typeof code !== 'number') return null;
  return meaningOf(code, typeof subcode === 'number' ? subcode : undefined);
};
