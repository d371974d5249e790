/** Twilio as documented: `POST …/Messages.json` as a form, account and numbers, errors by number, signed callbacks. */
import { createHmac, randomBytes } from 'node:crypto';
import type { Account } from './account.ts';
import {
  answer,
  type Dialect,
  type EventName,
  type Incoming,
  type Refusal,
  type Reply,
  type Signal,
  type Understood,
} from './dialect.ts';
import type { Accepted } from './message.ts';
import { callbackOf, isNumber, textSubmission } from './text.ts';

const FIELDS = new Set([
  'From',
  'To',
  'Body',
  'MessagingServiceSid',
  'StatusCallback',
  'ValidityPeriod',
  'SmartEncoded',
]);
const MAX_BODY_CHARS = 1_600;

const error = (status: number, code: number, message: string): Reply => ({
  status,
  body: { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status },
});
const no = (...parts: Parameters<typeof error>): Understood => ({ kind: 'answer', reply: error(...parts) });

function understand(incoming: Incoming, account: Account): Understood {
  const { key, secret } = account.secrets;
  const [, sid, resource] = /^\/2010-04-01\/Accounts\/(AC[0-9a-f]{32})(.*)$/.exec(incoming.path) ?? [];
  if (sid === undefined) return no(404, 20404, 'The requested resource was not found');
  const given = /^Basic (.+)$/.exec(incoming.headers.authorization ?? '')?.[1] ?? '';
  if (Buffer.from(given, 'base64').toString() !== `${key}:${secret}`) return no(401, 20003, 'Authenticate');
  if (sid !== key) return no(404, 20404, 'The requested resource was not found');
  switch (`${incoming.method} ${resource}`) {
    case 'GET .json':
      return answer(200, { sid, status: 'active', type: 'Full', friendly_name: 'Sandbox' });
    case 'GET /IncomingPhoneNumbers.json':
      return answer(200, { incoming_phone_numbers: numbers(account, incoming.query.get('PhoneNumber')) });
    case 'POST /Messages.json':
      return message(incoming, account);
    default:
      return no(404, 20404, 'The requested resource was not found');
  }
}

function numbers({ numbers }: Account, wanted: string | null) {
  return numbers
    .filter((phone_number) => wanted === null || phone_number.includes(wanted))
    .map((phone_number) => ({ phone_number, capabilities: { voice: true, sms: true, mms: false } }));
}

function message({ headers, body }: Incoming, account: Account): Understood {
  if (!/^application\/x-www-form-urlencoded/.test(headers['content-type'] ?? ''))
    return no(400, 21602, 'Message body is required.');
  const form = new URLSearchParams(body);
  const unknown = [...form.keys()].find((name) => !FIELDS.has(name));
  if (unknown !== undefined) return no(400, 20001, `Unknown parameter ${unknown}`);
  const [from, to, text] = [form.get('From'), form.get('To'), form.get('Body')];
  if (!to) return no(400, 21604, "A 'To' phone number is required.");
  if (!isNumber(to)) return no(400, 21211, `The 'To' number ${to} is not a valid phone number.`);
  if (!from) return no(400, 21603, "A 'From' phone number is required.");
  if (!account.numbers.includes(from))
    return no(
      400,
      21606,
      `The 'From' phone number ${from} is not a valid, SMS-capable number of your account.`,
    );
  if (!text) return no(400, 21602, 'Message body is required.');
  if (text.length > MAX_BODY_CHARS)
    return no(400, 21617, 'The concatenated message body exceeds the 1600 character limit.');
  const validity = Number(form.get('ValidityPeriod') ?? 36_000);
  if (!Number.isInteger(validity) || validity < 1 || validity > 36_000)
    return no(400, 21624, 'Invalid validity period value');
  const callback = form.get('StatusCallback');
  if (callback !== null && (!URL.canParse(callback) || new URL(callback).hostname.includes('_')))
    return no(400, 21609, `The 'StatusCallback' URL ${callback} is not a valid URL.`);
  if (account.opted_out.has(to)) return no(400, 21610, 'Attempt to send to unsubscribed recipient');
  const extra = { validity, messaging_service_sid: form.get('MessagingServiceSid') };
  return { kind: 'send', submission: textSubmission({ from, to, text }, callback, extra) };
}

