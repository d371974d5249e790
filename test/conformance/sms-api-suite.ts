/** Sending text messages over a provider's API: what arrives is what was composed, and no outcome says more than is so. */
import { expect, it } from 'vitest';
import type {
  SendRequest,
  WebhookOutcome,
  WebhookRequest,
  WebhookTrust,
} from '../../src/channels/channel.ts';
import type { Signal } from '../../src/channels/sandbox-api/dialect.ts';
import { DIALECTS } from '../../src/channels/sandbox-api/dialects.ts';
import type { SmsMessage } from '../../src/kernel/message.ts';
import { type ApiTraits, faults, inOrder, limits, optOuts, verifier, wrongKey } from './api-suite.ts';
import { type ApiTarget, requestOf } from './api-target.ts';

const BOB = '+4930555200';
const ADA = '+14155550100';
const HOOK = 'https://example.test/hooks/abc';

export type SmsTarget = ApiTarget<SmsMessage>;
type World = () => SmsTarget;

export interface SmsTraits extends ApiTraits {
  /** Makes the provider call back with touch and key; absent: it gives nothing of ours back. */
  echo?: Record<string, unknown>;
  /** It tells of messages that did not arrive. */
  tells_failures: boolean;
  /** A signed call says when it was made. */
  signs_time: boolean;
}

const request = (to = BOB, timeout_ms?: number, more: Partial<SmsMessage> = {}): SendRequest<SmsMessage> =>
  requestOf(
    (touch) => ({
      kind: 'sms',
      from: ADA,
      to,
      text: `Hello ${touch}`,
      encoding: 'gsm7',
      segments: 1,
      ...more,
    }),
    timeout_ms,
  );

export function sends(world: World, traits: SmsTraits): void {
  it('[EXE-6] a text arrives as it was composed, in any script', async () => {
    const { connect, accepted } = world();
    const message = request();
    message.message.text += '\nGrüße & 100 % — 你好 + 🎉';
    const outcome = await connect(traits.echo).send(message);
    const [taken, ...more] = await accepted(message.touch_id);
    expect(more).toEqual([]);
    expect(taken).toMatchObject({ from: ADA, to: BOB, text: message.message.text });
    expect(outcome).toMatchObject({ kind: 'accepted', provider_id: taken!.id });
    if (traits.echo)
      expect(taken).toMatchObject({ touch_id: message.touch_id, touch_key: message.idempotency_key });
  });

  faults(world, request, BOB, traits);
  optOuts(world, request, '+4930555299');

  it("a number that is not the account's is the sender's fault", async () => {
    const message = request(BOB, undefined, { from: '+14155550199' });
    const outcome = await world().connect().send(message);
    expect(outcome).toMatchObject({ kind: 'refused', permanence: 'permanent', reason: 'sender_rejected' });
  });

  it.each([
    [{ to: '4930555200' }, 'address_rejected'],
    [{ to: '+49 30 555' }, 'address_rejected'],
    [{ from: 'ACME' }, 'sender_rejected'],
    [{ text: ' ' }, 'content_rejected'],
    [{ text: 'x'.repeat(1_601) }, 'content_rejected'],
  ])('what no provider takes is refused before anything is sent: %j', async (flaw, reason) => {
    // Nothing listens there: a call that was made would be not_started.
    const nowhere = world().connect({ base_url: 'http://127.0.0.1:1' });
    const outcome = await nowhere.send(request(BOB, undefined, flaw));
    expect(outcome).toMatchObject({ kind: 'refused', permanence: 'permanent', reason });
  });

  it('nothing listening is not_started', async () => {
    const { connect, provider } = world();
    const config = { base_url: `http://127.0.0.1:1/${provider}` };
    expect(await connect(config).send(request())).toEqual({ kind: 'not_started', reason: 'ECONNREFUSED' });
  });
}

export function proof(world: World): void {
  it('is of the class it says: nothing is promised, the same key twice is two messages', async () => {
    const { adapter, connect, accepted } = world();
    const connection = connect();
    expect([adapter.provider_class, connection.provider_class]).toEqual(['N', 'N']);
    expect(connection.lookup).toBeUndefined();
    const message = request();
    await connection.send(message);
    await connection.send(message);
    expect(await accepted(message.touch_id)).toHaveLength(2);
  });

  limits(world, request);
}

export function verifying(world: World, { wrong_key }: SmsTraits): void {
  const verify = verifier(world, () => ADA);
  inOrder(world, verify, ['connect', 'sign_in', 'sender']);
  wrongKey(verify, wrong_key);

  it("a number that is not the account's is named; so is an address where nothing listens", async () => {
    const stranger = await verify({}, '+14155550199');
    expect(stranger.checks.at(-1)).toMatchObject({ name: 'sender', ok: false });
    expect(stranger.detail).toContain('+14155550199');
    const nobody = await verify({ base_url: 'http://127.0.0.1:1' });
    expect(nobody).toMatchObject({ ok: false, detail: expect.stringContaining('Nothing listens at') });
  });
}

