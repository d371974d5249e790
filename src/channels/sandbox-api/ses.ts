/** Amazon SES v2 as documented: `SendEmail`, `GetAccount`, `GetEmailIdentity`; requests signed, events by way of SNS. */
import { randomUUID, sign } from 'node:crypto';
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
import { signatureFlaw } from './sigv4.ts';

const REGION = 'eu-west-1';

const content = z.strictObject({ Data: z.string(), Charset: z.string().optional() });
const tag = z.string().regex(/^[A-Za-z0-9_-]{1,256}$/);
const Email = z.strictObject({
  FromEmailAddress: z.string(),
  Destination: z.strictObject({ ToAddresses: z.array(z.string()).min(1).max(50) }),
  ReplyToAddresses: z.array(z.string()).optional(),
  Content: z.strictObject({
    Simple: z.strictObject({
      Subject: content,
      Body: z.strictObject({ Text: content.optional(), Html: content.optional() }),
      Headers: z
        .array(
          z.strictObject({
            Name: z.string().regex(/^[!-9;-~]{1,126}$/),
            Value: z.string().regex(/^[ -~]{1,870}$/),
          }),
        )
        .max(15)
        .optional(),
    }),
  }),
  EmailTags: z
    .array(z.strictObject({ Name: tag, Value: tag }))
    .max(50)
    .optional(),
  ConfigurationSetName: z.string().optional(),
});

const error = (status: number, type: string, message: string): Reply => ({
  status,
  headers: { 'x-amzn-errortype': type },
  body: { message },
});

function understand(incoming: Incoming, account: Account): Understood {
  const { method, path } = incoming;
  const no = (...parts: Parameters<typeof error>): Understood => ({ kind: 'answer', reply: error(...parts) });
  const flaw = signatureFlaw(incoming, {
    key: account.secrets.key,
    secret: account.secrets.secret!,
    region: REGION,
  });
  if (flaw) return no(403, flaw.type, flaw.message);
  if (method === 'GET' && path === '/v2/email/account')
    return answer(200, { SendingEnabled: true, ProductionAccessEnabled: true, EnforcementStatus: 'HEALTHY' });
  const identity = /^\/v2\/email\/identities\/([^/]+)$/.exec(path)?.[1];
  if (method === 'GET' && identity !== undefined)
    return account.domains.includes(decodeURIComponent(identity))
      ? answer(200, { IdentityType: 'DOMAIN', VerifiedForSendingStatus: true, VerificationStatus: 'SUCCESS' })
      : no(404, 'NotFoundException', 'Email identity does not exist.');
  if (path !== '/v2/email/outbound-emails') return no(404, 'UnknownOperationException', 'Unknown operation.');
  if (method !== 'POST') return no(405, 'UnknownOperationException', 'Unknown operation.');
  const read = Email.safeParse(json(incoming.body));
  if (!read.success) {
    const { path: field, message } = firstIssue(read.error);
    return no(400, 'BadRequestException', `Content ${field}: ${message}`);
  }
  return email(read.data, account, no);
}

function email(
  mail: z.infer<typeof Email>,
  account: Account,
  no: (...parts: Parameters<typeof error>) => Understood,
): Understood {
  const from = parseMailbox(mail.FromEmailAddress);
  if (!from) return no(400, 'BadRequestException', 'Missing or invalid From header.');
  if (!account.domains.includes(domainOf(from.address)))
    return no(400, 'MessageRejected', `Email address is not verified. Region ${REGION}: ${from.address}`);
  const to = parseMailbox(mail.Destination.ToAddresses[0]);
  if (!to) return no(400, 'BadRequestException', 'Illegal address in destination.');
  const { Subject, Body, Headers = [] } = mail.Content.Simple;
  if (!Body.Text && !Body.Html) return no(400, 'BadRequestException', 'The body is empty.');
  const headers = Object.fromEntries(Headers.map(({ Name, Value }) => [Name, Value]));
  const flaw = headerFlaw(headers, [
    'from',
    'to',
    'subject',
    'reply-to',
    'content-type',
    'date',
    'message-id',
  ]);
  if (flaw) return no(400, 'BadRequestException', flaw);
  const tags = Object.fromEntries((mail.EmailTags ?? []).map(({ Name, Value }) => [Name, Value]));
  return {
    kind: 'send',
    submission: {
      touch_id: tags.touch_id ?? null,
      touch_key: tags.touch_key?.replace(/_(\d+)$/, '.$1') ?? null,
      idempotency_key: null,
      message_id: null,
      from: from.address,
      to: to.address,
      reply_to: parseMailbox(mail.ReplyToAddresses?.[0])?.address ?? null,
      subject: Subject.Data,
      text: Body.Text?.Data ?? null,
      html: Body.Html?.Data ?? null,
      headers,
      extra: { tags, configuration_set: mail.ConfigurationSetName ?? null, from_name: from.name },
    },
  };
}

