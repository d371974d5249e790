/** Quo (OpenPhone) as documented: `POST /v1/messages`, the numbers of the workspace, webhooks signed by HMAC. */
import { createHmac, randomBytes } from 'node:crypto';
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
import { isNumber, textSubmission } from './text.ts';

const MAX_RECIPIENTS = 10;
const BOUGHT = '2026-01-02T03:04:05.000Z';
const FREE = { US: 'unrestricted', CA: 'unrestricted', Intl: 'unrestricted' };
const newId = (prefix: string) => `${prefix}${randomBytes(16).toString('hex')}`;

const Message = z.strictObject({
  content: z.string().min(1).max(1_600),
  from: z.string(),
  to: z.array(z.string()).min(1).max(MAX_RECIPIENTS),
  userId: z.string().regex(/^US/).optional(),
  setInboxStatus: z.literal('done').optional(),
});

const error = (status: number, title: string, message: string, path?: string): Reply => ({
  status,
  body: {
    message,
    ...(status === 401 ? {} : { description: title }),
    // Of a number that is not the key's.
    code: status === 403 ? '0202403' : `0200${status}`,
    status,
    docs: 'https://openphone.com/docs',
    title,
    ...(path === undefined ? {} : { errors: [{ path, message, schema: { type: 'string' } }] }),
  },
});
const no = (...parts: Parameters<typeof error>): Understood => ({ kind: 'answer', reply: error(...parts) });

function understand(incoming: Incoming, account: Account): Understood {
  const { method, path, headers } = incoming;
  if (headers.authorization !== account.secrets.key) return no(401, 'Unauthorized', 'Unauthorized');
  if (method === 'GET' && path === '/v1/phone-numbers') {
    const data = account.numbers.map((number, i) => ({
      id: `PN${i}`,
      groupId: 'GR0',
      number,
      formattedNumber: number,
      name: 'Sandbox',
      symbol: null,
      forward: null,
      portRequestId: null,
      portingStatus: null,
      users: [],
      restrictions: { messaging: FREE, calling: FREE },
      createdAt: BOUGHT,
      updatedAt: BOUGHT,
    }));
    return answer(200, { data });
  }
  if (path !== '/v1/messages' || method !== 'POST') return no(404, 'Not Found', 'Not found');
  if (!/^application\/json/.test(headers['content-type'] ?? ''))
    return no(400, 'Bad Request', 'The body must be JSON', '/');
  return message(incoming, account);
}

function message({ body }: Incoming, account: Account): Understood {
  const read = Message.safeParse(json(body));
  if (!read.success) {
    const { path, message } = firstIssue(read.error);
    return no(400, 'Bad Request', message, `/${path.replaceAll('.', '/')}`);
  }
  const { content: text, from, to, ...extra } = read.data;
  if (to.length > 1) return no(400, 'Bad Request', 'The sandbox writes to one recipient at a time', '/to');
  if (!isNumber(to[0])) return no(400, 'Bad Request', 'Expected a number in E.164', '/to/0');
  if (!account.numbers.includes(from))
    return no(403, 'Not Phone Number User', 'The phone number is not accessible to this key');
  if (account.opted_out.has(to[0]))
    return no(400, 'Bad Request', 'The recipient has opted out of messages from this number');
  return { kind: 'send', submission: textSubmission({ from, to: to[0], text }, null, extra) };
}

const REFUSED: Record<Refusal, () => Reply> = {
  address: () => error(400, 'Bad Request', 'Expected a number in E.164', '/to/0'),
  content: () => error(400, 'Bad Request', 'Expected a shorter text', '/content'),
  sender: () => error(403, 'Not Phone Number User', 'The phone number is not accessible to this key'),
  unauthorized: () => error(401, 'Unauthorized', 'Unauthorized'),
  throttle: () => error(429, 'Too Many Requests', 'Rate limit exceeded'),
  unavailable: () => error(503, 'Service Unavailable', 'Service unavailable'),
};

function signal(accepted: Accepted, event: EventName, account: Account, now: number): Signal {
  const back = event === 'unsubscribed';
  const type = back ? 'message.received' : event === 'delivered' ? 'message.delivered' : 'message.sent';
  const time = new Date(now).toISOString();
  const body = JSON.stringify({
    id: `EV${accepted.id.slice(2)}${event}`,
    object: 'event',
    apiVersion: 'v3',
    createdAt: time,
    type,
    data: {
      object: {
        id: back ? newId('AC') : accepted.id,
        object: 'message',
        from: back ? accepted.to : accepted.from,
        to: back ? accepted.from : accepted.to,
        direction: back ? 'incoming' : 'outgoing',
        body: back ? 'Stop' : accepted.text,
        status: back ? 'received' : 'delivered',
        createdAt: time,
      },
    },
  });
  const signature = createHmac('sha256', Buffer.from(account.secrets.webhook, 'base64'))
    .update(`${now}.${body}`)
    .digest('base64');
  return {
    headers: { 'content-type': 'application/json', 'openphone-signature': `hmac;1;${now};${signature}` },
    body,
  };
}

export const quo: Dialect = {
  provider: 'quo',
  events: ['delivered', 'unsubscribed', 'queued'],
  newId: () => newId('AC'),
  config: (account, base) => ({ base_url: `${base}/quo`, api_key: account.secrets.key }),
  webhookSecret: (account) => account.secrets.webhook,
  understand,
  accepted: ({ id, from, to, text, at }) => ({
    status: 202,
    body: {
      data: {
        id,
        from,
        to: [to],
        text,
        phoneNumberId: 'PN0',
        direction: 'outgoing',
        userId: 'US0',
        status: 'queued',
        createdAt: at,
        updatedAt: at,
      },
    },
  }),
  repeated: () => error(500, 'Server Error', 'Quo knows no keys'),
  refused: (why) => REFUSED[why](),
  signal,
};
