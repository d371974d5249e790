/**
 * Calls of the gateway: what became of a message, and what people write. Signed by HMAC-SHA512 over the body under the key
 * that the session's webhook was given (waha.devlike.pro/docs/how-to/events); no time is signed.
 */
import { createHmac } from 'node:crypto';
import type { Webhook, WebhookEvent, WebhookFact, WebhookRequest, WebhookTrust } from '../channel.ts';
import { drawnId, header, refused, sameSecret, timeOf } from '../http/hook.ts';
import { at, isObject, jsonObject, text } from '../http/json.ts';
import { saysStop } from '../sms/stop-words.ts';
import { messageIdIn } from './message-id.ts';

export const wahaWebhook: Webhook = {
  secret: "The HMAC key of the session's webhook.",
  receive(request, trust) {
    const flaw = unsigned(request, trust);
    if (flaw) return flaw;
    const body = jsonObject(request.body.toString('utf8'));
    const payload = at(body, 'payload');
    if (text(body, 'event') === undefined || !isObject(payload))
      return refused('unreadable', 'The body is no event.');
    const event = read(text(body, 'event')!, payload, trust);
    return { kind: 'events', events: event ? [event] : [], ignored: event ? 0 : 1 };
  },
};

function unsigned(request: WebhookRequest, trust: WebhookTrust) {
  if (trust.secrets.length === 0) return refused('no_secret', 'No HMAC key is kept.');
  const given = header(request, 'x-webhook-hmac');
  if (given === undefined || (header(request, 'x-webhook-hmac-algorithm') ?? 'sha512') !== 'sha512')
    return refused('bad_signature', 'The signature is missing.');
  const fits = trust.secrets.map((secret) =>
    sameSecret(given, createHmac('sha512', secret).update(request.body).digest('hex')),
  );
  return fits.includes(true) ? null : refused('bad_signature', 'The signature fits none of the keys.');
}

function read(event: string, payload: unknown, trust: WebhookTrust): WebhookEvent | null {
  if (event === 'message') return incoming(payload, trust);
  return event === 'message.ack' ? report(payload, trust) : null;
}

/** Of a chat with one person; undefined for groups, and for people whom WhatsApp names by a hidden id. */
function numberIn(chat: string | undefined): string | undefined {
  const digits = /^(\d{7,15})@(c\.us|s\.whatsapp\.net)$/.exec(chat ?? '')?.[1];
  return digits === undefined ? undefined : `+${digits}`;
}

/** How far a message got: -1 an error, 1 their server, 2 the device, 3 read, 4 played. */
function factOf(ack: unknown): WebhookFact | null {
  if (ack === -1) return { type: 'bounced', permanence: 'soft' };
  if (ack === 2) return { type: 'delivered' };
  return ack === 3 ? { type: 'opened' } : null;
}

function report(payload: unknown, { now }: WebhookTrust): WebhookEvent | null {
  const ack = at(payload, 'ack');
  const id = messageIdIn(payload);
  const fact = factOf(ack);
  if (id === undefined || fact === null || at(payload, 'fromMe') === false) return null;
  const recipient = numberIn(text(payload, 'to'));
  return {
    ...fact,
    event_id: drawnId(id, String(ack)),
    at: timeOf(at(payload, 'timestamp')) ?? new Date(now),
    provider_id: id,
    ...(recipient === undefined ? {} : { recipient }),
  };
}

/** Of a message that came in: its sender wants no more, or has written. */
function incoming(payload: unknown, { now }: WebhookTrust): WebhookEvent | null {
  const [recipient, id] = [numberIn(text(payload, 'from')), messageIdIn(payload)];
  if (recipient === undefined || id === undefined || at(payload, 'fromMe') === true) return null;
  const written = text(payload, 'body');
  const base = { event_id: id, at: timeOf(at(payload, 'timestamp')) ?? new Date(now), recipient };
  if (written !== undefined && saysStop(written)) return { ...base, type: 'unsubscribed' };
  return { ...base, type: 'message_received', ...(written === undefined ? {} : { text: written }) };
}
