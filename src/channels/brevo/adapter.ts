/**
 * The e-mail adapter `brevo`. Class K: `headers.idempotencyKey` in the body of `POST /v3/smtp/email`, a UUID, is taken
 * once; its life is 30 minutes on one page of Brevo and 15 on another (developers.brevo.com, "Idempotency for batch
 * emails" and the changelog), so 15 are believed. A repetition is refused as `duplicate_parameter`, which proves that
 * the key was used and not that the message was taken: the events under the key's tag are asked then. They may lag, so
 * finding nothing there proves nothing. In: a configuration and composed e-mails. Out: one outcome of the port for each.
 * Brevo puts its own Message-ID; touch and key go along as `X-Mailin-custom`, which the webhooks give back.
 */

import { createHash } from 'node:crypto';
import type { EmailMessage } from '../../kernel/message.ts';
import type { Adapter, Connection, LookupOutcome, Network, RefusalReason, SendRequest } from '../channel.ts';
import { JSON_HEADERS } from '../http/api.ts';
import type { HttpAnswer } from '../http/call.ts';
import { at, jsonObject, text } from '../http/json.ts';
import type { Reading } from '../http/outcome.ts';
import { openMailApi } from '../mail/api.ts';
import { echo, mailHeaders } from '../mail/format.ts';
import { type BrevoConfig, BrevoConfigSchema } from './config.ts';
import { verifyBrevo } from './verify.ts';
import { brevoWebhook } from './webhook.ts';

const KEY_LIFE_MS = 15 * 60_000;
const CREDITS_WAIT_MS = 3_600_000;
const MAX_NAME_CHARS = 70;
const KEY_USED = 'key_used';

export const brevo: Adapter<EmailMessage> = {
  channel: 'email',
  provider: 'brevo',
  provider_class: 'K',
  config: BrevoConfigSchema,
  secret_fields: ['api_key'],
  connect: (config, network) => openBrevo(BrevoConfigSchema.parse(config), network),
  verify: (config, options) => verifyBrevo(BrevoConfigSchema.parse(config), options),
  webhook: brevoWebhook,
};

function openBrevo(config: BrevoConfig, network: Network | undefined): Connection<EmailMessage> {
  const connection = openMailApi(config, network, {
    provider_class: 'K',
    key_life_ms: KEY_LIFE_MS,
    post,
    reading: { accepted, refused },
    lookup: { get: events, read: found },
  });
  return {
    ...connection,
    async send(request) {
      const deadline = Date.now() + request.timeout_ms;
      const outcome = await connection.send(request);
      if (outcome.kind !== 'ambiguous' || outcome.reason !== KEY_USED) return outcome;
      const timeout_ms = deadline - Date.now();
      if (timeout_ms <= 0) return outcome;
      const seen = await connection.lookup!({ ...request, timeout_ms });
      if (seen.kind !== 'found') return outcome;
      return {
        kind: 'accepted',
        ...(seen.provider_id === undefined ? {} : { provider_id: seen.provider_id }),
        ...(outcome.response === undefined ? {} : { response: outcome.response }),
      };
    },
  };
}

