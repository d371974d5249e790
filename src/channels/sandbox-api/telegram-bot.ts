/** Telegram's Bot API as documented: `POST /bot<token>/sendMessage`, errors in words, calls with the secret token. */
import { randomInt } from 'node:crypto';
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
import { textSubmission } from './text.ts';

const MAX_CHARS = 4_096;

const Message = z.strictObject({
  chat_id: z.union([z.string(), z.int()]).transform(String),
  text: z.string(),
  parse_mode: z.enum(['HTML', 'MarkdownV2']).optional(),
  link_preview_options: z.strictObject({ is_disabled: z.boolean() }).optional(),
  disable_notification: z.boolean().optional(),
});

const error = (status: number, description: string, parameters?: Record<string, unknown>): Reply => ({
  status,
  body: { ok: false, error_code: status, description, ...(parameters ? { parameters } : {}) },
});
const no = (...parts: Parameters<typeof error>): Understood => ({ kind: 'answer', reply: error(...parts) });

function understand(incoming: Incoming, account: Account): Understood {
  const [, token, method] = /^\/bot([^/]+)\/(\w+)$/.exec(incoming.path) ?? [];
  if (token === undefined) return no(404, 'Not Found');
  if (token !== account.secrets.key) return no(401, 'Unauthorized');
  if (method === 'getMe') {
    const id = Number(token.split(':')[0]);
    const username = account.secrets.secret;
    return answer(200, { ok: true, result: { id, is_bot: true, first_name: 'Sandbox', username } });
  }
  if (method !== 'sendMessage') return no(404, 'Not Found: method not found');
  const read = Message.safeParse(json(incoming.body));
  if (!read.success) return no(400, `Bad Request: ${firstIssue(read.error).path} is invalid`);
  const { chat_id: to, text, ...extra } = read.data;
  if (to === '') return no(400, 'Bad Request: chat_id is empty');
  if (!/^(-?\d+|@\w+)$/.test(to)) return no(400, 'Bad Request: chat not found');
  if (text.trim() === '') return no(400, 'Bad Request: message text is empty');
  if (text.length > MAX_CHARS) return no(400, 'Bad Request: message is too long');
  if (account.opted_out.has(to)) return no(403, 'Forbidden: bot was blocked by the user');
  const from = account.secrets.secret!;
  return { kind: 'send', submission: textSubmission({ from, to, text }, null, extra) };
}

const REFUSED: Record<Refusal, (retry_after_s: number) => Reply> = {
  address: () => error(400, 'Bad Request: chat not found'),
  content: () => error(400, 'Bad Request: message is too long'),
  sender: () => error(404, 'Not Found'),
  unauthorized: () => error(401, 'Unauthorized'),
  throttle: (seconds) => error(429, `Too Many Requests: retry after ${seconds}`, { retry_after: seconds }),
  unavailable: () => ({ status: 503, body: 'Service Unavailable' }),
};

/** People write, and block; of what was sent nothing is told. */
function signal(accepted: Accepted, event: Told, account: Account, now: number): Signal {
  const date = Math.floor(now / 1_000);
  const id = Number(accepted.to);
  const chat = { id, first_name: 'Somebody', type: 'private' };
  const from = { id, is_bot: false, first_name: 'Somebody' };
  const text = { unsubscribed: '/stop', received: 'Hello back' }[String(event)];
  const update =
    text === undefined
      ? { edited_message: { message_id: 1, date, chat, from, text: 'x' } }
      : { message: { message_id: randomInt(1, 1e9), date, chat, from, text } };
  return {
    headers: {
      'content-type': 'application/json',
      'x-telegram-bot-api-secret-token': account.secrets.webhook,
    },
    body: JSON.stringify({ update_id: randomInt(1, 1e9), ...update }),
  };
}

export const telegramBot: Dialect = {
  provider: 'telegram_bot',
  events: ['unsubscribed', 'received', 'queued'],
  newId: () => String(randomInt(1, 2_000_000_000)),
  config: (account, base) => ({ base_url: `${base}/telegram_bot`, token: account.secrets.key }),
  webhookSecret: (account) => account.secrets.webhook,
  understand,
  accepted: ({ id, to, text, at }) => ({
    status: 200,
    body: {
      ok: true,
      result: {
        message_id: Number(id),
        date: Math.floor(Date.parse(at) / 1_000),
        chat: { id: Number(to), type: 'private' },
        text,
      },
    },
  }),
  repeated: () => error(400, 'Bad Request: Telegram knows no keys'),
  refused: (why, _submission, retry_after_s) => REFUSED[why](retry_after_s),
  signal,
};
