/** Resend as documented: `POST /emails`, `GET /domains`, errors by name, webhooks signed by Svix. */
import { createHmac, randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Account } from './account.ts';
import {
  answer,
  type Dialect,
  domainOf,
  type EventName,
  firstIssue,
  headerFlaw,
  type Incoming,
  json,
  parseMailbox,
  type Refusal,
  type Reply,
  type Signal,
  type Understood,
} from './dialect.ts';
import type { Accepted } from './message.ts';

const tag = z.string().regex(/^[A-Za-z0-9_-]{1,256}$/);
const Email = z.strictObject({
  from: z.string(),
  to: z.union([z.string(), z.array(z.string()).min(1).max(50)]),
  subject: z.string().min(1),
  reply_to: z.union([z.string(), z.array(z.string())]).optional(),
  html: z.string().optional(),
  text: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  tags: z.array(z.strictObject({ name: tag, value: tag })).optional(),
});

const error = (statusCode: number, name: string, message: string): Reply => ({
  status: statusCode,
  body: { statusCode, name, message },
});

function understand(incoming: Incoming, account: Account): Understood {
  const key = /^Bearer (.+)$/.exec(incoming.headers.authorization ?? '')?.[1];
  const no = (...parts: Parameters<typeof error>): Understood => ({ kind: 'answer', reply: error(...parts) });
  if (key === undefined) return no(401, 'missing_api_key', 'Missing API key in the authorization header.');
  if (key !== account.secrets.key) return no(403, 'invalid_api_key', 'API key is invalid');
  if (incoming.path === '/domains' && incoming.method === 'GET') {
    const data = account.domains.map((name) => ({ id: randomUUID(), name, status: 'verified' }));
    return answer(200, { object: 'list', has_more: false, data });
  }
  if (incoming.path !== '/emails') return no(404, 'not_found', 'The requested endpoint does not exist.');
  if (incoming.method !== 'POST') return no(405, 'method_not_allowed', 'Method is not allowed.');
  const idempotency_key = incoming.headers['idempotency-key'] ?? null;
  if (idempotency_key !== null && (idempotency_key.length < 1 || idempotency_key.length > 256))
    return no(400, 'invalid_idempotency_key', 'The key must be between 1-256 chars.');
  if (!/^application\/json/.test(incoming.headers['content-type'] ?? ''))
    return no(422, 'validation_error', 'The content type must be application/json.');
  const read = Email.safeParse(json(incoming.body));
  if (!read.success) {
    const { path, message } = firstIssue(read.error);
    return no(422, 'validation_error', `Invalid \`${path}\` field. ${message}`);
  }
  const email = read.data;
  const from = parseMailbox(email.from);
  if (!from)
    return no(422, 'validation_error', 'Invalid `from` field. It needs the format `email@example.com`.');
  if (!account.domains.includes(domainOf(from.address)))
    return no(403, 'validation_error', `The ${domainOf(from.address)} domain is not verified.`);
  const to = parseMailbox([email.to].flat()[0]);
  if (!to) return no(422, 'validation_error', 'Invalid `to` field. It needs the format `email@example.com`.');
  if (email.html === undefined && email.text === undefined)
    return no(422, 'missing_required_field', 'Missing `html` or `text` field.');
  const headers = email.headers ?? {};
  const flaw = headerFlaw(headers, ['from', 'to', 'subject']);
  if (flaw) return no(422, 'validation_error', `Invalid \`headers\` field. ${flaw}`);
  const tags = Object.fromEntries((email.tags ?? []).map(({ name, value }) => [name, value]));
  const replyTo = email.reply_to === undefined ? null : [email.reply_to].flat()[0]!;
  return {
    kind: 'send',
    submission: {
      touch_id: tags.touch_id ?? null,
      touch_key: tags.touch_key?.replace(/_(\d+)$/, '.$1') ?? null,
      idempotency_key,
      message_id: null,
      from: from.address,
      to: to.address,
      reply_to: replyTo === null ? null : (parseMailbox(replyTo)?.address ?? null),
      subject: email.subject,
      text: email.text ?? null,
      html: email.html ?? null,
      headers,
      extra: { tags, from_name: from.name },
    },
  };
}

const REFUSED: Record<Refusal, (retry_after_s: number) => Reply> = {
  address: () => error(422, 'validation_error', 'Invalid `to` field. The address cannot be written to.'),
  content: () => error(422, 'validation_error', 'Invalid `html` field.'),
  sender: () =>
    error(403, 'validation_error', 'The domain is not verified. Please, add and verify your domain.'),
  unauthorized: () => error(403, 'invalid_api_key', 'API key is invalid'),
  throttle: (seconds) => ({
    ...error(429, 'rate_limit_exceeded', 'Too many requests.'),
    headers: { 'retry-after': String(seconds) },
  }),
  unavailable: () => error(503, 'application_error', 'Service unavailable.'),
};

const TYPES: Record<EventName, string> = {
  delivered: 'email.delivered',
  bounced_hard: 'email.bounced',
  bounced_soft: 'email.bounced',
  complained: 'email.complained',
  opened: 'email.opened',
  clicked: 'email.clicked',
  // Resend has no event of this kind for a single message: it is told of no unsubscription.
  unsubscribed: 'contact.updated',
  queued: 'email.sent',
};

function signal(message: Accepted, event: EventName, account: Account, now: number): Signal {
  const time = new Date(now).toISOString();
  const bounce = (type: string, subType: string) => ({
    bounce: { type, subType, message: 'The mailbox said no.', diagnosticCode: ['smtp; 550 5.1.1'] },
  });
  const body = JSON.stringify({
    type: TYPES[event],
    created_at: time,
    data: {
      email_id: message.id,
      created_at: message.at,
      from: message.from,
      to: [message.to],
      subject: message.subject,
      tags: message.extra.tags,
      ...(event === 'bounced_hard' ? bounce('Permanent', 'General') : {}),
      ...(event === 'bounced_soft' ? bounce('Transient', 'MailboxFull') : {}),
      ...(event === 'clicked'
        ? { click: { link: 'https://example.com/', timestamp: time, ipAddress: '192.0.2.1', userAgent: 'x' } }
        : {}),
    },
  });
  const id = `msg_${message.id}_${event}`;
  const seconds = String(Math.floor(now / 1_000));
  const secret = Buffer.from(account.secrets.webhook.replace('whsec_', ''), 'base64');
  const signature = createHmac('sha256', secret).update(`${id}.${seconds}.${body}`).digest('base64');
  return {
    headers: {
      'content-type': 'application/json',
      'svix-id': id,
      'svix-timestamp': seconds,
      'svix-signature': `v1,${signature}`,
    },
    body,
  };
}

export const resend: Dialect = {
  provider: 'resend',
  config: (account, base) => ({ base_url: `${base}/resend`, api_key: account.secrets.key }),
  webhookSecret: (account) => account.secrets.webhook,
  understand,
  accepted: ({ id }) => ({ status: 200, body: { id } }),
  repeated: ({ id }, same) =>
    same
      ? { status: 200, body: { id } }
      : error(
          409,
          'invalid_idempotent_request',
          'Same idempotency key used with a different request payload.',
        ),
  refused: (why, _submission, retry_after_s) => REFUSED[why](retry_after_s),
  signal,
};