const REFUSED: Record<Refusal, (retry_after_s: number) => Reply> = {
  address: () => error(400, 21211, "The 'To' number is not a valid phone number."),
  content: () => error(400, 21617, 'The concatenated message body exceeds the 1600 character limit.'),
  sender: () =>
    error(400, 21606, "The 'From' phone number is not a valid, SMS-capable number of your account."),
  unauthorized: () => error(401, 20003, 'Authenticate'),
  throttle: (seconds) => ({
    ...error(429, 20429, 'Too Many Requests'),
    headers: { 'retry-after': String(seconds) },
  }),
  unavailable: () => error(503, 20503, 'Service unavailable'),
};

type Told = 'delivered' | 'bounced_hard' | 'bounced_soft' | 'unsubscribed' | 'queued';
const STATUS: Record<Told, Record<string, string>> = {
  delivered: { MessageStatus: 'delivered', SmsStatus: 'delivered' },
  bounced_hard: {
    MessageStatus: 'undelivered',
    ErrorCode: '30005',
    ErrorMessage: 'Unknown destination handset',
  },
  bounced_soft: { MessageStatus: 'undelivered', ErrorCode: '30008', ErrorMessage: 'Unknown error' },
  // The other side writes, to the number it was written from.
  unsubscribed: { SmsStatus: 'received', Body: 'Stop.', OptOutType: 'STOP', NumMedia: '0' },
  queued: { MessageStatus: 'sent', SmsStatus: 'sent' },
};

function signal(accepted: Accepted, event: EventName, account: Account, _now: number, url?: string): Signal {
  const where = callbackOf(accepted.extra, url);
  if (where === undefined) throw new Error('The message names no StatusCallback; say where to call');
  const back = event === 'unsubscribed';
  const fields: Record<string, string> = {
    AccountSid: account.secrets.key,
    ApiVersion: '2010-04-01',
    MessageSid: back ? `SM${randomBytes(16).toString('hex')}` : accepted.id,
    From: back ? accepted.to : accepted.from,
    To: back ? accepted.from : accepted.to,
    ...STATUS[event as Told],
  };
  const signed = Object.keys(fields)
    .sort()
    .reduce((text, name) => text + name + fields[name], where);
  return {
    url: where,
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'x-twilio-signature': createHmac('sha1', account.secrets.webhook).update(signed).digest('base64'),
    },
    body: new URLSearchParams(fields).toString(),
  };
}

export const twilio: Dialect = {
  provider: 'twilio',
  events: ['delivered', 'bounced_hard', 'bounced_soft', 'unsubscribed', 'queued'],
  newId: () => `SM${randomBytes(16).toString('hex')}`,
  config: (account, base) => ({
    base_url: `${base}/twilio`,
    account_sid: account.secrets.key,
    secret: account.secrets.secret,
  }),
  webhookSecret: (account) => account.secrets.webhook,
  understand,
  accepted: ({ id, from, to, text, at, extra }) => ({
    status: 201,
    body: {
      sid: id,
      status: 'queued',
      from,
      to,
      body: text,
      date_created: new Date(at).toUTCString(),
      direction: 'outbound-api',
      num_segments: '1',
      num_media: '0',
      messaging_service_sid: extra.messaging_service_sid,
      error_code: null,
      error_message: null,
    },
  }),
  repeated: () => error(500, 20500, 'Twilio knows no keys.'),
  refused: (why, _submission, retry_after_s) => REFUSED[why](retry_after_s),
  signal,
};
