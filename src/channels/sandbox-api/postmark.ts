/** Postmark as documented: `POST /email`, the search for messages, `GET /server`, errors by number. */
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

const STREAMS = ['outbound', 'broadcast'];
const PAGE = 500;

const Email = z.strictObject({
  From: z.string(),
  To: z.string(),
  ReplyTo: z.string().optional(),
  Subject: z.string().optional(),
  HtmlBody: z.string().optional(),
  TextBody: z.string().optional(),
  Tag: z.string().max(1_000).optional(),
  Headers: z.array(z.strictObject({ Name: z.string(), Value: z.string() })).optional(),
  Metadata: z.record(z.string().max(20), z.string().max(80)).optional(),
  MessageStream: z.string().optional(),
  TrackOpens: z.boolean().optional(),
  TrackLinks: z.enum(['None', 'HtmlAndText', 'HtmlOnly', 'TextOnly']).optional(),
});

const error = (status: number, ErrorCode: number, Message: string): Reply => ({
  status,
  body: { ErrorCode, Message },
});

function understand(incoming: Incoming, account: Account): Understood {
  const { method, path, headers } = incoming;
  const no = (...parts: Parameters<typeof error>): Understood => ({ kind: 'answer', reply: error(...parts) });
  if (headers['x-postmark-server-token'] !== account.secrets.key)
    return no(401, 10, 'No Account or Server API tokens were supplied in the HTTP headers.');
  if (!/application\/json/.test(headers.accept ?? '')) return no(415, 0, 'Accept must be application/json.');
  if (method === 'GET' && path === '/server')
    return answer(200, { ID: 1, Name: 'sandbox', DeliveryType: 'Live', Color: 'blue' });
  if (method === 'GET' && path === '/messages/outbound') return search(incoming, account);
  const stream = /^\/message-streams\/([^/]+)$/.exec(path)?.[1];
  if (method === 'GET' && stream !== undefined)
    return STREAMS.includes(stream)
      ? answer(200, { ID: stream, MessageStreamType: 'Transactional' })
      : no(422, 1235, 'The message stream could not be found.');
  if (path !== '/email') return no(404, 0, 'Not found.');
  if (method !== 'POST') return no(405, 0, 'Method not allowed.');
  if (!/^application\/json/.test(headers['content-type'] ?? '')) return no(422, 409, 'JSON required.');
  return email(incoming, account, no);
}

function email(
  { body }: Incoming,
  account: Account,
  no: (...parts: Parameters<typeof error>) => Understood,
): Understood {
  const value = json(body);
  if (value === undefined) return no(422, 402, 'Invalid JSON.');
  const read = Email.safeParse(value);
  if (!read.success) {
    const { path, message } = firstIssue(read.error);
    return no(422, 403, `Incompatible JSON: ${path} ${message}`);
  }
  const mail = read.data;
  const from = parseMailbox(mail.From);
  if (!from) return no(422, 300, `Error parsing 'From': Illegal email address '${mail.From}'.`);
  if (!account.domains.includes(domainOf(from.address)))
    return no(422, 400, `The 'From' address you supplied (${from.address}) is not a Sender Signature.`);
  const to = parseMailbox(mail.To);
  if (!to) return no(422, 300, `Error parsing 'To': Illegal email address '${mail.To}'.`);
  const replyTo = mail.ReplyTo === undefined ? null : parseMailbox(mail.ReplyTo);
  if (mail.ReplyTo !== undefined && !replyTo)
    return no(422, 300, "Error parsing 'ReplyTo': Illegal address.");
  if (!mail.HtmlBody && !mail.TextBody)
    return no(422, 300, 'Provide either email TextBody or HtmlBody or both.');
  if (!STREAMS.includes(mail.MessageStream ?? 'outbound'))
    return no(422, 1235, 'The message stream could not be found.');
  const headers = Object.fromEntries((mail.Headers ?? []).map(({ Name, Value }) => [Name, Value]));
  const flaw = headerFlaw(headers, ['from', 'to', 'subject', 'content-type', 'x-pm-message-id']);
  if (flaw) return no(422, 300, flaw);
  const kept = headerValue(headers, 'X-PM-KeepID') === 'true';
  return {
    kind: 'send',
    submission: {
      touch_id: mail.Metadata?.touch_id ?? null,
      touch_key: mail.Metadata?.touch_key ?? null,
      idempotency_key: null,
      message_id: kept ? bareId(headerValue(headers, 'Message-ID')) : null,
      from: from.address,
      to: to.address,
      reply_to: replyTo?.address ?? null,
      subject: mail.Subject ?? '',
      text: mail.TextBody ?? null,
      html: mail.HtmlBody ?? null,
      headers,
      extra: {
        metadata: mail.Metadata ?? {},
        stream: mail.MessageStream ?? 'outbound',
        from_name: from.name,
      },
    },
  };
}