/** The key in the form of a UUID, always the same for the same key. */
function uuidOf(key: string): string {
  const hex = createHash('sha256').update(key).digest('hex');
  const variant = '89ab'[Number.parseInt(hex[16]!, 16) % 4];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function post(config: BrevoConfig, request: SendRequest<EmailMessage>) {
  const { message } = request;
  const person = ({ name, address }: { name?: string; address: string }) => ({
    email: address,
    // A longer one would be refused with the whole message.
    ...(name ? { name: [...name].slice(0, MAX_NAME_CHARS).join('') } : {}),
  });
  const key = uuidOf(request.idempotency_key);
  return {
    method: 'POST' as const,
    url: `${config.base_url}/v3/smtp/email`,
    headers: { ...JSON_HEADERS, 'api-key': config.api_key },
    body: JSON.stringify({
      sender: person(message.from),
      to: [person(message.to)],
      ...(message.reply_to === undefined ? {} : { replyTo: person(message.reply_to) }),
      subject: message.subject,
      // Plain text alone is refused.
      htmlContent: message.html ?? htmlOf(message.text),
      ...(message.text === '' ? {} : { textContent: message.text }),
      headers: {
        ...mailHeaders(message),
        'X-Mailin-custom': JSON.stringify(echo(request)),
        idempotencyKey: key,
      },
      tags: [key],
    }),
  };
}

function htmlOf(plain: string): string {
  const escaped = plain.replace(/[&<>]/g, (one) => `&#${one.charCodeAt(0)};`).replaceAll('\n', '<br>\n');
  return `<html><body>${escaped}</body></html>`;
}

const accepted: Reading['accepted'] = ({ body }) => {
  const id = text(jsonObject(body), 'messageId')?.replace(/^<|>$/g, '');
  return id ? { provider_id: id } : null;
};

/** By the `code` of the error (developers.brevo.com/docs/how-it-works). */
const refused: Reading['refused'] = (answer) => {
  const { status } = answer;
  const error = jsonObject(answer.body);
  const message = text(error, 'message') ?? '';
  if (status === 429) return { permanence: 'throttled', reason: 'throttled', ...untilReset(answer) };
  if (status >= 500) return null;
  switch (text(error, 'code')) {
    case 'duplicate_parameter':
    case 'duplicate_request':
      return { permanence: 'unclear', reason: KEY_USED };
    case 'not_enough_credits':
      return { permanence: 'throttled', reason: 'throttled', retry_after_ms: CREDITS_WAIT_MS };
    case 'unauthorized':
      return { permanence: 'transient', reason: 'bad_credentials' };
    case 'permission_denied':
    case 'account_under_validation':
      return { permanence: 'permanent', reason: 'sender_rejected' };
    case 'invalid_parameter':
    case 'missing_parameter':
    case 'out_of_range':
      return { permanence: 'permanent', reason: fieldAtFault(message) };
    default:
      return null;
  }
};

function fieldAtFault(message: string): RefusalReason {
  if (/sender|replyTo/i.test(message)) return 'sender_rejected';
  if (/\bto\b|recipient/i.test(message)) return 'address_rejected';
  return 'content_rejected';
}

/** `x-sib-ratelimit-reset`: seconds until the window ends. */
function untilReset({ headers }: HttpAnswer): { retry_after_ms?: number } {
  const reset = headers['x-sib-ratelimit-reset'];
  return typeof reset === 'string' && /^\d{1,6}$/.test(reset)
    ? { retry_after_ms: Number(reset) * 1_000 }
    : {};
}

function events(config: BrevoConfig, { idempotency_key }: { idempotency_key: string }) {
  const query = new URLSearchParams({
    limit: '1',
    offset: '0',
    days: '2',
    event: 'requests',
    tags: JSON.stringify([uuidOf(idempotency_key)]),
  });
  return {
    method: 'GET' as const,
    url: `${config.base_url}/v3/smtp/statistics/events?${query}`,
    headers: { accept: 'application/json', 'api-key': config.api_key },
  };
}

/** A hit counts only when it names our tag: a filter that was not applied would find any message. */
function found({ body }: HttpAnswer, { idempotency_key }: { idempotency_key: string }): LookupOutcome {
  const answer = jsonObject(body);
  if (!answer) return { kind: 'unclear', reason: 'unreadable_answer' };
  const list = at(answer, 'events');
  const tag = uuidOf(idempotency_key);
  const hit = (Array.isArray(list) ? list : []).find((one) => text(one, 'tag')?.includes(tag));
  if (hit === undefined) return { kind: 'unclear', reason: 'not_seen_yet' };
  const [id, date] = [text(hit, 'messageId')?.replace(/^<|>$/g, ''), text(hit, 'date')];
  const time = date === undefined ? Number.NaN : Date.parse(date);
  return {
    kind: 'found',
    ...(id ? { provider_id: id } : {}),
    ...(Number.isNaN(time) ? {} : { at: new Date(time) }),
  };
}
