/** WhatsApp Cloud API as documented: messages of a number, errors by number, templates of the account, signed calls. */
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
import { flawIn, templatesNow } from './whatsapp-templates.ts';

const MAX_CHARS = 4_096;
const MAX_ECHO = 512;
const newId = () => `wamid.${randomBytes(24).toString('base64')}`;

const parameter = z.looseObject({ type: z.string() });
const Message = z.strictObject({
  messaging_product: z.literal('whatsapp'),
  recipient_type: z.literal('individual').optional(),
  to: z.string(),
  type: z.enum(['text', 'template']),
  text: z
    .strictObject({ body: z.string().min(1).max(MAX_CHARS), preview_url: z.boolean().optional() })
    .optional(),
  template: z
    .strictObject({
      name: z.string(),
      language: z.strictObject({ policy: z.literal('deterministic'), code: z.string() }),
      components: z
        .array(
          z.strictObject({
            type: z.enum(['header', 'body', 'button']),
            sub_type: z.enum(['url', 'quick_reply', 'copy_code']).optional(),
            index: z.string().optional(),
            parameters: z.array(parameter),
          }),
        )
        .optional(),
    })
    .optional(),
  biz_opaque_callback_data: z.string().max(MAX_ECHO).optional(),
});

const error = (status: number, code: number, message: string, more: Record<string, unknown> = {}): Reply => ({
  status,
  body: {
    error: {
      message: `(#${code}) ${message}`,
      type: 'OAuthException',
      code,
      fbtrace_id: randomBytes(8).toString('hex'),
      ...more,
    },
  },
});
const no = (...parts: Parameters<typeof error>): Understood => ({ kind: 'answer', reply: error(...parts) });

function understand(incoming: Incoming, account: Account): Understood {
  const { method, headers, query } = incoming;
  if (headers.authorization !== `Bearer ${account.secrets.key}`)
    return no(401, 190, 'Invalid OAuth access token');
  const [, id, resource = ''] = /^\/v\d+\.\d\/(\d+)(\/\w+)?$/.exec(incoming.path) ?? [];
  const number = account.secrets.secret!;
  if (method === 'GET' && id === wabaOf(account) && resource === '/message_templates')
    return answer(
      200,
      templatePage(account, Number(query.get('after') ?? 0), Number(query.get('limit') ?? 25)),
    );
  if (id !== number)
    return no(400, 100, `Unsupported request. Object with ID '${id}' does not exist`, { error_subcode: 33 });
  if (method === 'GET' && resource === '')
    return answer(200, {
      id,
      display_phone_number: account.numbers[0]!.replace(/^\+(\d)(\d{3})/, '+$1 $2-'),
      quality_rating: 'GREEN',
      status: 'CONNECTED',
    });
  if (method === 'POST' && resource === '/messages') return message(incoming, account);
  return no(400, 100, 'Unsupported request');
}

/** Next to the number's. */
function wabaOf({ secrets }: Account): string {
  return String(BigInt(secrets.secret!) + 1n);
}

function templatePage({ template_states }: Account, after: number, limit: number) {
  const templates = templatesNow(template_states);
  const next = after + limit;
  const more = next < templates.length;
  return {
    data: templates.slice(after, next),
    paging: {
      cursors: { before: String(after), after: String(next) },
      ...(more ? { next: 'https://graph.facebook.com/next' } : {}),
    },
  };
}

