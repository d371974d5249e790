/** Mailgun as documented: `POST /v3/<domain>/messages` as a form, `GET /v4/domains/<domain>`, webhooks signed by HMAC. */
import { createHmac, randomBytes } from 'node:crypto';
import type { Account } from './account.ts';
import {
  answer,
  bareId,
  type Dialect,
  domainOf,
  type EventName,
  headerFlaw,
  headerValue,
  type Incoming,
  parseMailbox,
  type Refusal,
  type Reply,
  type Signal,
  type Understood,
} from './dialect.ts';
import type { Accepted } from './message.ts';

/** Options that begin with o:, h: or v:, together. */
const MAX_OPTION_BYTES = 16 * 1024;
const FIELDS = /^(from|to|subject|text|html|[hov]:[A-Za-z0-9_-]+)$/;

const error = (status: number, message: string): Reply => ({ status, body: { message } });

const DOMAIN = {
  id: '0123456789abcdef01234567',
  state: 'active',
  type: 'custom',
  created_at: 'Fri, 02 Jan 2026 03:04:05 GMT',
  is_disabled: false,
  require_tls: false,
  skip_verification: false,
  spam_action: 'disabled',
  use_automatic_sender_security: true,
  web_prefix: 'email',
  web_scheme: 'https',
  wildcard: false,
  encrypt_incoming_message: false,
  message_ttl: 0,
};

function understand(incoming: Incoming, account: Account): Understood {
  const { method, path, headers } = incoming;
  const no = (...parts: Parameters<typeof error>): Understood => ({ kind: 'answer', reply: error(...parts) });
  const basic = /^Basic (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '';
  if (Buffer.from(basic, 'base64').toString() !== `api:${account.secrets.key}`)
    return { kind: 'answer', reply: { status: 401, body: 'Forbidden' } };
  const asked = /^\/v4\/domains\/([^/]+)$/.exec(path)?.[1];
  if (method === 'GET' && asked !== undefined)
    return account.domains.includes(asked)
      ? answer(200, { domain: { ...DOMAIN, name: asked, smtp_login: `postmaster@${asked}` } })
      : no(404, 'Domain not found');
  const domain = /^\/v3\/([^/]+)\/messages$/.exec(path)?.[1];
  if (domain === undefined) return no(404, 'Not Found');
  if (method !== 'POST') return no(405, 'Method not allowed');
  if (!account.domains.includes(domain)) return no(404, `Domain not found: ${domain}`);
  if (!/^application\/x-www-form-urlencoded/.test(headers['content-type'] ?? ''))
    return no(400, 'The sandbox takes forms alone.');
  return message(new URLSearchParams(incoming.body), no);
}

function message(form: URLSearchParams, no: (...parts: Parameters<typeof error>) => Understood): Understood {
  const unknown = [...form.keys()].find((name) => !FIELDS.test(name));
  if (unknown !== undefined) return no(400, `unknown parameter: ${unknown}`);
  for (const name of ['from', 'to']) if (!form.get(name)) return no(400, `${name} parameter is missing`);
  const from = parseMailbox(form.get('from'));
  if (!from) return no(400, 'from parameter is not a valid address. please check documentation');
  const to = parseMailbox(form.get('to'));
  if (!to) return no(400, 'to parameter is not a valid address. please check documentation');
  if (!form.get('text') && !form.get('html'))
    return no(400, "Need at least one of 'text' or 'html' parameters specified");
  const picked = (prefix: string) =>
    Object.fromEntries(
      [...form].flatMap(([name, value]) =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
      ),
    );
  const size = [...form].reduce(
    (sum, [name, value]) => (name[1] === ':' ? sum + name.length + value.length : sum),
    0,
  );
  if (size > MAX_OPTION_BYTES) return no(400, 'Sending options are limited to 16kB');
  const headers = picked('h:');
  const flaw = headerFlaw(headers, ['from', 'to', 'subject', 'content-type']);
  if (flaw) return no(400, flaw);
  const variables = picked('v:');
  return {
    kind: 'send',
    submission: {
      touch_id: variables.touch_id ?? null,
      touch_key: variables.touch_key ?? null,
      idempotency_key: null,
      message_id: bareId(headerValue(headers, 'Message-Id')),
      from: from.address,
      to: to.address,
      reply_to: parseMailbox(headerValue(headers, 'Reply-To'))?.address ?? null,
      subject: form.get('subject') ?? '',
      text: form.get('text'),
      html: form.get('html'),
      headers,
      extra: { variables, options: picked('o:'), from_name: from.name },
    },
  };
}

const REFUSED: Record<Refusal, (retry_after_s: number) => Reply> = {
  address: () => error(400, 'to parameter is not a valid address. please check documentation'),
  content: () => error(400, 'the message cannot be parsed'),
  sender: () => error(403, 'Domain is not allowed to send: disabled'),
  unauthorized: () => ({ status: 401, body: 'Forbidden' }),
  throttle: (seconds) => ({
    ...error(429, 'Too many requests'),
    headers: { 'retry-after': String(seconds) },
  }),
  unavailable: () => error(503, 'Service Unavailable'),
};

const EVENT: Record<EventName, Record<string, unknown>> = {
  delivered: { event: 'delivered', 'delivery-status': { code: 250, message: 'OK' } },
  bounced_hard: {
    event: 'failed',
    severity: 'permanent',
    reason: 'bounce',
    'delivery-status': { code: 550, message: '5.1.1 unknown user' },
  },
  bounced_soft: {
    event: 'failed',
    severity: 'permanent',
    reason: 'old',
    'delivery-status': { code: 602, message: 'Too old' },
  },
  complained: { event: 'complained' },
  opened: { event: 'opened', 'client-info': { bot: '' } },
  clicked: { event: 'clicked', url: 'https://example.com/' },
  unsubscribed: { event: 'unsubscribed' },
  queued: { event: 'accepted' },
};

function signal(accepted: Accepted, event: EventName, account: Account, now: number): Signal {
  const timestamp = String(Math.floor(now / 1_000));
  const token = randomBytes(25).toString('hex');
  const signature = createHmac('sha256', account.secrets.webhook)
    .update(timestamp + token)
    .digest('hex');
  const id = bareId(accepted.message_id ?? accepted.id);
  return {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      signature: { timestamp, token, signature },
      'event-data': {
        ...EVENT[event],
        id: `${id}-${event}`,
        timestamp: now / 1_000,
        recipient: accepted.to,
        'recipient-domain': domainOf(accepted.to),
        'user-variables': accepted.extra.variables,
        message: {
          headers: { 'message-id': id, to: accepted.to, from: accepted.from, subject: accepted.subject },
        },
      },
    }),
  };
}

export const mailgun: Dialect = {
  provider: 'mailgun',
  config: (account, base) => ({
    base_url: `${base}/mailgun`,
    domain: account.domains[0],
    api_key: account.secrets.key,
  }),
  webhookSecret: (account) => account.secrets.webhook,
  understand,
  accepted: ({ id, message_id }) => ({
    status: 200,
    body: { id: message_id === null ? id : `<${message_id}>`, message: 'Queued. Thank you.' },
  }),
  repeated: () => error(500, 'Mailgun knows no keys.'),
  refused: (why, _submission, retry_after_s) => REFUSED[why](retry_after_s),
  signal,
};
