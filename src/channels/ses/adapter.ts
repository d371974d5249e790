/**
 * The e-mail adapter `ses`: Amazon SES, API v2 (SMTP with the adapter `smtp` works too). Class N: no operation takes a
 * client token, and a message can be asked for only by SES's own id. In: a configuration and composed e-mails. Out: one
 * outcome of the port for each. SES puts its own Message-ID in place of ours
 * (docs.aws.amazon.com/ses/latest/dg/header-fields.html); touch and key go along as tags, which its events give back.
 */
import type { EmailMessage } from '../../kernel/message.ts';
import type { Adapter, SendRequest } from '../channel.ts';
import { JSON_HEADERS } from '../http/api.ts';
import { jsonObject, text } from '../http/json.ts';
import type { Reading } from '../http/outcome.ts';
import { openMailApi } from '../mail/api.ts';
import { dotless, echo, encodedMailbox, mailHeaders } from '../mail/format.ts';
import { SES_SECRET_FIELDS, type SesConfig, SesConfigSchema } from './config.ts';
import { refused } from './refusal.ts';
import { signed } from './sign.ts';
import { verifySes } from './verify.ts';
import { sesWebhook } from './webhook.ts';

/** A header value at most, in characters (API reference, MessageHeader). */
const MAX_HEADER_CHARS = 870;

export const ses: Adapter<EmailMessage> = {
  channel: 'email',
  provider: 'ses',
  provider_class: 'N',
  config: SesConfigSchema,
  secret_fields: SES_SECRET_FIELDS,
  connect: (config, network) =>
    openMailApi(SesConfigSchema.parse(config), network, {
      provider_class: 'N',
      post,
      reading: { accepted, refused },
    }),
  verify: (config, options) => verifySes(SesConfigSchema.parse(config), options),
  webhook: sesWebhook,
};

function post(config: SesConfig, request: SendRequest<EmailMessage>) {
  const { message } = request;
  const utf8 = (Data: string) => ({ Data, Charset: 'UTF-8' });
  const body = JSON.stringify({
    FromEmailAddress: encodedMailbox(message.from),
    Destination: { ToAddresses: [encodedMailbox(message.to)] },
    ...(message.reply_to === undefined ? {} : { ReplyToAddresses: [encodedMailbox(message.reply_to)] }),
    Content: {
      Simple: {
        Subject: utf8(message.subject),
        Body: {
          Text: utf8(message.text),
          ...(message.html === undefined ? {} : { Html: utf8(message.html) }),
        },
        Headers: Object.entries(mailHeaders(message)).map(([Name, value]) => ({
          Name,
          Value: Name === 'References' ? shortened(value) : value,
        })),
      },
    },
    // Letters, digits, underscores and dashes alone.
    EmailTags: Object.entries(echo(request)).map(([Name, value]) => ({ Name, Value: dotless(value) })),
    ...(config.configuration_set === undefined ? {} : { ConfigurationSetName: config.configuration_set }),
  });
  const call = { method: 'POST' as const, url: `${config.base_url}/v2/email/outbound-emails`, body };
  const headers = signed({ ...call, headers: JSON_HEADERS }, { ...config, service: 'ses' }, new Date());
  return { ...call, headers };
}

/** The first and the newest ids keep a thread together. */
function shortened(references: string): string {
  const [first, ...rest] = references.split(' ');
  while (rest.length > 0 && [first, ...rest].join(' ').length > MAX_HEADER_CHARS) rest.shift();
  return [first, ...rest].join(' ');
}

const accepted: Reading['accepted'] = ({ body }) => {
  const id = text(jsonObject(body), 'MessageId');
  return id === undefined ? null : { provider_id: id };
};
