/**
 * Events of SES as Amazon SNS brings them (docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html): an
 * envelope signed with RSA under a certificate of Amazon, which the caller gets and hands in. That proves only that SNS
 * speaks; anybody can have a topic, so the topic must be the one that is kept. `MessageId` is the same at each delivery.
 */
import { createPublicKey, verify } from 'node:crypto';
import type { Webhook, WebhookEvent, WebhookOutcome, WebhookTrust } from '../channel.ts';
import { detailOf, refused, timeOf } from '../http/hook.ts';
import { at, type Json, jsonObject, text } from '../http/json.ts';
import { ECHO_KEY, ECHO_TOUCH, echoed } from '../mail/format.ts';

const AWS_HOST = /^sns\.[a-z0-9-]{3,40}\.amazonaws\.com(\.cn)?$/;
const PEM = '-----BEGIN ';

export const sesWebhook: Webhook = {
  secret:
    "The ARN of the SNS topic; besides, a public key in PEM form is trusted in place of Amazon's certificate.",
  receive(request, trust) {
    const envelope = jsonObject(request.body.toString('utf8'));
    if (!envelope) return refused('unreadable', 'The body is no message of SNS.');
    const flaw = unsigned(envelope, trust);
    if (flaw) return flaw;
    if (text(envelope, 'Type') === 'SubscriptionConfirmation') {
      const url = text(envelope, 'SubscribeURL') ?? '';
      return isAws(url)
        ? { kind: 'confirm', url }
        : refused('unreadable', 'The address to confirm at is not of Amazon.');
    }
    const event = eventOf(jsonObject(text(envelope, 'Message') ?? ''), envelope, trust.now);
    return { kind: 'events', events: event ? [event] : [], ignored: event ? 0 : 1 };
  },
};

const SIGNED = {
  Notification: ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'],
  SubscriptionConfirmation: [
    'Message',
    'MessageId',
    'SubscribeURL',
    'Timestamp',
    'Token',
    'TopicArn',
    'Type',
  ],
  UnsubscribeConfirmation: ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'],
} as const;

function unsigned(envelope: Json, trust: WebhookTrust): WebhookOutcome | null {
  const topics = trust.secrets.filter((secret) => !secret.startsWith(PEM));
  if (topics.length === 0) return refused('no_secret', 'No topic is kept.');
  const fields = SIGNED[text(envelope, 'Type') as keyof typeof SIGNED];
  const signature = text(envelope, 'Signature');
  if (!fields || !signature) return refused('unreadable', 'The body is no message of SNS.');
  if (!topics.includes(text(envelope, 'TopicArn') ?? ''))
    return refused('bad_signature', 'The message is of another topic.');
  const url = text(envelope, 'SigningCertURL') ?? '';
  const pinned = trust.secrets.filter((secret) => secret.startsWith(PEM));
  const certificate = trust.certificates?.get(url);
  if (pinned.length === 0 && certificate === undefined)
    return isAws(url)
      ? { kind: 'certificate', url }
      : refused('bad_signature', 'The certificate is not of Amazon.');
  const written = fields
    .flatMap((field) => {
      const value = text(envelope, field);
      return value === undefined ? [] : [`${field}\n${value}\n`];
    })
    .join('');
  const algorithm = text(envelope, 'SignatureVersion') === '2' ? 'sha256' : 'sha1';
  const keys = isAws(url) && certificate !== undefined ? [...pinned, certificate] : pinned;
  const fits = keys.some((pem) => fitsKey(pem, algorithm, written, signature));
  return fits ? null : refused('bad_signature', 'The signature does not fit the certificate.');
}

function fitsKey(pem: string, algorithm: string, written: string, signature: string): boolean {
  try {
    const key = createPublicKey(pem);
    return verify(algorithm, Buffer.from(written), key, Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}

function isAws(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname, port } = new URL(url);
  return protocol === 'https:' && port === '' && AWS_HOST.test(hostname);
}

function eventOf(event: Json | null, envelope: Json, now: number): WebhookEvent | null {
  // Event publishing says `eventType`, the older notifications of an identity `notificationType`.
  const name = text(event, 'eventType') ?? text(event, 'notificationType');
  const mail = at(event, 'mail');
  const part = name === undefined ? undefined : at(event, name.toLowerCase());
  const provider_id = text(mail, 'messageId');
  const recipient =
    text(part, 'bouncedRecipients', 0, 'emailAddress') ??
    text(part, 'complainedRecipients', 0, 'emailAddress') ??
    text(part, 'recipients', 0) ??
    text(mail, 'destination', 0);
  const base = {
    event_id: text(envelope, 'MessageId')!,
    at: timeOf(at(part, 'timestamp')) ?? timeOf(at(envelope, 'Timestamp')) ?? new Date(now),
    ...(provider_id === undefined ? {} : { provider_id }),
    ...(recipient === undefined ? {} : { recipient }),
    ...echoed(text(mail, 'tags', ECHO_TOUCH, 0), text(mail, 'tags', ECHO_KEY, 0)),
  };
  switch (name) {
    case 'Delivery':
      return { ...base, type: 'delivered', ...detailOf(text(part, 'smtpResponse')) };
    case 'Bounce': {
      const permanence = text(part, 'bounceType') === 'Permanent' ? 'hard' : 'soft';
      const said = detailOf(
        text(part, 'bounceSubType'),
        text(part, 'bouncedRecipients', 0, 'diagnosticCode'),
      );
      return { ...base, type: 'bounced', permanence, ...said };
    }
    case 'Reject':
      return { ...base, type: 'bounced', permanence: 'soft', ...detailOf(text(part, 'reason')) };
    case 'Complaint':
      return { ...base, type: 'complained', ...detailOf(text(part, 'complaintFeedbackType')) };
    case 'Open':
      return { ...base, type: 'opened' };
    case 'Click': {
      const url = text(part, 'link');
      return { ...base, type: 'clicked', ...(url === undefined ? {} : { url }) };
    }
    case 'Subscription':
      return at(part, 'newTopicPreferences', 'unsubscribeAll') === true
        ? { ...base, type: 'unsubscribed' }
        : null;
    default:
      return null;
  }
}
