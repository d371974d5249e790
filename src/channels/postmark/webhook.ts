/**
 * Webhooks of Postmark (postmarkapp.com/developer/webhooks/webhooks-overview). It signs nothing: a call is trusted for
 * the name and password that stand in the webhook's address, or for an address nobody can guess. Only bounces have an
 * id of their own; the others get one from what they say. Metadata comes back in each.
 */
import type { Webhook, WebhookFact, WebhookOrigin } from '../channel.ts';
import { authorized, detailOf, drawnId, refused, timeOf } from '../http/hook.ts';
import { at, type Json, jsonObject, text } from '../http/json.ts';
import { ECHO_KEY, ECHO_TOUCH, echoed } from '../mail/format.ts';

export const postmarkWebhook: Webhook = {
  secret: '`name:password`, as they stand in the address Postmark calls: https://name:password@…',
  receive(request, trust) {
    const flaw = authorized(request, trust);
    if (flaw) return flaw;
    const call = jsonObject(request.body.toString('utf8'));
    const type = text(call, 'RecordType');
    if (!call || type === undefined) return refused('unreadable', 'The body is no event.');
    const what = whatOf(call, type);
    if (what === null) return { kind: 'events', events: [], ignored: 1 };
    return { kind: 'events', events: [{ ...baseOf(call, type, trust.now), ...what }], ignored: 0 };
  },
};

type What = WebhookFact & { detail?: string };

function baseOf(call: Json, type: string, now: number): WebhookOrigin {
  const when =
    text(call, 'DeliveredAt') ??
    text(call, 'BouncedAt') ??
    text(call, 'ReceivedAt') ??
    text(call, 'ChangedAt');
  const recipient = text(call, 'Recipient') ?? text(call, 'Email');
  const provider_id = text(call, 'MessageID');
  const own = at(call, 'ID');
  const event_id =
    typeof own === 'number' || typeof own === 'string'
      ? `${type}.${own}`
      : drawnId(type, provider_id, recipient, when, text(call, 'OriginalLink'));
  return {
    event_id,
    at: timeOf(when) ?? new Date(now),
    ...(provider_id === undefined ? {} : { provider_id }),
    ...(recipient === undefined ? {} : { recipient }),
    ...echoed(text(call, 'Metadata', ECHO_TOUCH), text(call, 'Metadata', ECHO_KEY)),
  };
}

/** Of the types of bounce: not about this message's end, or not for us. */
const IGNORED = new Set([
  'Transient',
  'AutoResponder',
  'AddressChange',
  'ChallengeVerification',
  'Subscribe',
  'OpenRelayTest',
  'Unconfirmed',
  'InboundError',
]);
const HARD = new Set(['HardBounce', 'BadEmailAddress', 'ManuallyDeactivated']);

function whatOf(call: Json, type: string): What | null {
  const kind = text(call, 'Type') ?? '';
  const said = detailOf(kind, text(call, 'Details') ?? text(call, 'Description'));
  switch (type) {
    case 'Delivery':
      return { type: 'delivered', ...detailOf(text(call, 'Details')) };
    case 'Bounce':
      if (IGNORED.has(kind)) return null;
      if (kind === 'SpamNotification' || kind === 'SpamComplaint') return { type: 'complained', ...said };
      if (kind === 'Unsubscribe') return { type: 'unsubscribed' };
      // `Inactive`: Postmark writes there no more.
      return {
        type: 'bounced',
        permanence: HARD.has(kind) || at(call, 'Inactive') === true ? 'hard' : 'soft',
        ...said,
      };
    case 'SpamComplaint':
      return { type: 'complained', ...said };
    case 'Open':
      return { type: 'opened' };
    case 'Click': {
      const url = text(call, 'OriginalLink');
      return { type: 'clicked', ...(url === undefined ? {} : { url }) };
    }
    case 'SubscriptionChange':
      return suppression(call);
    default:
      return null;
  }
}

function suppression(call: Json): What | null {
  if (at(call, 'SuppressSending') !== true) return null;
  const reason = text(call, 'SuppressionReason');
  if (reason === 'HardBounce') return { type: 'bounced', permanence: 'hard', detail: 'HardBounce' };
  return { type: reason === 'SpamComplaint' ? 'complained' : 'unsubscribed' };
}
