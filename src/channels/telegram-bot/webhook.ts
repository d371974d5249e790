/**
 * Calls of Telegram: what people write to the bot, and that they block it. Not signed: each carries the secret that
 * `setWebhook` was given (core.telegram.org/bots/api#setwebhook). Of messages that were sent it tells nothing.
 */
import type { Webhook, WebhookEvent, WebhookRequest, WebhookTrust } from '../channel.ts';
import { header, refused, sameSecret, timeOf } from '../http/hook.ts';
import { at, jsonObject, text } from '../http/json.ts';
import { saysStop } from '../sms/stop-words.ts';

export const telegramWebhook: Webhook = {
  secret: 'The secret_token that setWebhook was given.',
  receive(request, trust) {
    const flaw = unproven(request, trust);
    if (flaw) return flaw;
    const update = jsonObject(request.body.toString('utf8'));
    const id = at(update, 'update_id');
    if (!Number.isSafeInteger(id)) return refused('unreadable', 'The body is no update.');
    const event_id = String(id);
    const event =
      message(event_id, at(update, 'message'), trust) ??
      membership(event_id, at(update, 'my_chat_member'), trust);
    return { kind: 'events', events: event ? [event] : [], ignored: event ? 0 : 1 };
  },
};

function unproven(request: WebhookRequest, { secrets }: WebhookTrust) {
  if (secrets.length === 0) return refused('no_secret', 'No secret token is kept.');
  const given = header(request, 'x-telegram-bot-api-secret-token');
  if (given === undefined) return refused('bad_signature', 'The call carries no secret token.');
  // All are compared, so that time tells nothing of which came close.
  const fits = secrets.map((secret) => sameSecret(given, secret)).includes(true);
  return fits ? null : refused('bad_signature', 'The secret token is none of those that are kept.');
}

/** In which chat, and when; null: it says neither. */
function originOf(event_id: string, value: unknown, { now }: WebhookTrust) {
  const id = at(value, 'chat', 'id');
  if (!Number.isSafeInteger(id)) return null;
  return { event_id, at: timeOf(at(value, 'date')) ?? new Date(now), recipient: String(id) };
}

function message(id: string, value: unknown, trust: WebhookTrust): WebhookEvent | null {
  const origin = originOf(id, value, trust);
  if (origin === null || at(value, 'from', 'is_bot') === true) return null;
  const written = text(value, 'text');
  if (written !== undefined && saysStop(written)) return { ...origin, type: 'unsubscribed' };
  return { ...origin, type: 'message_received', ...(written === undefined ? {} : { text: written }) };
}

/** Whoever blocks the bot in their own chat, or takes it out of a group, wants no more. */
function membership(id: string, value: unknown, trust: WebhookTrust): WebhookEvent | null {
  const origin = originOf(id, value, trust);
  const status = text(value, 'new_chat_member', 'status');
  if (origin === null || (status !== 'kicked' && status !== 'left')) return null;
  return { ...origin, type: 'unsubscribed' };
}
