/** Brevo as documented: `POST /v3/smtp/email` with a key in its body, the events, senders and domains, errors by code. */
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

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

const person = z.strictObject({ email: z.string(), name: z.string().max(70).optional() });
const Email = z.strictObject({
  sender: person,
  to: z.array(person).min(1).max(99),
  replyTo: person.optional(),
  subject: z.string().min(1),
  htmlContent: z.string().min(10),
  textContent: z.string().min(1).optional(),
  headers: z.record(z.string(), z.string()).optional(),
  tags: z.array(z.string()).optional(),
});

const error = (status: number, code: string, message: string): Reply => ({ status, body: { code, message } });

const ACCOUNT = {
  email: 'sandbox@example.test',
  firstName: 'Sandbox',
  lastName: 'Account',
  companyName: 'Sandbox',
  address: { street: 'Example Street 1', city: 'Berlin', zipCode: '10115', country: 'Germany' },
  plan: [{ type: 'payAsYouGo', creditsType: 'sendLimit', credits: 100_000 }],
  relay: {
    enabled: true,
    data: { userName: 'sandbox@example.test', relay: 'smtp-relay.example.test', port: 587 },
  },
};

function understand(incoming: Incoming, account: Account): Understood {
  const { method, path, headers } = incoming;
  const no = (...parts: Parameters<typeof error>): Understood => ({ kind: 'answer', reply: error(...parts) });
  if (headers['api-key'] !== account.secrets.key) return no(401, 'unauthorized', 'Key not found');
  if (method === 'GET' && path === '/v3/account') return answer(200, ACCOUNT);
  if (method === 'GET' && path === '/v3/senders') return answer(200, { senders: [] });
  if (method === 'GET' && path === '/v3/senders/domains')
    return answer(200, {
      domains: account.domains.map((domain_name, at) => ({
        id: at + 1,
        domain_name,
        authenticated: true,
        verified: true,
      })),
    });
  if (method === 'GET' && path === '/v3/smtp/statistics/events') return events(incoming, account);
  if (path !== '/v3/smtp/email') return no(404, 'document_not_found', 'Not found');
  if (method !== 'POST') return no(405, 'method_not_allowed', 'Method not allowed');
  const read = Email.safeParse(json(incoming.body));
  if (!read.success) {
    const { path: field, message } = firstIssue(read.error);
    return no(400, 'invalid_parameter', `${field}: ${message}`);
  }
  const mail = read.data;
  if (!parseMailbox(mail.sender.email)) return no(400, 'invalid_parameter', 'valid sender email required');
  if (!account.domains.includes(domainOf(mail.sender.email)))
    return no(400, 'invalid_parameter', 'Sending has been rejected because the sender is not valid.');
  const to = mail.to[0]!;
  if (!parseMailbox(to.email)) return no(400, 'invalid_parameter', 'email is not valid in to');
  const { idempotencyKey = null, ...own } = (mail.headers ?? {}) as Record<string, string>;
  if (idempotencyKey !== null && !UUID.test(idempotencyKey))
    return no(400, 'invalid_parameter', 'idempotencyKey must be a UUID');
  const flaw = headerFlaw(own, ['from', 'to', 'subject', 'reply-to', 'content-type']);
  if (flaw) return no(400, 'invalid_parameter', flaw);
  const custom = json(own['X-Mailin-custom'] ?? '') as { touch_id?: string; touch_key?: string } | undefined;
  return {
    kind: 'send',
    submission: {
      touch_id: custom?.touch_id ?? null,
      touch_key: custom?.touch_key ?? null,
      idempotency_key: idempotencyKey,
      message_id: null,
      from: mail.sender.email,
      to: to.email,
      reply_to: mail.replyTo?.email ?? null,
      subject: mail.subject,
      text: mail.textContent ?? null,
      html: mail.htmlContent,
      headers: own,
      extra: { tags: mail.tags ?? [], from_name: mail.sender.name ?? null },
    },
  };
}

function events({ query, now }: Incoming, account: Account): Understood {
  const tags = json(query.get('tags') ?? '[]');
  if (!Array.isArray(tags))
    return { kind: 'answer', reply: error(400, 'invalid_parameter', 'tags must be a serialized array') };
  const hits = account
    .visible(now)
    .filter(({ extra }) => tags.every((tag) => (extra.tags as string[]).includes(tag)));
  return answer(200, {
    events: hits
      .toReversed()
      .slice(0, Number(query.get('limit') ?? 50))
      .map((message) => ({
        email: message.to,
        date: message.at,
        subject: message.subject,
        messageId: message.id,
        event: 'requests',
        tag: (message.extra.tags as string[]).join(','),
        from: message.from,
      })),
  });
}

const REFUSED: Record<Refusal, (retry_after_s: number) => Reply> = {
  address: () => error(400, 'invalid_parameter', 'email is not valid in to'),
  content: () => error(400, 'invalid_parameter', 'htmlContent is not valid'),
  sender: () => error(400, 'invalid_parameter', 'Sending has been rejected because the sender is not valid.'),
  unauthorized: () => error(401, 'unauthorized', 'Key not found'),
  throttle: (seconds) => ({
    ...error(429, 'too_many_requests', 'Too many requests.'),
    headers: { 'x-sib-ratelimit-remaining': '0', 'x-sib-ratelimit-reset': String(seconds) },
  }),
  unavailable: () => ({ status: 503, body: 'Service Unavailable' }),
};

const NAMES: Record<EventName, string> = {
  delivered: 'delivered',
  bounced_hard: 'hard_bounce',
  bounced_soft: 'soft_bounce',
  complained: 'spam',
  opened: 'unique_opened',
  clicked: 'click',
  unsubscribed: 'unsubscribed',
  queued: 'request',
};

function signal(message: Accepted, event: EventName, account: Account, now: number): Signal {
  return {
    headers: { 'content-type': 'application/json', authorization: `Bearer ${account.secrets.webhook}` },
    body: JSON.stringify({
      event: NAMES[event],
      email: message.to,
      id: 1,
      subject: message.subject,
      'message-id': message.id,
      ts_event: Math.floor(now / 1_000),
      ts_epoch: now,
      tags: message.extra.tags,
      'X-Mailin-custom': message.headers['X-Mailin-custom'],
      ...(event.startsWith('bounced') ? { reason: '550 5.1.1 unknown user' } : {}),
      ...(event === 'clicked' ? { link: 'https://example.com/' } : {}),
    }),
  };
}

export const brevo: Dialect = {
  provider: 'brevo',
  config: (account, base) => ({ base_url: `${base}/brevo`, api_key: account.secrets.key }),
  webhookSecret: (account) => account.secrets.webhook,
  understand,
  accepted: ({ id }) => ({ status: 201, body: { messageId: id } }),
  repeated: () => error(400, 'duplicate_parameter', 'The idempotencyKey was used already.'),
  refused: (why, _submission, retry_after_s) => REFUSED[why](retry_after_s),
  signal,
};