const asRequest = ({ headers, body, url }: Signal): WebhookRequest => ({
  headers,
  body: Buffer.from(body),
  url: url ?? HOOK,
});

export function webhooks(world: World, traits: SmsTraits): void {
  const now = Math.floor(Date.now() / 1_000) * 1_000;
  const trust = (more: Partial<WebhookTrust> = {}): WebhookTrust => {
    const { sandbox, provider } = world();
    const own = DIALECTS[provider].webhookSecret(sandbox.accounts[provider]);
    return { secrets: [Buffer.alloc(32, 1).toString('base64'), own], now, ...more };
  };
  const receive = (call: WebhookRequest, with_ = trust()): WebhookOutcome =>
    world().adapter.webhook!.receive(call, with_);
  const told = async (event: Parameters<(typeof DIALECTS)['twilio']['signal']>[1]) => {
    const { sandbox, provider, connect, accepted } = world();
    const message = request();
    expect((await connect(traits.echo).send(message)).kind).toBe('accepted');
    const [taken] = await accepted(message.touch_id);
    // What the message itself asks for comes before the account's own address.
    const url = event === 'unsubscribed' || !traits.echo ? HOOK : undefined;
    const signal = DIALECTS[provider].signal(taken!, event, sandbox.accounts[provider], now, url);
    return { message, taken: taken!, signal };
  };

  const EXPECTED = {
    delivered: { type: 'delivered' },
    bounced_hard: { type: 'bounced', permanence: 'hard', detail: expect.any(String) },
    bounced_soft: { type: 'bounced', permanence: 'soft', detail: expect.any(String) },
  };
  for (const [event, expected] of Object.entries(EXPECTED)) {
    it(`${event} is read, with the id that the acceptance gave`, async () => {
      if (event !== 'delivered' && !traits.tells_failures) return;
      const { message, taken, signal } = await told(event as keyof typeof EXPECTED);
      const got = receive(asRequest(signal));
      const echo = { touch_id: message.touch_id, idempotency_key: message.idempotency_key };
      expect(got).toMatchObject({
        kind: 'events',
        ignored: 0,
        events: [
          { ...expected, at: new Date(now), provider_id: taken.id, recipient: BOB, ...(traits.echo && echo) },
        ],
      });
      // The same event again is the same event.
      expect(receive(asRequest(signal))).toEqual(got);
    });
  }

  it('[CON-8] STOP is read as an opt-out of whoever wrote it', async () => {
    const { signal } = await told('unsubscribed');
    const got = receive(asRequest(signal));
    expect(got).toMatchObject({ kind: 'events', events: [{ type: 'unsubscribed', recipient: BOB }] });
    if (got.kind === 'events') expect(got.events[0]).not.toHaveProperty('provider_id');
  });

  it('what is only on its way is no event', async () => {
    const { signal } = await told('queued');
    expect(receive(asRequest(signal))).toEqual({ kind: 'events', events: [], ignored: 1 });
  });

  it('a call under another secret, changed on the way, or without a signature is refused', async () => {
    const { signal } = await told('delivered');
    const wrong = trust({ secrets: [Buffer.alloc(32, 1).toString('base64')] });
    expect(receive(asRequest(signal), wrong)).toMatchObject({ kind: 'refused', reason: 'bad_signature' });
    const changed = { ...signal, body: signal.body.replace('555200', '555201') };
    expect(changed.body).not.toBe(signal.body);
    expect(receive(asRequest(changed))).toMatchObject({ reason: 'bad_signature' });
    expect(receive(asRequest({ ...signal, headers: {} }))).toMatchObject({ kind: 'refused' });
    expect(receive(asRequest(signal), trust({ secrets: [] }))).toMatchObject({ reason: 'no_secret' });
  });

  it('a signed call from long ago is refused as a replay, where a time is signed', async () => {
    const { signal } = await told('delivered');
    const later = receive(asRequest(signal), trust({ now: now + 6 * 60_000 }));
    if (traits.signs_time) expect(later).toMatchObject({ kind: 'refused', reason: 'too_old' });
    else expect(later).toMatchObject({ kind: 'events' });
  });

  it('nonsense is refused and never throws', () => {
    for (const body of ['', 'null', '[]', '{', '{"data": 3}', 'a=b&a=c', '\u0000'])
      expect(receive({ headers: {}, body: Buffer.from(body) })).toMatchObject({ kind: 'refused' });
  });
}
