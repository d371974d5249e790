/**
 * Calls of Telnyx: what became of a message, and messages that come in. Signed by Ed25519 over `timestamp|body` under the
 * account's key pair (developers.telnyx.com/docs/messaging/messages/receiving-webhooks).
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Webhook, WebhookEvent, WebhookFact, WebhookRequest, WebhookTrust } from '../channel.ts';
import { detailOf, header, refused, staleness, timeOf } from '../http/hook.ts';
import { at, jsonObject, text } from '../http/json.ts';
import { costOf } from '../sms/cost.ts';
import { echoedIn } from '../sms/echo.ts';
import { saysStop } from '../sms/stop-words.ts';
import { OPTED_OUT, UNKNOWN_NUMBER } from './errors.ts';

export const telnyxWebhook: Webhook = {
  secret: "The account's public key, base64, as the portal shows it.",
  receive(request, trust) {
    const flaw = unsigned(request, trust);
    if (flaw) return flaw;
    const data = at(jsonObject(request.body.toString('utf8')), 'data');
    const [id, type] = [text(data, 'id'), text(data, 'event_type')];
    if (id === undefined || type === undefined) return refused('unreadable', 'The body is no event.');
    const what =
      type === 'message.finalized' ? outcome(data) : type === 'message.received' ? incoming(data) : null;
    if (what === null) return { kind: 'events', events: [], ignored: 1 };
    const when = timeOf(at(data, 'occurred_at')) ?? new Date(trust.now);
    const echo = what.provider_id === undefined ? {} : echoedIn(request.url);
    return { kind: 'events', events: [{ event_id: id, at: when, ...echo, ...what }], ignored: 0 };
  },
};

/** An Ed25519 key in the 32 bytes that Telnyx gives out, with what DER says of its kind before it (RFC 8410). */
const DER_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const RAW_KEY_BYTES = 32;

function keyOf(secret: string): KeyObject | null {
  const raw = Buffer.from(secret, 'base64');
  if (raw.length !== RAW_KEY_BYTES) return null;
  return createPublicKey({ key: Buffer.concat([DER_PREFIX, raw]), format: 'der', type: 'spki' });
}

function unsigned(request: WebhookRequest, trust: WebhookTrust) {
  const keys = trust.secrets.map(keyOf).filter((key) => key !== null);
  if (keys.length === 0) return refused('no_secret', 'No public key is kept.');
  const [signature, timestamp] = ['telnyx-signature-ed25519', 'telnyx-timestamp'].map((name) =>
    header(request, name),
  );
  if (!signature || !timestamp) return refused('bad_signature', 'The headers of the signature are missing.');
  const signed = Buffer.concat([Buffer.from(`${timestamp}|`), request.body]);
  const fits = keys.some((key) => verify(null, signed, key, Buffer.from(signature, 'base64')));
  return fits
    ? staleness(timestamp, trust)
    : refused('bad_signature', 'The signature fits none of the keys.');
}

type What = WebhookFact & Pick<WebhookEvent, 'provider_id' | 'recipient' | 'detail' | 'cost'>;

/** Of a message that was sent; it goes to one recipient. */
function outcome(data: unknown): What | null {
  const payload = at(data, 'payload');
  const fact = factOf(text(payload, 'to', 0, 'status'), codeOf(payload));
  if (fact === null) return null;
  const [provider_id, recipient] = [text(payload, 'id'), text(payload, 'to', 0, 'phone_number')];
  return {
    ...fact,
    ...(provider_id === undefined ? {} : { provider_id }),
    ...(recipient === undefined ? {} : { recipient }),
    ...detailOf(codeOf(payload), text(payload, 'errors', 0, 'title')),
    ...costOf(at(payload, 'cost', 'amount'), at(payload, 'cost', 'currency')),
  };
}

const codeOf = (payload: unknown) => text(payload, 'errors', 0, 'code') ?? '';

function factOf(status: string | undefined, code: string): WebhookFact | null {
  switch (status) {
    case 'delivered':
      return { type: 'delivered' };
    case 'sending_failed':
    case 'delivery_failed':
      if (code === OPTED_OUT) return { type: 'unsubscribed' };
      return { type: 'bounced', permanence: UNKNOWN_NUMBER.has(code) ? 'hard' : 'soft' };
    default:
      // `delivery_unconfirmed`: the carrier says nothing.
      return null;
  }
}

/** Of a message that came in: only that its sender wants no more is told. */
function incoming(data: unknown): What | null {
  const payload = at(data, 'payload');
  const from = text(payload, 'from', 'phone_number');
  if (from === undefined || !saysStop(text(payload, 'text') ?? '')) return null;
  return { type: 'unsubscribed', recipient: from };
}
