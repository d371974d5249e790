/**
 * Calls of Twilio: what became of a message, and messages that come in. Signed by HMAC-SHA1 over the exact address and
 * the sorted fields, under the account's auth token (twilio.com/docs/usage/webhooks/webhooks-security); no time is signed,
 * so a repetition is known by its id alone. That is drawn from the content: Twilio gives none.
 */
import { createHmac } from 'node:crypto';
import type { Webhook, WebhookEvent, WebhookFact, WebhookRequest, WebhookTrust } from '../channel.ts';
import { detailOf, drawnId, header, refused, sameSecret } from '../http/hook.ts';
import { costOf } from '../sms/cost.ts';
import { echoedIn } from '../sms/echo.ts';
import { saysStop } from '../sms/stop-words.ts';
import { OPTED_OUT, UNKNOWN_NUMBER } from './errors.ts';

export const twilioWebhook: Webhook = {
  secret: "The account's auth token.",
  receive(request, trust) {
    const fields = new URLSearchParams(request.body.toString('utf8'));
    const flaw = unsigned(request, fields, trust);
    if (flaw) return flaw;
    if (!fields.has('MessageSid')) return refused('unreadable', 'The call names no message.');
    const event = fields.has('MessageStatus') ? report(request, fields, trust) : incoming(fields, trust);
    return { kind: 'events', events: event ? [event] : [], ignored: event ? 0 : 1 };
  },
};

function unsigned(request: WebhookRequest, fields: URLSearchParams, trust: WebhookTrust) {
  if (trust.secrets.length === 0) return refused('no_secret', 'No auth token is kept.');
  const given = header(request, 'x-twilio-signature');
  if (given === undefined || request.url === undefined)
    return refused('bad_signature', 'The signature or the address it covers is missing.');
  const names = [...new Set(fields.keys())].sort();
  const signed = request.url + names.map((name) => name + fields.getAll(name).join('')).join('');
  const fits = trust.secrets.map((secret) =>
    sameSecret(given, createHmac('sha1', secret).update(signed).digest('base64')),
  );
  return fits.includes(true) ? null : refused('bad_signature', 'The signature fits none of the secrets.');
}

/** Of a message that was sent. */
function report(
  request: WebhookRequest,
  fields: URLSearchParams,
  { now }: WebhookTrust,
): WebhookEvent | null {
  const [id, status] = [fields.get('MessageSid')!, fields.get('MessageStatus')!];
  const code = fields.get('ErrorCode') ?? '';
  const fact = factOf(status, code);
  if (fact === null) return null;
  const to = fields.get('To');
  return {
    ...fact,
    event_id: drawnId(id, status, code),
    at: new Date(now),
    provider_id: id,
    ...(to === null ? {} : { recipient: to }),
    ...echoedIn(request.url),
    ...(code === '' ? {} : detailOf(code, fields.get('ErrorMessage') ?? undefined)),
    ...costOf(fields.get('Price'), fields.get('PriceUnit')),
  };
}

function factOf(status: string, code: string): WebhookFact | null {
  if (status === 'delivered') return { type: 'delivered' };
  if (status !== 'undelivered' && status !== 'failed') return null;
  if (code === OPTED_OUT) return { type: 'unsubscribed' };
  return { type: 'bounced', permanence: UNKNOWN_NUMBER.has(code) ? 'hard' : 'soft' };
}

/** Of a message that came in: only that its sender wants no more is told. */
function incoming(fields: URLSearchParams, { now }: WebhookTrust): WebhookEvent | null {
  const from = fields.get('From');
  if (from === null) return null;
  if (fields.get('OptOutType') !== 'STOP' && !saysStop(fields.get('Body') ?? '')) return null;
  return {
    type: 'unsubscribed',
    event_id: drawnId(fields.get('MessageSid')!, 'stop'),
    at: new Date(now),
    recipient: from,
  };
}