function message({ headers, body }: Incoming, account: Account): Understood {
  if (!/^application\/json/.test(headers['content-type'] ?? '')) return no(400, 100, 'The body must be JSON');
  const read = Message.safeParse(json(body));
  if (!read.success) {
    const { path, message: said } = firstIssue(read.error);
    return no(400, 100, `Invalid parameter ${path}: ${said}`);
  }
  const { to, type, text, template, biz_opaque_callback_data: echo, ...extra } = read.data;
  const number = to.startsWith('+') ? to : `+${to}`;
  if (!isNumber(number)) return no(400, 131009, 'Parameter value is not valid');
  if (type === 'text' ? !text : !template) return no(400, 131008, 'Required parameter is missing');
  const flaw = template === undefined ? null : flawIn(template, account.template_states);
  if (flaw !== null) return no(400, flaw.code, flaw.message);
  if (account.opted_out.has(number) && template !== undefined)
    return no(400, 131050, 'Recipient has stopped marketing messages from this business');
  const [touch_id = null, touch_key = null] = echo?.split(' ') ?? [];
  const shown = text?.body ?? JSON.stringify(template);
  const from = account.numbers[0]!;
  const submission = textSubmission({ from, to: number, text: shown }, null, { ...extra, type, template });
  return { kind: 'send', submission: { ...submission, touch_id, touch_key } };
}

const REFUSED: Record<Refusal, () => Reply> = {
  address: () => error(400, 131026, 'Message undeliverable'),
  content: () => error(400, 132000, 'Number of parameters does not match the expected number of params'),
  sender: () => error(400, 133010, 'Phone number not registered'),
  unauthorized: () => error(401, 190, 'Invalid OAuth access token'),
  throttle: () => error(400, 130429, 'Rate limit hit'),
  unavailable: () => error(503, 131057, 'Account in maintenance mode'),
};

const STATUS: Partial<Record<Told, Record<string, unknown>>> = {
  delivered: { status: 'delivered' },
  opened: { status: 'read' },
  queued: { status: 'sent' },
  bounced_soft: {
    status: 'failed',
    errors: [
      { code: 131049, title: 'This message was not delivered to maintain healthy ecosystem engagement.' },
    ],
  },
};

function signal(accepted: Accepted, event: Told, account: Account, now: number): Signal {
  const wa_id = accepted.to.slice(1);
  const timestamp = String(Math.floor(now / 1_000));
  const status = STATUS[event];
  const echo =
    accepted.touch_id === null
      ? {}
      : { biz_opaque_callback_data: `${accepted.touch_id} ${accepted.touch_key}` };
  const told = status
    ? { statuses: [{ id: accepted.id, timestamp, recipient_id: wa_id, ...status, ...echo }] }
    : {
        contacts: [{ profile: { name: 'Somebody' }, wa_id }],
        messages: [
          {
            from: wa_id,
            id: newId(),
            timestamp,
            ...(event === 'unsubscribed'
              ? { type: 'button', button: { payload: 'STOP', text: 'Stop promotions' } }
              : { type: 'text', text: { body: 'Hello back' } }),
          },
        ],
      };
  const metadata = {
    display_phone_number: account.numbers[0]!.slice(1),
    phone_number_id: account.secrets.secret,
  };
  const value = { messaging_product: 'whatsapp', metadata, ...told };
  const body = JSON.stringify({
    object: 'whatsapp_business_account',
    entry: [{ id: wabaOf(account), changes: [{ field: 'messages', value }] }],
  });
  const mac = createHmac('sha256', account.secrets.webhook).update(body).digest('hex');
  return {
    headers: { 'content-type': 'application/json', 'x-hub-signature-256': `sha256=${mac}` },
    body,
  };
}

export const whatsappCloud: Dialect = {
  provider: 'whatsapp_cloud',
  events: ['delivered', 'opened', 'bounced_soft', 'unsubscribed', 'received', 'queued'],
  newId,
  config: (account, base) => ({
    base_url: `${base}/whatsapp_cloud`,
    phone_number_id: account.secrets.secret,
    waba_id: wabaOf(account),
    access_token: account.secrets.key,
  }),
  webhookSecret: (account) => account.secrets.webhook,
  understand,
  accepted: ({ id, to }) => ({
    status: 200,
    body: {
      messaging_product: 'whatsapp',
      contacts: [{ input: to, wa_id: to.slice(1) }],
      messages: [{ id, message_status: 'accepted' }],
    },
  }),
  repeated: () => error(500, 131000, 'WhatsApp knows no keys'),
  refused: (why) => REFUSED[why](),
  signal,
};
