/** Telnyx as documented: `POST /v2/messages`, the numbers of the account, errors in a list, webhooks signed by Ed25519. */
import { randomUUID, sign } from 'node:crypto';
import { z } from 'zod';
import type { Account } from './account.ts';
import {
  answer,
  type Dialect,
  type EventName,
  firstIssue,
  type Incoming,
  json,
  type Refusal,
  type Reply,
  type Signal,
  type Understood,
} from './dialect.ts';
import type { Accepted } from './message.ts';
import { callbackOf, isNumber, textSubmission } from './text.ts';

const PROFILE = '40017a2c-0000-4000-8000-000000000001';
const BOUGHT = '2026-01-02T03:04:05Z';

const Message = z.strictObject({
  from: z.string(),
  to: z.string(),
  text: z.string().min(1).max(1_600),
  type: z.enum(['SMS', 'MMS']).optional(),
  messaging_profile_id: z.uuid().optional(),
  webhook_url: z.url().max(2_000).optional(),
  webhook_failover_url: z.url().max(2_000).optional(),
  use_profile_webhooks: z.boolean().optional(),
});

const error = (status: number, code: string, title: string, pointer?: string): Reply => ({
  status,
  body: {
    errors: [
      {
        code,
        title,
        detail: `${title}.`,
        ...(pointer === undefined ? {} : { source: { pointer } }),
        meta: { url: `https://developers.telnyx.com/docs/overview/errors/${code}` },
      },
    ],
  },
});
const no = (...parts: Parameters<typeof error>): Understood => ({ kind: 'answer', reply: error(...parts) });

function understand(incoming: Incoming, account: Account): Understood {
  const { method, path, headers } = incoming;
  if (headers.authorization !== `Bearer ${account.secrets.key}`)
    return no(401, '10009', 'Authentication failed');
  if (method === 'GET' && path === '/v2/phone_numbers') {
    const wanted = incoming.query.get('filter[phone_number]');
    const data = account.numbers
      .filter((phone_number) => wanted === null || phone_number.includes(wanted))
      .map((phone_number, at) => ({
        id: String(1_000 + at),
        record_type: 'phone_number',
        phone_number,
        country_iso_alpha2: 'US',
        phone_number_type: 'local',
        status: 'active',
        tags: [],
        external_pin: null,
        messaging_profile_id: PROFILE,
        deletion_lock_enabled: false,
        purchased_at: BOUGHT,
        created_at: BOUGHT,
      }));
    return answer(200, { data, meta: { total_results: data.length } });
  }
  if (path !== '/v2/messages') return no(404, '10005', 'Resource not found');
  if (method !== 'POST') return no(405, '10005', 'Method not allowed');
  if (!/^application\/json/.test(headers['content-type'] ?? ''))
    return no(415, '10014', 'Unsupported Media Type');
  return message(incoming, account);
}

function message({ body }: Incoming, account: Account): Understood {
  const read = Message.safeParse(json(body));
  if (!read.success) {
    const { path, message } = firstIssue(read.error);
    return no(422, '10015', `Bad Request: ${message}`, `/${path}`);
  }
  const { from, to, text, webhook_url, ...extra } = read.data;
  if (!isNumber(to)) return no(422, '10016', 'Phone number must be in +E.164 format', '/to');
  if (!account.numbers.includes(from)) return no(400, '40305', "Invalid 'from' address", '/from');
  if (account.opted_out.has(to)) return no(403, '40300', 'Blocked due to STOP message');
  return {
    kind: 'send',
    submission: textSubmission({ from, to, text }, webhook_url ?? null, extra),
  };
}

const REFUSED: Record<Refusal, (retry_after_s: number) => Reply> = {
  address: () => error(400, '40310', "Invalid 'to' address", '/to'),
  content: () => error(400, '40302', 'Message too large', '/text'),
  sender: () => error(400, '40305', "Invalid 'from' address", '/from'),
  unauthorized: () => error(401, '10009', 'Authentication failed'),
  throttle: (seconds) => ({
    ...error(429, '10011', 'Too many requests'),
    headers: { 'retry-after': String(seconds) },
  }),
  unavailable: () => error(503, '10007', 'Service unavailable'),
};

