/**
 * Event webhooks of SendGrid: a list of events in one call, signed with ECDSA over timestamp and raw body
 * (twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features).
 * `sg_event_id` is the same at each delivery of one event; custom arguments stand beside the event's own fields.
 */
import { createPublicKey, verify } from 'node:crypto';
import type { Webhook, WebhookEvent, WebhookRequest, WebhookTrust } from '../channel.ts';
import { detailOf, drawnId, header, refused, staleness, timeOf } from '../http/hook.ts';
import { at, jsonValue, text } from '../http/json.ts';
import { ECHO_KEY, ECHO_TOUCH, echoed } from '../mail/format.ts';

const PREFIX = 'x-twilio-email-event-webhook';

export const sendgridWebhook: Webhook = {
  secret: 'The verification key of the signed event webhook in SendGrid (base64).',
  receive(request, trust) {
    const flaw = unsigned(request, trust);
    if (flaw) return flaw;
    const list = jsonValue(request.body.toString('utf8'));
    if (!Array.isArray(list)) return refused('unreadable', 'The body is no list of events.');
    const events = list.flatMap((one) => eventOf(one, trust.now) ?? []);
    return { kind: 'events', events, ignored: list.length - events.length };
  },
};

function unsigned(request: WebhookRequest, trust: WebhookTrust) {
  if (trust.secrets.length === 0) return refused('no_secret', 'No verification key is kept.');
  const signature = header(request, `${PREFIX}-signature`);
  const timestamp = header(request, `${PREFIX}-timestamp`);
  if (!signature || !timestamp) return refused('bad_signature', 'The signature headers are missing.');
  const signed = Buffer.concat([Buffer.from(timestamp), request.body]);
  const fits = trust.secrets.some((secret) => fitsKey(secret, signed, Buffer.from(signature, 'base64')));
  if (!fits) return refused('bad_signature', 'The signature fits none of the keys.');
  return staleness(timestamp, trust);
}

function fitsKey(secret: string, signed: Buffer, signature: Buffer): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(secret, 'base64'), format: 'der', type: 'spki' });
    return verify('sha256', signed, key, signature);
  } catch {
    return false;
  }
}

/** Reasons of `dropped` that are about the address: SendGrid does not write there. */
const SUPPRESSED = /bounced address|invalid|spam report|unsubscribed address/i;

function eventOf(one: unknown, now: number): WebhookEvent | null {
  const name = text(one, 'event');
  const recipient = text(one, 'email');
  // `sg_message_id` is what `X-Message-Id` said, a dot, and where it went.
  const provider_id = text(one, 'sg_message_id')?.split('.')[0];
  const when = at(one, 'timestamp');
  const said = detailOf(text(one, 'status'), text(one, 'reason') ?? text(one, 'response'));
  const base = {
    event_id:
      text(one, 'sg_event_id') ?? drawnId(name, provider_id, recipient, String(when), text(one, 'url')),
    at: timeOf(when) ?? new Date(now),
    ...(provider_id === undefined ? {} : { provider_id }),
    ...(recipient === undefined ? {} : { recipient }),
    ...echoed(text(one, ECHO_TOUCH), text(one, ECHO_KEY)),
  };
  switch (name) {
    case 'delivered':
      return { ...base, type: 'delivered', ...said };
    case 'bounce':
      // `blocked`: refused this time, for the content or the sender; the address stays good.
      return {
        ...base,
        type: 'bounced',
        permanence: text(one, 'type') === 'blocked' ? 'soft' : 'hard',
        ...said,
      };
    case 'dropped': {
      const permanence = SUPPRESSED.test(text(one, 'reason') ?? '') ? 'hard' : 'soft';
      return { ...base, type: 'bounced', permanence, ...said };
    }
    case 'spamreport':
      return { ...base, type: 'complained' };
    case 'unsubscribe':
    case 'group_unsubscribe':
      return { ...base, type: 'unsubscribed' };
    case 'open':
      return { ...base, type: 'opened', ...(at(one, 'sg_machine_open') === true ? { machine: true } : {}) };
    case 'click': {
      const url = text(one, 'url');
      return { ...base, type: 'clicked', ...(url === undefined ? {} : { url }) };
    }
    default:
      return null;
  }
}
