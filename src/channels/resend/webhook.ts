/**
 * Webhooks of Resend, signed the Svix way (docs.svix.com/receiving/verifying-payloads/how-manual): HMAC-SHA256 over
 * `id.timestamp.body` under the base64 of the secret after `whsec_`; `svix-signature` holds one `v1,…` or several.
 * `svix-id` is the same at each delivery of one event.
 */
import { createHmac } from 'node:crypto';
import type { Webhook, WebhookEvent, WebhookRequest, WebhookTrust } from '../channel.ts';
import { detailOf, header, refused, sameSecret, staleness, timeOf } from '../http/hook.ts';
import { at, type Json, jsonObject, text } from '../http/json.ts';
import { bareAddress, ECHO_KEY, ECHO_TOUCH, echoed } from '../mail/format.ts';

export const resendWebhook: Webhook = {
  secret: 'The signing secret of the webhook in Resend, `whsec_…`.',
  receive(request, trust) {
    const flaw = unsigned(request, trust);
    if (flaw) return flaw;
    const call = jsonObject(request.body.toString('utf8'));
    const type = text(call, 'type');
    if (!call || type === undefined) return refused('unreadable', 'The body is no event.');
    const event = eventOf(call, type, header(request, 'svix-id')!, trust.now);
    return { kind: 'events', events: event ? [event] : [], ignored: event ? 0 : 1 };
  },
};

function unsigned(request: WebhookRequest, trust: WebhookTrust) {
  if (trust.secrets.length === 0) return refused('no_secret', 'No signing secret is kept.');
  const [id, timestamp, signatures] = ['svix-id', 'svix-timestamp', 'svix-signature'].map((name) =>
    header(request, name),
  );
  if (!id || !timestamp || !signatures) return refused('bad_signature', 'The Svix headers are missing.');
  const given = signatures.split(' ').flatMap((one) => (one.startsWith('v1,') ? [one.slice(3)] : []));
  const expected = trust.secrets.map((secret) =>
    createHmac('sha256', Buffer.from(secret.replace(/^whsec_/, ''), 'base64'))
      .update(`${id}.${timestamp}.`)
      .update(request.body)
      .digest('base64'),
  );
  const fits = given.some((one) => expected.some((other) => sameSecret(one, other)));
  if (!fits) return refused('bad_signature', 'The signature fits none of the secrets.');
  return staleness(timestamp, trust);
}

function eventOf(call: Json, type: string, id: string, now: number): WebhookEvent | null {
  const data = at(call, 'data');
  const provider_id = text(data, 'email_id');
  const recipient = bareAddress(text(data, 'to', 0) ?? text(data, 'to'));
  const base = {
    event_id: id,
    at: timeOf(at(call, 'created_at')) ?? new Date(now),
    ...(provider_id === undefined ? {} : { provider_id }),
    ...(recipient === undefined ? {} : { recipient }),
    ...echoed(text(data, 'tags', ECHO_TOUCH), text(data, 'tags', ECHO_KEY)),
  };
  switch (type) {
    case 'email.delivered':
      return { ...base, type: 'delivered' };
    case 'email.bounced': {
      // The event means rejected for good unless its type says otherwise (older ones have none).
      const kind = text(data, 'bounce', 'type');
      const permanence = kind === 'Transient' || kind === 'Undetermined' ? 'soft' : 'hard';
      const said = detailOf(text(data, 'bounce', 'subType'), text(data, 'bounce', 'message'));
      return { ...base, type: 'bounced', permanence, ...said };
    }
    case 'email.suppressed':
      // Bounced or complained before: Resend does not write there.
      return {
        ...base,
        type: 'bounced',
        permanence: 'hard',
        ...detailOf(text(data, 'suppressed', 'message')),
      };
    case 'email.failed':
      return { ...base, type: 'bounced', permanence: 'soft', ...detailOf(text(data, 'failed', 'reason')) };
    case 'email.complained':
      return { ...base, type: 'complained' };
    case 'email.opened':
      return { ...base, type: 'opened' };
    case 'email.clicked': {
      const url = text(data, 'click', 'link');
      return { ...base, type: 'clicked', ...(url === undefined ? {} : { url }) };
    }
    default:
      return null;
  }
}
