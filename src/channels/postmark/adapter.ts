/**
 * The e-mail adapter `postmark`. Class L: `POST /email` knows no key, but Metadata given with a message can be searched
 * for, `GET /messages/outbound?metadata_…` (postmarkapp.com/developer/api/messages-api; kept 45 days unless the account
 * says otherwise). In: a configuration and composed e-mails. Out: one outcome of the port for each. Our Message-ID
 * stays because of the header `X-PM-KeepID`.
 */
import type { EmailMessage } from '../../kernel/message.ts';
import type { Adapter, LookupOutcome, SendRequest } from '../channel.ts';
import { JSON_HEADERS } from '../http/api.ts';
import { at, jsonObject, text } from '../http/json.ts';
import type { Reading, Refusal } from '../http/outcome.ts';
import { openMailApi } from '../mail/api.ts';
import { ECHO_KEY, echo, mailbox, ownHeaders } from '../mail/format.ts';
import { type PostmarkConfig, PostmarkConfigSchema } from './config.ts';
import { verifyPostmark } from './verify.ts';
import { postmarkWebhook } from './webhook.ts';

export const postmark: Adapter<EmailMessage> = {
  channel: 'email',
  provider: 'postmark',
  provider_class: 'L',
  config: PostmarkConfigSchema,
  secret_fields: ['server_token'],
  connect: (config, network) =>
    openMailApi(PostmarkConfigSchema.parse(config), network, {
      provider_class: 'L',
      post,
      reading: { accepted, refused },
      lookup: { get: search, read: found },
    }),
  verify: (config, options) => verifyPostmark(PostmarkConfigSchema.parse(config), options),
  webhook: postmarkWebhook,
};

function post(config: PostmarkConfig, request: SendRequest<EmailMessage>) {
  const { message } = request;
  const headers = { ...ownHeaders(message), 'X-PM-KeepID': 'true' };
  return {
    method: 'POST' as const,
    url: `${config.base_url}/email`,
    headers: { ...JSON_HEADERS, 'x-postmark-server-token': config.server_token },
    body: JSON.stringify({
      From: mailbox(message.from),
      To: mailbox(message.to),
      ...(message.reply_to === undefined ? {} : { ReplyTo: mailbox(message.reply_to) }),
      Subject: message.subject,
      TextBody: message.text,
      ...(message.html === undefined ? {} : { HtmlBody: message.html }),
      Headers: Object.entries(headers).map(([Name, Value]) => ({ Name, Value })),
      Metadata: echo(request),
      MessageStream: config.message_stream,
      // Links and opens are counted by Cadenza or not at all.
      TrackOpens: false,
      TrackLinks: 'None',
    }),
  };
}

const accepted: Reading['accepted'] = ({ body }) => {
  const answer = jsonObject(body);
  const id = text(answer, 'MessageID');
  return at(answer, 'ErrorCode') === 0 && id !== undefined ? { provider_id: id } : null;
};

/** What Postmark's codes say of the message or the account (postmarkapp.com/developer/api/overview#error-codes). */
const CODES: Readonly<Record<number, Refusal>> = {
  10: { permanence: 'transient', reason: 'bad_credentials' },
  100: { permanence: 'transient', reason: 'unavailable' },
  // Sender signature unknown or unconfirmed; no credits left; account pending, or barred from sending.
  400: { permanence: 'permanent', reason: 'sender_rejected' },
  401: { permanence: 'permanent', reason: 'sender_rejected' },
  405: { permanence: 'permanent', reason: 'sender_rejected' },
  412: { permanence: 'permanent', reason: 'sender_rejected' },
  413: { permanence: 'permanent', reason: 'sender_rejected' },
  // Bounced for good, complained or suppressed by hand before: Postmark does not write there.
  406: { permanence: 'permanent', reason: 'address_rejected' },
  429: { permanence: 'throttled', reason: 'throttled' },
  // The message stream does not exist.
  1235: { permanence: 'permanent', reason: 'sender_rejected' },
};

const refused: Reading['refused'] = ({ status, body }) => {
  const error = jsonObject(body);
  const code = at(error, 'ErrorCode');
  // Without a code it is not Postmark that speaks, but something before it.
  if (typeof code !== 'number' || (status >= 500 && status !== 503)) return null;
  if (code === 300) return { permanence: 'permanent', reason: fieldAtFault(text(error, 'Message') ?? '') };
  return CODES[code] ?? null;
};

function fieldAtFault(message: string) {
  if (/'To'|recipient/i.test(message)) return 'address_rejected';
  if (/'From'|'ReplyTo'|sender/i.test(message)) return 'sender_rejected';
  return 'content_rejected';
}

type Asked = { idempotency_key: string };

function search(config: PostmarkConfig, { idempotency_key }: Asked) {
  const query = new URLSearchParams({
    count: '1',
    offset: '0',
    messagestream: config.message_stream,
    [`metadata_${ECHO_KEY}`]: idempotency_key,
  });
  return {
    method: 'GET' as const,
    url: `${config.base_url}/messages/outbound?${query}`,
    headers: { accept: 'application/json', 'x-postmark-server-token': config.server_token },
  };
}

/** A hit counts only when it names our key: a filter that was not applied would find any message. */
function found({ body }: { body: string }, { idempotency_key }: Asked): LookupOutcome {
  const answer = jsonObject(body);
  const messages = at(answer, 'Messages');
  const count = at(answer, 'TotalCount');
  if (!Array.isArray(messages) || typeof count !== 'number')
    return { kind: 'unclear', reason: 'unreadable_answer' };
  if (count === 0 && messages.length === 0) return { kind: 'not_found' };
  const hit = messages.find((message) => text(message, 'Metadata', ECHO_KEY) === idempotency_key);
  if (hit === undefined) return { kind: 'unclear', reason: 'filter_not_applied' };
  const [id, received] = [text(hit, 'MessageID'), text(hit, 'ReceivedAt')];
  const time = received === undefined ? Number.NaN : Date.parse(received);
  return {
    kind: 'found',
    ...(id === undefined ? {} : { provider_id: id }),
    ...(Number.isNaN(time) ? {} : { at: new Date(time) }),
  };
}