type Told = 'delivered' | 'bounced_hard' | 'bounced_soft' | 'unsubscribed' | 'queued';
const OUTCOME: Record<Exclude<Told, 'unsubscribed'>, { type: string; status: string; code?: string }> = {
  delivered: { type: 'message.finalized', status: 'delivered' },
  bounced_hard: { type: 'message.finalized', status: 'delivery_failed', code: '40310' },
  bounced_soft: { type: 'message.finalized', status: 'delivery_failed', code: '40008' },
  queued: { type: 'message.sent', status: 'sent' },
};

function signal(accepted: Accepted, event: EventName, account: Account, now: number, url?: string): Signal {
  const where = callbackOf(accepted.extra, url);
  const timestamp = String(Math.floor(now / 1_000));
  const body = JSON.stringify({
    data: {
      // The same at each delivery of one event.
      id: `${accepted.id.slice(0, -8)}${Buffer.from(event).toString('hex').padEnd(8, '0').slice(0, 8)}`,
      record_type: 'event',
      occurred_at: new Date(now).toISOString(),
      ...(event === 'unsubscribed' ? written(accepted) : outcome(accepted, event as keyof typeof OUTCOME)),
    },
    meta: { attempt: 1, ...(where === undefined ? {} : { delivered_to: where }) },
  });
  const signature = sign(null, Buffer.from(`${timestamp}|${body}`), account.signingKey());
  return {
    ...(where === undefined ? {} : { url: where }),
    headers: {
      'content-type': 'application/json',
      'telnyx-timestamp': timestamp,
      'telnyx-signature-ed25519': signature.toString('base64'),
    },
    body,
  };
}

function outcome({ id, from, to, text }: Accepted, event: keyof typeof OUTCOME) {
  const { type, status, code } = OUTCOME[event];
  return {
    event_type: type,
    payload: {
      id,
      record_type: 'message',
      direction: 'outbound',
      from: { phone_number: from },
      to: [{ phone_number: to, status }],
      text,
      parts: 1,
      cost: { amount: '0.0051', currency: 'USD' },
      errors: code === undefined ? [] : [{ code, title: 'The carrier said no' }],
    },
  };
}

/** The other side writes, to the number it was written from. */
function written({ from, to }: Accepted) {
  return {
    event_type: 'message.received',
    payload: {
      id: randomUUID(),
      record_type: 'message',
      direction: 'inbound',
      from: { phone_number: to },
      to: [{ phone_number: from, status: 'webhook_delivered' }],
      text: 'STOP',
      errors: [],
    },
  };
}

/** Of the key in DER, the 32 bytes that Telnyx shows. */
function publicKey({ secrets }: Account): string {
  const der = Buffer.from(secrets.public_key!.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
  return der.subarray(-32).toString('base64');
}

export const telnyx: Dialect = {
  provider: 'telnyx',
  events: ['delivered', 'bounced_hard', 'bounced_soft', 'unsubscribed', 'queued'],
  config: (account, base) => ({ base_url: `${base}/telnyx`, api_key: account.secrets.key }),
  webhookSecret: publicKey,
  understand,
  accepted: ({ id, from, to, text, at }) => ({
    status: 200,
    body: {
      data: {
        id,
        record_type: 'message',
        direction: 'outbound',
        type: 'SMS',
        from: { phone_number: from },
        to: [{ phone_number: to, status: 'queued' }],
        text,
        parts: 1,
        received_at: at,
        errors: [],
      },
    },
  }),
  repeated: () => error(500, '10007', 'Telnyx promises no keys for messages'),
  refused: (why, _submission, retry_after_s) => REFUSED[why](retry_after_s),
  signal,
};
