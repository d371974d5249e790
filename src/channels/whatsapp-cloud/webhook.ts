/**
 * Calls of Meta: what became of a message, and what people write. Signed by HMAC-SHA256 over the body under the app's
 * secret (developers.facebook.com/docs/graph-api/webhooks/getting-started); no time is signed, so a repetition is known by
 * its id alone. One call may tell of many.
 */
import { createHmac } from 'node:crypto';
import type {
  SendRequest,
  Webhook,
  WebhookEvent,
  WebhookFact,
  WebhookRequest,
  WebhookTrust,
} from '../channel.ts';
import { detailOf, drawnId, header, refused, sameSecret, timeOf } from '../http/hook.ts';
import { at, jsonObject, text } from '../http/json.ts';
import { saysStop } from '../sms/stop-words.ts';
import { OPTED_OUT } from './errors.ts';

const SEPARATOR = ' ';
/** The quick reply that templates for marketing carry; honouring it is the sender's part. */
const STOP_PROMOTIONS = /^stop (promotions|marketing)$/i;

/** Touch and key as they go along with a message and come back. */
export function echo({
  touch_id,
  idempotency_key,
}: Pick<SendRequest, 'touch_id' | 'idempotency_key'>): string {
  return `${touch_id}${SEPARATOR}${idempotency_key}`;
}

function echoed(data: string | undefined): { touch_id?: string; idempotency_key?: string } {
  const [touch_id, idempotency_key, ...more] = data?.split(SEPARATOR) ?? [];
  return touch_id && idempotency_key && more.length === 0 ? { touch_id, idempotency_key } : {};
}

/** What Meta wants back is a number; more is not repeated to anybody. */
const CHALLENGE = /^[A-Za-z0-9_-]{1,200}$/;

export const whatsappCloudWebhook: Webhook = {
  secret: "The app's secret.",
  challenge(query, { webhook_verify_token: kept }) {
    const [mode, token, challenge] = ['mode', 'verify_token', 'challenge'].map((name) =>
      query.get(`hub.${name}`),
    );
    if (typeof kept !== 'string' || mode !== 'subscribe' || !sameSecret(token ?? '', kept)) return null;
    return CHALLENGE.test(challenge ?? '') ? challenge! : null;
  },
  receive(request, trust) {
    const flaw = unsigned(request, trust);
    if (flaw) return flaw;
    const body = jsonObject(request.body.toString('utf8'));
    const entries = at(body, 'entry');
    if (text(body, 'object') !== 'whatsapp_business_account' || !Array.isArray(entries))
      return refused('unreadable', 'The body is no notification of a WhatsApp account.');
    const values = entries.flatMap((entry) => list(entry, 'changes')).map((change) => at(change, 'value'));
    const told = values.flatMap((value) => [
      ...list(value, 'statuses').map((status) => statusEvent(status, trust)),
      ...list(value, 'messages').map((message) => messageEvent(message, trust)),
      ...list(value, 'user_preferences').map((preference) => preferenceEvent(preference, trust)),
    ]);
    const events = told.filter((event) => event !== null);
    return { kind: 'events', events, ignored: told.length - events.length };
  },
};

function list(value: unknown, field: string): unknown[] {
  const found = at(value, field);
  return Array.isArray(found) ? found : [];
}

function unsigned(request: WebhookRequest, trust: WebhookTrust) {
  if (trust.secrets.length === 0) return refused('no_secret', 'No app secret is kept.');
  const given = /^sha256=([0-9a-f]{64})$/.exec(header(request, 'x-hub-signature-256') ?? '')?.[1];
  if (given === undefined) return refused('bad_signature', 'The signature is missing.');
  const fits = trust.secrets.map((secret) =>
    sameSecret(given, createHmac('sha256', secret).update(request.body).digest('hex')),
  );
  return fits.includes(true) ? null : refused('bad_signature', 'The signature fits none of the secrets.');
}

const whenOf = (seconds: unknown, now: number) => timeOf(Number(seconds ?? Number.NaN)) ?? new Date(now);
const numberOf = (id: string) => (id.startsWith('+') ? id : `+${id}`);

/** Of a message that was sent. */
function statusEvent(value: unknown, { now }: WebhookTrust): WebhookEvent | null {
  const [id, status, recipient] = ['id', 'status', 'recipient_id'].map((field) => text(value, field));
  const error = at(value, 'errors', 0);
  const code = at(error, 'code');
  const fact = factOf(status, code);
  if (id === undefined || fact === null) return null;
  return {
    ...fact,
    event_id: drawnId(id, status, typeof code === 'number' ? code : ''),
    at: whenOf(at(value, 'timestamp'), now),
    provider_id: id,
    ...(recipient === undefined ? {} : { recipient: numberOf(recipient) }),
    ...echoed(text(value, 'biz_opaque_callback_data')),
    ...(error === undefined
      ? {}
      : detailOf(String(code ?? ''), text(error, 'title'), text(error, 'error_data', 'details'))),
  };
}

/** No failure says for certain that there is nobody at a number. */
function factOf(status: string | undefined, code: unknown): WebhookFact | null {
  switch (status) {
    case 'delivered':
      return { type: 'delivered' };
    case 'read':
      return { type: 'opened' };
    case 'failed':
      return code === OPTED_OUT ? { type: 'unsubscribed' } : { type: 'bounced', permanence: 'soft' };
    default:
      // `sent`: on its way; `deleted`: by the recipient.
      return null;
  }
}

/** Of a message that came in: its sender wants no more, or has written, which opens 24 hours for free text. */
function messageEvent(value: unknown, { now }: WebhookTrust): WebhookEvent | null {
  const [id, from] = [text(value, 'id'), text(value, 'from')];
  if (id === undefined || from === undefined) return null;
  const written = text(value, 'text', 'body') ?? text(value, 'button', 'text') ?? replyTitle(value);
  const base = { event_id: id, at: whenOf(at(value, 'timestamp'), now), recipient: numberOf(from) };
  const stops = written !== undefined && (saysStop(written) || STOP_PROMOTIONS.test(written.trim()));
  if (stops) return { ...base, type: 'unsubscribed' };
  return { ...base, type: 'message_received', ...(written === undefined ? {} : { text: written }) };
}

function replyTitle(value: unknown): string | undefined {
  return (
    text(value, 'interactive', 'button_reply', 'title') ?? text(value, 'interactive', 'list_reply', 'title')
  );
}

/** Somebody told WhatsApp itself to stop this business's marketing. */
function preferenceEvent(value: unknown, { now }: WebhookTrust): WebhookEvent | null {
  const [who, wants] = [text(value, 'wa_id'), text(value, 'value')];
  if (who === undefined || wants !== 'stop') return null;
  const when = at(value, 'timestamp');
  return {
    type: 'unsubscribed',
    event_id: drawnId(who, wants, String(when ?? '')),
    at: whenOf(when, now),
    recipient: numberOf(who),
    ...detailOf(text(value, 'detail')),
  };
}
