/**
 * The e-mail adapter `resend`. Class K: `POST /emails` takes an `Idempotency-Key` of up to 256 characters, remembers it
 * for 24 hours and answers a repetition as it answered the first (resend.com/docs/dashboard/emails/idempotency-keys).
 * In: a configuration and composed e-mails. Out: one outcome of the port for each. It sends through Amazon SES, which
 * puts its own Message-ID in place of any other; touch and key go along as tags, which the webhooks give back.
 */
import type { EmailMessage } from '../../kernel/message.ts';
import type { Adapter, RefusalReason, SendRequest } from '../channel.ts';
import { JSON_HEADERS } from '../http/api.ts';
import { jsonObject, text } from '../http/json.ts';
import type { Reading } from '../http/outcome.ts';
import { openMailApi } from '../mail/api.ts';
import { dotless, echo, mailbox, mailHeaders } from '../mail/format.ts';
import { type ResendConfig, ResendConfigSchema } from './config.ts';
import { verifyResend } from './verify.ts';
import { resendWebhook } from './webhook.ts';

const KEY_LIFE_MS = 24 * 3_600_000;
/** A used-up daily or monthly quota: sooner asked again, it only uses up tries. */
const QUOTA_WAIT_MS = 3_600_000;

export const resend: Adapter<EmailMessage> = {
  channel: 'email',
  provider: 'resend',
  provider_class: 'K',
  config: ResendConfigSchema,
  secret_fields: ['api_key'],
  connect: (config, network) =>
    openMailApi(ResendConfigSchema.parse(config), network, {
      provider_class: 'K',
      key_life_ms: KEY_LIFE_MS,
      post,
      reading: { accepted, refused },
    }),
  verify: (config, options) => verifyResend(ResendConfigSchema.parse(config), options),
  webhook: resendWebhook,
};

/** The same bytes for the same message: another body under the same key is a conflict. */
function post(config: ResendConfig, request: SendRequest<EmailMessage>) {
  const { message } = request;
  return {
    method: 'POST' as const,
    url: `${config.base_url}/emails`,
    headers: {
      ...JSON_HEADERS,
      authorization: `Bearer ${config.api_key}`,
      'idempotency-key': request.idempotency_key,
    },
    body: JSON.stringify({
      from: mailbox(message.from),
      to: [mailbox(message.to)],
      ...(message.reply_to === undefined ? {} : { reply_to: mailbox(message.reply_to) }),
      subject: message.subject,
      text: message.text,
      ...(message.html === undefined ? {} : { html: message.html }),
      headers: mailHeaders(message),
      // Letters, digits, underscores and dashes alone.
      tags: Object.entries(echo(request)).map(([name, value]) => ({ name, value: dotless(value) })),
    }),
  };
}

const accepted: Reading['accepted'] = ({ body }) => {
  const id = text(jsonObject(body), 'id');
  return id === undefined ? null : { provider_id: id };
};

/** By the `name` of the error (resend.com/docs/api-reference/errors); some names stand under several statuses. */
const refused: Reading['refused'] = ({ status, body }) => {
  const error = jsonObject(body);
  const name = text(error, 'name') ?? '';
  const message = text(error, 'message') ?? '';
  switch (name) {
    case 'daily_quota_exceeded':
    case 'monthly_quota_exceeded':
      return { permanence: 'throttled', reason: 'throttled', retry_after_ms: QUOTA_WAIT_MS };
    case 'missing_api_key':
    case 'invalid_api_key':
    case 'restricted_api_key':
      return { permanence: 'transient', reason: 'bad_credentials' };
    case 'invalid_from_address':
    case 'invalid_access':
      return { permanence: 'permanent', reason: 'sender_rejected' };
    case 'concurrent_idempotent_requests':
      return { permanence: 'unclear', reason: 'key_in_progress' };
    case 'invalid_idempotent_request':
      return { permanence: 'unclear', reason: 'key_conflict' };
    case 'security_error':
      return { permanence: 'permanent', reason: 'policy' };
    case 'validation_error':
    case 'missing_required_field':
      // 403: the domain is not verified, or the account may write only to itself.
      if (status === 403) return { permanence: 'permanent', reason: 'sender_rejected' };
      return { permanence: 'permanent', reason: fieldAtFault(message) };
    default:
      return null;
  }
};

function fieldAtFault(message: string): RefusalReason {
  if (/`to`|recipient/i.test(message)) return 'address_rejected';
  if (/`from`|domain/i.test(message)) return 'sender_rejected';
  return 'content_rejected';
}
