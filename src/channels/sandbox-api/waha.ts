/** The gateway WAHA as documented: `POST /api/sendText`, its session, calls signed by HMAC-SHA512. */
import { createHmac, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Account } from './account.ts';
import {
  answer,
  type Dialect,
  firstIssue,
  type Incoming,
  json,
  type Refusal,
  type Reply,
  type Signal,
  type Told,
  type Understood,
} from './dialect.ts';
import type { Accepted } from './message.ts';
import { isNumber, textSubmission } from './text.ts';

const SESSION = 'default';
const MAX_CHARS = 65_536;

const Message = z.strictObject({
  session: z.string(),
  chatId: z.string(),
  text: z.string().min(1).max(MAX_CHARS),
  linkPreview: z.boolean().optional(),
  id: z
    .string()
    .regex(/^[0-9A-F]{16,64}$/)
    .optional(),
});

const error = (status: number, message: string, more: Record<string, unknown> = {}): Reply => ({
  status,
  body: { statusCode: status, message, ...more },
});
const no = (...parts: Parameters<typeof error>): Understood => ({ kind: 'answer', reply: error(...parts) });

function understand(incoming: Incoming, account: Account): Understood {
  const { method, path, headers } = incoming;
  if (headers['x-api-key'] !== account.secrets.key) return no(401, 'Unauthorized');
  const [, session] = /^\/api\/sessions\/([\w-]+)$/.exec(path) ?? [];
  if (method === 'GET' && session !== undefined) {
    if (session !== SESSION) return no(404, 'Session not found');
    const me = { id: `${account.numbers[0]!.slice(1)}@c.us`, pushName: 'Sandbox' };
    return answer(200, { name: session, status: 'WORKING', me, engine: { engine: 'NOWEB' } });
  }
  if (method !== 'POST' || path !== '/api/sendText') return no(404, `Cannot ${method} ${path}`);
  const read = Message.safeParse(json(incoming.body));
  if (!read.success) return no(400, `${firstIssue(read.error).path} is invalid`);
  const { session: name, chatId, text, ...extra } = read.data;
  if (name !== SESSION) return no(404, `Session "${name}" does not exist`);
  const to = `+${/^(\d+)@c\.us$/.exec(chatId)?.[1] ?? ''}`;
  if (!isNumber(to)) return no(400, 'chatId is invalid');
  const from = account.numbers[0]!;
  return { kind: 'send', submission: textSubmission({ from, to, text }, null, extra) };
}

const REFUSED: Record<Refusal, () => Reply> = {
  address: () => error(400, 'chatId is not on WhatsApp'),
  content: () => error(400, 'text is invalid'),
  sender: () =>
    error(422, 'Session status is not as expected', {
      session: SESSION,
      status: 'SCAN_QR_CODE',
      expected: ['WORKING'],
    }),
  unauthorized: () => error(401, 'Unauthorized'),
  throttle: () => error(429, 'Too Many Requests'),
  unavailable: () => error(503, 'Service Unavailable'),
};

/** What the caller drew, or an id of the gateway's own. */
function idOf({ extra, id }: Accepted): string {
  return typeof extra.id === 'string' ? extra.id : id;
}

const ACKS: Partial<Record<Told, number>> = { delivered: 2, bounced_soft: -1, opened: 3, queued: 1 };

function signal(accepted: Accepted, event: Told, account: Account, now: number): Signal {
  const chat = `${accepted.to.slice(1)}@c.us`;
  const timestamp = Math.floor(now / 1_000);
  const ack = ACKS[event];
  const told =
    ack === undefined
      ? {
          event: 'message',
          payload: {
            id: `false_${chat}_${randomBytes(10).toString('hex').toUpperCase()}`,
            timestamp,
            from: chat,
            fromMe: false,
            body: event === 'unsubscribed' ? 'STOP' : 'Hello back',
          },
        }
      : {
          event: 'message.ack',
          payload: { id: `true_${chat}_${idOf(accepted)}`, timestamp, to: chat, fromMe: true, ack },
        };
  const body = JSON.stringify({ session: SESSION, engine: 'NOWEB', timestamp: now, ...told });
  return {
    headers: {
      'content-type': 'application/json',
      'x-webhook-hmac': createHmac('sha512', account.secrets.webhook).update(body).digest('hex'),
      'x-webhook-hmac-algorithm': 'sha512',
    },
    body,
  };
}

export const waha: Dialect = {
  provider: 'waha',
  events: ['delivered', 'bounced_soft', 'opened', 'unsubscribed', 'received', 'queued'],
  newId: () => `3EB0${randomBytes(14).toString('hex').toUpperCase()}`,
  config: (account, base) => ({
    base_url: `${base}/waha`,
    api_key: account.secrets.key,
    accept_ban_risk: true,
  }),
  webhookSecret: (account) => account.secrets.webhook,
  understand,
  accepted: (message) => ({
    status: 201,
    body: {
      key: { remoteJid: `${message.to.slice(1)}@s.whatsapp.net`, fromMe: true, id: idOf(message) },
      message: { extendedTextMessage: { text: message.text } },
      messageTimestamp: String(Math.floor(Date.parse(message.at) / 1_000)),
      status: 'PENDING',
    },
  }),
  repeated: () => error(500, 'The gateway knows no keys'),
  refused: (why) => REFUSED[why](),
  signal,
};