const REFUSED: Record<Refusal, () => Reply> = {
  address: () => error(400, 'BadRequestException', 'Domain contains illegal character in destination.'),
  content: () => error(400, 'MessageRejected', 'The message contains prohibited content.'),
  sender: () => error(400, 'MessageRejected', 'Email address is not verified.'),
  unauthorized: () => error(403, 'UnrecognizedClientException', 'The security token included is invalid.'),
  throttle: () => error(400, 'ThrottlingException', 'Maximum sending rate exceeded.'),
  unavailable: () => error(503, 'ServiceUnavailableException', 'Service Unavailable'),
};

const NAMES: Record<EventName, string> = {
  delivered: 'Delivery',
  bounced_hard: 'Bounce',
  bounced_soft: 'Bounce',
  complained: 'Complaint',
  opened: 'Open',
  clicked: 'Click',
  unsubscribed: 'Subscription',
  queued: 'Send',
};

function detail(message: Accepted, event: EventName, timestamp: string): Record<string, unknown> {
  const recipient = { emailAddress: message.to, status: '5.1.1', diagnosticCode: 'smtp; 550 5.1.1 unknown' };
  const DETAIL: Record<EventName, Record<string, unknown>> = {
    delivered: { recipients: [message.to], smtpResponse: '250 OK' },
    bounced_hard: { bounceType: 'Permanent', bounceSubType: 'General', bouncedRecipients: [recipient] },
    bounced_soft: { bounceType: 'Transient', bounceSubType: 'MailboxFull', bouncedRecipients: [recipient] },
    complained: { complainedRecipients: [{ emailAddress: message.to }], complaintFeedbackType: 'abuse' },
    opened: { userAgent: 'x', ipAddress: '192.0.2.1' },
    clicked: { link: 'https://example.com/', userAgent: 'x' },
    unsubscribed: { contactList: 'all', newTopicPreferences: { unsubscribeAll: true } },
    queued: {},
  };
  return { timestamp, ...DETAIL[event] };
}

function signal(message: Accepted, event: EventName, account: Account, now: number): Signal {
  const time = new Date(now).toISOString();
  const name = NAMES[event];
  const tags = Object.fromEntries(
    Object.entries(message.extra.tags as Record<string, string>).map(([key, value]) => [key, [value]]),
  );
  const mail = { messageId: message.id, timestamp: message.at, destination: [message.to], tags };
  const signedFields = {
    Message: JSON.stringify({ eventType: name, mail, [name.toLowerCase()]: detail(message, event, time) }),
    MessageId: randomUUID(),
    Subject: 'Amazon SES Email Event Notification',
    Timestamp: time,
    TopicArn: account.secrets.webhook,
    Type: 'Notification',
  };
  const written = Object.entries(signedFields)
    .map(([key, value]) => `${key}\n${value}\n`)
    .join('');
  const Signature = sign('sha256', Buffer.from(written), account.signingKey()).toString('base64');
  const SigningCertURL = `https://sns.${REGION}.amazonaws.com/SimpleNotificationService-sandbox.pem`;
  return {
    headers: { 'content-type': 'text/plain; charset=UTF-8', 'x-amz-sns-message-type': 'Notification' },
    body: JSON.stringify({ ...signedFields, SignatureVersion: '2', Signature, SigningCertURL }),
  };
}

export const ses: Dialect = {
  provider: 'ses',
  config: ({ secrets }, base) => ({
    base_url: `${base}/ses`,
    region: REGION,
    access_key_id: secrets.key,
    secret_access_key: secrets.secret,
  }),
  webhookSecret: (account) => account.secrets.webhook,
  understand,
  accepted: ({ id }) => ({ status: 200, body: { MessageId: id } }),
  repeated: () => error(500, 'InternalFailure', 'SES knows no keys.'),
  refused: (why) => REFUSED[why](),
  signal,
};
