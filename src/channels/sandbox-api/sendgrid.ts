/** SendGrid as documented: `POST /v3/mail/send`, `GET /v3/scopes`, events signed with ECDSA. */
import { sign } from 'node:crypto';
import { z } from 'zod';
import type { Account } from './account.ts';
import {
  answer,
  bareId,
  type Dialect,
  domainOf,
  type EventName,
  firstIssue,
  headerFlaw,
  headerValue,
  type Incoming,
  json,
  parseMailbox,
  type Refusal,
  type Reply,
  type Signal,
  type Understood,
} from './dialect.ts';
import type { Accepted } from './message.ts';

const FORBIDDEN = [
  ...['x-sg-id', 'x-sg-eid', 'received', 'dkim-signature', 'content-type', 'content-transfer-encoding'],
  ...['to', 'from', 'subject', 'reply-to', 'cc', 'bcc'],
];
const MAX_ARGS_BYTES = 10_000;

const person = z.strictObject({ email: z.string(), name: z.string().optional() });
const enabled = z.strictObject({ enable: z.boolean() });
const Mail = z.strictObject({
  personalizations: z
    .array(
      z.strictObject({
        to: z.array(person).min(1),
        headers: z.record(z.string(), z.string()).optional(),
        custom_args: z.record(z.string(), z.string()).optional(),
        subject: z.string().min(1).optional(),
      }),
    )
    .length(1),
  from: person,
  reply_to: person.optional(),
  subject: z.string().min(1),
  content: z.array(z.strictObject({ type: z.string().min(1), value: z.string().min(1) })).min(1),
  tracking_settings: z
    .strictObject({
      click_tracking: z.strictObject({ enable: z.boolean(), enable_text: z.boolean().optional() }).optional(),
      open_tracking: enabled.optional(),
      subscription_tracking: enabled.optional(),
    })
    .optional(),
});

const error = (status: number, message: string, field: string | null = null): Reply => ({
  status,
  body: { errors: [{ message, field, help: null }] },
});

function understand(incoming: Incoming, account: Account): Understood {
  const { method, path, headers } = incoming;
  const no = (...parts: Parameters<typeof error>): Understood => ({ kind: 'answer', reply: error(...parts) });
  if (headers.authorization !== `Bearer ${account.secrets.key}`)
    return no(401, 'The provided authorization grant is invalid, expired, or revoked');
  if (method === 'GET' && path === '/v3/scopes') return answer(200, { scopes: ['mail.send', 'scopes.read'] });
  if (path !== '/v3/mail/send') return no(404, 'Not Found');
  if (method !== 'POST') return no(405, 'Method not allowed');
  if (!/^application\/json/.test(headers['content-type'] ?? '')) return no(415, 'Content-Type must be JSON.');
  const read = Mail.safeParse(json(incoming.body));
  if (!read.success) {
    const { path: field, message } = firstIssue(read.error);
    return no(400, message, field);
  }
  const mail = read.data;
  if (!parseMailbox(mail.from.email))
    return no(400, 'The from email does not contain a valid address.', 'from.email');
  if (!account.domains.includes(domainOf(mail.from.email)))
    return no(403, 'The from address does not match a verified Sender Identity.', 'from');
  const [one] = mail.personalizations;
  const to = one!.to[0]!;
  if (one!.to.length > 1 || !parseMailbox(to.email))
    return no(400, 'Does not contain a valid address.', 'personalizations.0.to.0.email');
  const types = mail.content.map(({ type }) => type);
  if (types.includes('text/plain') && types[0] !== 'text/plain')
    return no(400, 'The text/plain content must be first.', 'content');
  const flaw = headerFlaw(one!.headers ?? {}, FORBIDDEN);
  if (flaw) return no(400, flaw, 'personalizations.0.headers');
  const args = one!.custom_args ?? {};
  if (Buffer.byteLength(JSON.stringify(args)) > MAX_ARGS_BYTES) return no(400, 'Too long.', 'custom_args');
  const part = (type: string) => mail.content.find((content) => content.type === type)?.value ?? null;
  return {
    kind: 'send',
    submission: {
      touch_id: args.touch_id ?? null,
      touch_key: args.touch_key ?? null,
      idempotency_key: null,
      message_id: bareId(headerValue(one!.headers ?? {}, 'Message-ID')),
      from: mail.from.email,
      to: to.email,
      reply_to: mail.reply_to?.email ?? null,
      subject: mail.subject,
      text: part('text/plain'),
      html: part('text/html'),
      headers: one!.headers ?? {},
      extra: {
        custom_args: args,
        tracking: mail.tracking_settings ?? null,
        from_name: mail.from.name ?? null,
      },
    },
  };
}

const REFUSED: Record<Refusal, (retry_after_s: number) => Reply> = {
  address: () => error(400, 'Does not contain a valid address.', 'personalizations.0.to.0.email'),
  content: () =>
    error(400, 'The content value must be a string at least one character in length.', 'content.0.value'),
  sender: () => error(403, 'The from address does not match a verified Sender Identity.', 'from'),
  unauthorized: () => error(401, 'The provided authorization grant is invalid, expired, or revoked'),
  throttle: (seconds) => ({
    ...error(429, 'too many requests'),
    headers: {
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': String(Math.ceil(Date.now() / 1_000) + seconds),
    },
  }),
  unavailable: () => error(503, 'Service Unavailable'),
};

const EVENT: Record<EventName, Record<string, unknown>> = {
  delivered: { event: 'delivered', response: '250 OK' },
  bounced_hard: { event: 'bounce', type: 'bounce', status: '5.1.1', reason: '550 5.1.1 unknown user' },
  bounced_soft: { event: 'bounce', type: 'blocked', status: '4.2.2', reason: '452 4.2.2 mailbox full' },
  complained: { event: 'spamreport' },
  opened: { event: 'open', useragent: 'x', ip: '192.0.2.1' },
  clicked: { event: 'click', url: 'https://example.com/', useragent: 'x' },
  unsubscribed: { event: 'unsubscribe' },
  queued: { event: 'processed' },
};

function signal(message: Accepted, event: EventName, account: Account, now: number): Signal {
  const timestamp = String(Math.floor(now / 1_000));
  const body = `${JSON.stringify([
    {
      email: message.to,
      timestamp: Number(timestamp),
      sg_event_id: `${message.id}-${event}`,
      sg_message_id: `${message.id}.filterdrecv-sandbox-0`,
      'smtp-id': `<${message.message_id ?? message.id}>`,
      ...(message.extra.custom_args as Record<string, string>),
      ...EVENT[event],
    },
  ])}\r\n`;
  const signature = sign('sha256', Buffer.from(timestamp + body), account.signingKey());
  return {
    headers: {
      'content-type': 'application/json',
      'x-twilio-email-event-webhook-signature': signature.toString('base64'),
      'x-twilio-email-event-webhook-timestamp': timestamp,
    },
    body,
  };
}

export const sendgrid: Dialect = {
  provider: 'sendgrid',
  config: (account, base) => ({ base_url: `${base}/sendgrid`, api_key: account.secrets.key }),
  // As SendGrid shows it: the PEM's lines without its frame.
  webhookSecret: ({ secrets }) => secrets.public_key!.replace(/-----[^-]+-----|\s/g, ''),
  understand,
  accepted: ({ id }) => ({ status: 202, headers: { 'x-message-id': id }, body: '' }),
  repeated: () => error(500, 'SendGrid knows no keys.'),
  refused: (why, _submission, retry_after_s) => REFUSED[why](retry_after_s),
  signal,
};