function search({ query, now }: Incoming, account: Account): Understood {
  const [count, offset] = ['count', 'offset'].map((name) => Number(query.get(name) ?? Number.NaN));
  if (!(count! >= 1 && count! <= PAGE && offset! >= 0))
    return { kind: 'answer', reply: error(422, 600, "Parameters 'count' and 'offset' are required.") };
  const wanted = [...query].flatMap(([name, value]) =>
    name.startsWith('metadata_') ? [[name.slice('metadata_'.length), value] as const] : [],
  );
  const stream = query.get('messagestream') ?? 'outbound';
  const hits = account.visible(now).filter(({ extra }) => {
    const metadata = extra.metadata as Record<string, string>;
    return extra.stream === stream && wanted.every(([name, value]) => metadata[name] === value);
  });
  return answer(200, {
    TotalCount: hits.length,
    Messages: hits
      .toReversed()
      .slice(offset, offset! + count!)
      .map((message) => ({
        MessageID: message.id,
        ReceivedAt: message.at,
        From: message.from,
        Recipients: [message.to],
        Subject: message.subject,
        Status: 'Sent',
        Metadata: message.extra.metadata,
        MessageStream: message.extra.stream,
      })),
  });
}

const REFUSED: Record<Refusal, () => Reply> = {
  address: () => error(422, 406, 'You tried to send to recipient(s) that have been marked as inactive.'),
  content: () => error(422, 300, 'The message could not be read.'),
  sender: () => error(422, 400, 'The From address is not a Sender Signature on your account.'),
  unauthorized: () => error(401, 10, 'The Server Token you provided is not correct.'),
  throttle: () => error(429, 429, 'Rate limit exceeded.'),
  unavailable: () => error(503, 100, 'Maintenance.'),
};

function signal(message: Accepted, event: EventName, account: Account, now: number): Signal {
  const time = new Date(now).toISOString();
  const base = {
    MessageID: message.id,
    Metadata: message.extra.metadata,
    MessageStream: message.extra.stream,
  };
  const bounce = (Type: string, Inactive: boolean) => ({
    RecordType: 'Bounce',
    ID: Number.parseInt(message.id.slice(0, 8), 16),
    Type,
    Inactive,
    Email: message.to,
    BouncedAt: time,
    Details: 'smtp;550 5.1.1 The mailbox said no.',
  });
  const EVENT: Record<EventName, Record<string, unknown>> = {
    delivered: { RecordType: 'Delivery', Recipient: message.to, DeliveredAt: time, Details: '250 OK' },
    bounced_hard: bounce('HardBounce', true),
    bounced_soft: bounce('SoftBounce', false),
    complained: { ...bounce('SpamComplaint', true), RecordType: 'SpamComplaint' },
    opened: { RecordType: 'Open', Recipient: message.to, ReceivedAt: time, FirstOpen: true },
    clicked: {
      RecordType: 'Click',
      Recipient: message.to,
      ReceivedAt: time,
      OriginalLink: 'https://example.com/',
    },
    unsubscribed: {
      RecordType: 'SubscriptionChange',
      Recipient: message.to,
      ChangedAt: time,
      SuppressSending: true,
      SuppressionReason: 'ManualSuppression',
    },
    queued: bounce('Transient', false),
  };
  return {
    headers: {
      'content-type': 'application/json',
      authorization: `Basic ${Buffer.from(account.secrets.webhook).toString('base64')}`,
    },
    body: JSON.stringify({ ...base, ...EVENT[event] }),
  };
}

export const postmark: Dialect = {
  provider: 'postmark',
  config: (account, base) => ({ base_url: `${base}/postmark`, server_token: account.secrets.key }),
  webhookSecret: (account) => account.secrets.webhook,
  understand,
  accepted: (message) => ({
    status: 200,
    body: { To: message.to, SubmittedAt: message.at, MessageID: message.id, ErrorCode: 0, Message: 'OK' },
  }),
  repeated: () => error(500, 0, 'Postmark knows no keys.'),
  refused: (why) => REFUSED[why](),
  signal,
};
