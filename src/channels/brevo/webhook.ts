/**
 * Webhooks of Brevo (developers.brevo.com/docs/transactional-webhooks). It signs nothing: a call is trusted for the
 * token or the name and password that were given when the webhook was made, or for an address nobody can guess. An
 * event has no id of its own; one is drawn from what it says. Calls may hold one event or, batched, a list.
 */
import type { Webhook, WebhookEvent } from '../channel.ts';
import { authorized, detailOf, drawnId, refused, timeOf } from '../http/hook.ts';
import { at, isObject, jsonObject, jsonValue, text } from '../http/json.ts';
import { ECHO_KEY, ECHO_TOUCH, echoed } from '../mail/format.ts';

export const brevoWebhook: Webhook = {
  secret: 'The bearer token of the webhook in Brevo, or `name:password`.',
  receive(request, trust) {
    const flaw = authorized(request, trust);
    if (flaw) return flaw;
    const value = jsonValue(request.body.toString('utf8'));
    const list = Array.isArray(value) ? value : [value];
    if (!list.every(isObject)) return refused('unreadable', 'The body is no event.');
    const events = list.flatMap((one) => eventOf(one, trust.now) ?? []);
    return { kind: 'events', events, ignored: list.length - events.length };
  },
};

function eventOf(one: unknown, now: number): WebhookEvent | null {
  const name = text(one, 'event');
  const recipient = text(one, 'email');
  const provider_id = text(one, 'message-id')?.replace(/^<|>$/g, '');
  // `ts_epoch` (milliseconds) is the one time that is UTC for certain; `ts_event` are seconds.
  const epoch = at(one, 'ts_epoch');
  const seconds = typeof epoch === 'number' ? epoch / 1_000 : at(one, 'ts_event');
  const custom = jsonObject(text(one, 'X-Mailin-custom') ?? '');
  const url = text(one, 'link');
  const base = {
    event_id: drawnId(name, provider_id, recipient, String(seconds), url),
    at: timeOf(seconds) ?? new Date(now),
    ...(provider_id === undefined ? {} : { provider_id }),
    ...(recipient === undefined ? {} : { recipient }),
    ...echoed(text(custom, ECHO_TOUCH), text(custom, ECHO_KEY)),
  };
  const said = detailOf(text(one, 'reason'));
  switch (name) {
    case 'delivered':
      return { ...base, type: 'delivered' };
    case 'hard_bounce':
    case 'invalid_email':
    // On the account's blocklist: bounced, complained or unsubscribed before.
    case 'blocked':
      return { ...base, type: 'bounced', permanence: 'hard', ...said };
    case 'soft_bounce':
    case 'error':
      return { ...base, type: 'bounced', permanence: 'soft', ...said };
    case 'spam':
    case 'complaint':
      return { ...base, type: 'complained' };
    case 'unsubscribed':
    case 'unsubscribe':
      return { ...base, type: 'unsubscribed' };
    case 'opened':
    case 'unique_opened':
      return { ...base, type: 'opened' };
    case 'proxy_open':
    case 'unique_proxy_open':
      return { ...base, type: 'opened', machine: true };
    case 'click':
      return { ...base, type: 'clicked', ...(url === undefined ? {} : { url }) };
    default:
      return null;
  }
}
