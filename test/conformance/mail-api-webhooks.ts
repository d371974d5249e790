/** Webhooks: the provider's own call is believed and read, anything else is not. */
import { expect, it } from 'vitest';
import type { WebhookOutcome, WebhookRequest, WebhookTrust } from '../../src/channels/channel.ts';
import { EVENTS, type EventName, type Signal } from '../../src/channels/sandbox-api/dialect.ts';
import { DIALECTS } from '../../src/channels/sandbox-api/dialects.ts';
import type { MailApiTarget } from './api-target.ts';
import { request } from './email-target.ts';

const EXPECTED: Record<EventName, Record<string, unknown> | null> = {
  delivered: { type: 'delivered' },
  bounced_hard: { type: 'bounced', permanence: 'hard', detail: expect.any(String) },
  bounced_soft: { type: 'bounced', permanence: 'soft', detail: expect.any(String) },
  complained: { type: 'complained' },
  opened: { type: 'opened' },
  clicked: { type: 'clicked', url: 'https://example.com/' },
  unsubscribed: { type: 'unsubscribed' },
  queued: null,
};

const asRequest = ({ headers, body }: Signal): WebhookRequest => ({ headers, body: Buffer.from(body) });

export function webhooks(world: () => MailApiTarget): void {
  const sent = async () => {
    const message = request('bob@example.test');
    const outcome = await world().connect().send(message);
    expect(outcome.kind).toBe('accepted');
    const [accepted] = await world().accepted(message.touch_id);
    return { message, outcome, accepted: accepted! };
  };
  const trust = (now = Date.now()): WebhookTrust => {
    const { sandbox, provider } = world();
    const account = sandbox.accounts[provider];
    const pinned = provider === 'ses' ? [account.secrets.public_key!] : [];
    return { secrets: ['another-secret', DIALECTS[provider].webhookSecret(account), ...pinned], now };
  };
  const receive = (call: WebhookRequest, with_: WebhookTrust): WebhookOutcome =>
    world().adapter.webhook!.receive(call, with_);

  for (const event of EVENTS) {
    it(`${event} is read, with the touch, the key and the id that the acceptance gave`, async () => {
      const { sandbox, provider } = world();
      const { message, outcome, accepted } = await sent();
      const now = Math.floor(Date.now() / 1_000) * 1_000;
      const signal = DIALECTS[provider].signal(accepted, event, sandbox.accounts[provider], now);
      const got = receive(asRequest(signal), trust());
      // Resend tells of contacts that unsubscribe, not of messages.
      if (EXPECTED[event] === null || (provider === 'resend' && event === 'unsubscribed')) {
        expect(got).toEqual({ kind: 'events', events: [], ignored: 1 });
        return;
      }
      expect(got).toMatchObject({
        kind: 'events',
        ignored: 0,
        events: [
          {
            ...EXPECTED[event],
            event_id: expect.stringMatching(/\S+/),
            at: new Date(now),
            provider_id: (outcome as { provider_id: string }).provider_id,
            touch_id: message.touch_id,
            idempotency_key: message.idempotency_key,
            recipient: 'bob@example.test',
          },
        ],
      });
      // The same event again is the same event.
      expect(receive(asRequest(signal), trust())).toEqual(got);
    });
  }

  it('events of different kinds have different ids', async () => {
    const { sandbox, provider } = world();
    const { accepted } = await sent();
    const ids = EVENTS.flatMap((event) => {
      const signal = DIALECTS[provider].signal(accepted, event, sandbox.accounts[provider], Date.now());
      const got = receive(asRequest(signal), trust());
      return got.kind === 'events' ? got.events.map(({ type, event_id }) => `${type} ${event_id}`) : [];
    });
    // One bounce is one id at Postmark, hard or soft.
    expect(new Set(ids).size).toBeGreaterThanOrEqual(5);
  });

  it('a call under another secret, or changed on the way, is refused', async () => {
    const { sandbox, provider } = world();
    const { accepted } = await sent();
    const signal = DIALECTS[provider].signal(accepted, 'delivered', sandbox.accounts[provider], Date.now());
    const wrong = { ...trust(), secrets: ['arn:aws:sns:eu-west-1:000000000000:another'] };
    expect(receive(asRequest(signal), wrong)).toMatchObject({ kind: 'refused', reason: 'bad_signature' });
    if (['resend', 'sendgrid'].includes(provider)) {
      const changed = { ...signal, body: signal.body.replace('bob@', 'eve@') };
      expect(receive(asRequest(changed), trust())).toMatchObject({ reason: 'bad_signature' });
    }
    if (provider === 'ses') {
      const changed = { ...signal, body: signal.body.replace('bob@', 'eve@') };
      expect(receive(asRequest(changed), trust())).toMatchObject({ reason: 'bad_signature' });
    }
    const bare = { ...signal, headers: {}, body: provider === 'mailgun' ? '{"event-data":{}}' : signal.body };
    if (provider !== 'ses') expect(receive(asRequest(bare), trust())).toMatchObject({ kind: 'refused' });
  });

  it('a signed call from long ago is refused as a replay', async () => {
    const { sandbox, provider } = world();
    if (!['resend', 'sendgrid', 'mailgun'].includes(provider)) return;
    const { accepted } = await sent();
    const now = Date.now();
    const signal = DIALECTS[provider].signal(accepted, 'delivered', sandbox.accounts[provider], now);
    const later = trust(now + 6 * 60_000);
    expect(receive(asRequest(signal), later)).toMatchObject({ kind: 'refused', reason: 'too_old' });
    expect(receive(asRequest(signal), { ...later, tolerance_ms: 600_000 })).toMatchObject({ kind: 'events' });
  });

  it('nonsense is refused and never throws', () => {
    const { provider } = world();
    for (const body of [
      '',
      'null',
      '[]',
      '"x"',
      '{',
      '{"event-data": 3}',
      '{"Type": "Notification"}',
      '[1]',
      '\u0000',
    ]) {
      const got = receive({ headers: {}, body: Buffer.from(body) }, { secrets: [], now: Date.now() });
      if (got.kind === 'events') expect(got.events, `${provider} ${body}`).toEqual([]);
    }
  });
}
