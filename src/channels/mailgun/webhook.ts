/**
 * Webhooks of Mailgun: one event a call, with `signature` in the body: HMAC-SHA256 of timestamp and token under the
 * webhook signing key ("Securing Webhooks" in Mailgun's manual). It does not cover the event itself, so the call is
 * worth no more than the secrecy of its address and TLS; ids make a repetition harmless.
 */
import { createHmac } from 'node:crypto';
import type { Webhook, WebhookEvent, WebhookTrust } from '../channel.ts';
import { detailOf, drawnId, refused, sameSecret, staleness, timeOf } from '../http/hook.ts';
import { at, type Json, jsonObject, text } from '../http/json.ts';
import { ECHO_KEY, ECHO_TOUCH, echoed } from '../mail/format.ts';

export const mailgunWebhook: Webhook = {
  secret: 'The webhook signing key of the Mailgun account.',
  receive(request, trust) {
    const call = jsonObject(request.body.toString('utf8'));
    if (!call) return refused('unreadable', 'The body is no event.');
    const flaw = unsigned(call, trust);
    if (flaw) return flaw;
    const data = at(call, 'event-data');
    if (text(data, 'event') === undefined) return refused('unreadable', 'The body is no event.');
    const event = eventOf(data, trust.now);
    return { kind: 'events', events: event ? [event] : [], ignored: event ? 0 : 1 };
  },
};

function unsigned(call: Json, trust: WebhookTrust) {
  if (trust.secrets.length === 0) return refused('no_secret', 'No signing key is kept.');
  const stamp = at(call, 'signature', 'timestamp');
  const timestamp = typeof stamp === 'number' ? String(stamp) : text(stamp);
  const token = text(call, 'signature', 'token');
  const signature = text(call, 'signature', 'signature');
  if (!timestamp || !token || !signature) return refused('bad_signature', 'The signature is missing.');
  const fits = trust.secrets.some((secret) =>
    sameSecret(signature, createHmac('sha256', secret).update(timestamp).update(token).digest('hex')),
  );
  if (!fits) return refused('bad_signature', 'The signature fits none of the keys.');
  return staleness(timestamp, trust);
}

/** Reasons of a permanent failure that are about the address; others are about this message or its sender. */
const ADDRESS = new Set([
  'bounce',
  'hardfail',
  'suppress-bounce',
  'suppress-complaint',
  'suppress-unsubscribe',
]);

function eventOf(data: unknown, now: number): WebhookEvent | null {
  const name = text(data, 'event');
  const recipient = text(data, 'recipient');
  const provider_id = text(data, 'message', 'headers', 'message-id')?.replace(/^<|>$/g, '');
  const when = at(data, 'timestamp');
  const base = {
    event_id: text(data, 'id') ?? drawnId(name, provider_id, recipient, String(when), text(data, 'url')),
    at: timeOf(when) ?? new Date(now),
    ...(provider_id === undefined ? {} : { provider_id }),
    ...(recipient === undefined ? {} : { recipient }),
    ...echoed(text(data, 'user-variables', ECHO_TOUCH), text(data, 'user-variables', ECHO_KEY)),
  };
  switch (name) {
    case 'delivered':
      return { ...base, type: 'delivered' };
    case 'failed': {
      // Temporary: Mailgun goes on trying, and tells how it ended.
      if (text(data, 'severity') !== 'permanent') return null;
      const reason = text(data, 'reason');
      const status = at(data, 'delivery-status');
      const said = detailOf(reason, text(status, 'message') ?? text(status, 'description'));
      return { ...base, type: 'bounced', permanence: ADDRESS.has(reason ?? '') ? 'hard' : 'soft', ...said };
    }
    case 'rejected':
      return { ...base, type: 'bounced', permanence: 'soft', ...detailOf(text(data, 'reject', 'reason')) };
    case 'complained':
      return { ...base, type: 'complained' };
    case 'unsubscribed':
      return { ...base, type: 'unsubscribed' };
    case 'opened':
      return {
        ...base,
        type: 'opened',
        ...(fetched(text(data, 'client-info', 'bot')) ? { machine: true } : {}),
      };
    case 'clicked': {
      const url = text(data, 'url');
      return { ...base, type: 'clicked', ...(url === undefined ? {} : { url }) };
    }
    default:
      return null;
  }
}

/** Fetched without a person. Gmail's proxy is named a bot as well, and fetches only for somebody who looks. */
function fetched(bot: string | undefined): boolean {
  return bot === 'apple' || bot === 'generic';
}
