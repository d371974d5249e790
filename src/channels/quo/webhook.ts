/**
 * Calls of Quo: what became of a message, and messages that come in. Its first API signs `timestamp.body` by HMAC-SHA256
 * under the base64 key of the webhook, in `openphone-signature: hmac;1;<milliseconds>;<signature>`
 * (support.openphone.com, How to use webhooks). Of failures it tells nothing.
 */
import { createHmac } from 'node:crypto';
import type { Webhook, WebhookEvent, WebhookRequest, WebhookTrust } from '../channel.ts';
import { header, refused, sameSecret, staleness, timeOf } from '../http/hook.ts';
import { at, type Json, jsonObject, text } from '../http/json.ts';
import { saysStop } from '../sms/stop-words.ts';

export const quoWebhook: Webhook = {
  secret: 'The signing secret of the webhook, base64, as Quo shows it.',
  receive(request, trust) {
    const flaw = unsigned(request, trust);
    if (flaw) return flaw;
    const call = jsonObject(request.body.toString('utf8'));
    const [id, type] = [text(call, 'id'), text(call, 'type')];
    if (!call || id === undefined || type === undefined)
      return refused('unreadable', 'The body is no event.');
    const event = eventOf(call, id, type, trust.now);
    return { kind: 'events', events: event ? [event] : [], ignored: event ? 0 : 1 };
  },
};

function unsigned(request: WebhookRequest, trust: WebhookTrust) {
  if (trust.secrets.length === 0) return refused('no_secret', 'No signing secret is kept.');
  const [scheme, version, timestamp, given, ...more] = (header(request, 'openphone-signature') ?? '').split(
    ';',
  );
  if (scheme !== 'hmac' || version !== '1' || !timestamp || !given || more.length > 0)
    return refused('bad_signature', 'The header of the signature is missing, or of another kind.');
  const fits = trust.secrets.map((secret) =>
    sameSecret(
      given,
      createHmac('sha256', Buffer.from(secret, 'base64'))
        .update(`${timestamp}.`)
        .update(request.body)
        .digest('base64'),
    ),
  );
  if (!fits.includes(true)) return refused('bad_signature', 'The signature fits none of the secrets.');
  // Seconds in some descriptions, milliseconds on the wire.
  return staleness(timestamp.length > 10 ? timestamp.slice(0, -3) : timestamp, trust);
}

function eventOf(call: Json, id: string, type: string, now: number): WebhookEvent | null {
  const message = at(call, 'data', 'object');
  const base = { event_id: id, at: timeOf(at(call, 'createdAt')) ?? new Date(now) };
  if (type === 'message.delivered') {
    const [provider_id, recipient] = [text(message, 'id'), text(message, 'to', 0) ?? text(message, 'to')];
    return {
      ...base,
      type: 'delivered',
      ...(provider_id === undefined ? {} : { provider_id }),
      ...(recipient === undefined ? {} : { recipient }),
    };
  }
  const from = text(message, 'from');
  if (type !== 'message.received' || from === undefined) return null;
  const said = text(message, 'body') ?? text(message, 'text') ?? '';
  return saysStop(said) ? { ...base, type: 'unsubscribed', recipient: from } : null;
}
