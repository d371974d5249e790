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
import { newId } from '../../src/kernel/ids.ts';
import type { SmsMessage } from '../../src/kernel/message.ts';
import { expectWait, FAULTS, SHORT_MS } from './api-faults.ts';
import type { ApiTarget } from './api-target.ts';

const TIMEOUT_MS = 15_000;
const BOB = '+4930555200';
const ADA = '+14155550100';
const HOOK = 'https://example.test/hooks/abc';

export type SmsTarget = ApiTarget<SmsMessage>;
type World = () => SmsTarget;

export interface SmsTraits {
  /** Throttling says for how long. */
  throttle_wait: boolean;
  wrong_key: Record<string, unknown>;
  /** Makes the provider call back with touch and key; absent: it gives nothing of ours back. */
  echo?: Record<string, unknown>;
  /** It tells of messages that did not arrive. */
  tells_failures: boolean;
  /** A signed call says when it was made. */
  signs_time: boolean;
}

function request(to = BOB, more: Partial<SmsMessage> = {}, timeout_ms = TIMEOUT_MS): SendRequest<SmsMessage> {
  const touch_id = newId();
  return {
    touch_id,
    idempotency_key: `${touch_id}.1`,
    timeout_ms,
    message: {
      kind: 'sms',
      from: ADA,
      to,
      text: `Hello ${touch_id}`,
      encoding: 'gsm7',
      segments: 1,
      ...more,
    },
  };
}

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

  for (const [fault, taken, expected] of FAULTS) {
    it(`${fault}: ${Object.values(expected).join(', ')}, and that is true`, async () => {
      const { sandbox, connect, accepted } = world();
      sandbox.plan({ faults: [{ fault, ms: fault === 'late' ? SHORT_MS + 200 : 20, retry_after_s: 7 }] });
      const message = request(BOB, {}, /silence|late/.test(fault) ? SHORT_MS : TIMEOUT_MS);
      const begun = performance.now();
      const outcome = await connect().send(message);
      expect(outcome).toMatchObject(expected);
      expect(performance.now() - begun).toBeLessThan(SHORT_MS + 1_500);
      // What is kept with the event names nobody.
      expect(JSON.stringify(outcome)).not.toContain(BOB.slice(1));
      expect(await accepted(message.touch_id)).toHaveLength(taken ? 1 : 0);
      if (fault === 'throttle' && traits.throttle_wait) expectWait(outcome);
    });
  }

  it('[CON-8] somebody who told the provider to stop has opted out, and others have not', async () => {
    const { sandbox, provider, connect, accepted } = world();
    const gone = '+4930555299';
    await sandbox.optOut(provider, gone);
    const message = request(gone);
    expect(await connect().send(message)).toMatchObject({
      kind: 'refused',
      permanence: 'permanent',
      reason: 'opted_out',
    });
    expect(await accepted(message.touch_id)).toEqual([]);
    expect((await connect().send(request())).kind).toBe('accepted');
  });

  it('a wrong key is bad_credentials, and says nothing about the message', async () => {
    const { connect, accepted } = world();
    const message = request();
    const outcome = await connect(traits.wrong_key).send(message);
    expect(outcome).toMatchObject({ kind: 'refused', permanence: 'transient', reason: 'bad_credentials' });
    expect(await accepted(message.touch_id)).toEqual([]);
  });

  it("a number that is not the account's is the sender's fault", async () => {
    const message = request(BOB, { from: '+14155550199' });
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
    const outcome = await nowhere.send(request(BOB, flaw));
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

  it('never starts more than its capacity, and closing lets what is under way end', async () => {
    const { sandbox, connect } = world();
    sandbox.plan({ faults: [{ fault: 'delay', ms: 50 }] });
    const connection = connect({ max_connections: 2 });
    expect(connection.capacity()).toBe(2);
    const sent = [1, 2].map(() => connection.send(request()));
    expect(connection.capacity()).toBe(0);
    expect((await connection.send(request())).kind).toBe('not_started');
    await connection.close();
    expect((await Promise.all(sent)).map(({ kind }) => kind)).toEqual(['accepted', 'accepted']);
  });

  it('a rate bounds how many may start', async () => {
    const connection = world().connect({ max_connections: 5, rate_per_second: 2 });
    const kinds = await Promise.all([1, 2, 3].map(() => connection.send(request())));
    expect(kinds.map(({ kind }) => kind).sort()).toEqual(['accepted', 'accepted', 'not_started']);
  });
}

export function verifying(world: World, { wrong_key }: SmsTraits): void {
  const verify = (more: Record<string, unknown> = {}, from = ADA) => {
    const { adapter, sandbox, provider } = world();
    const config = adapter.config.parse({ ...sandbox.config(provider), ...more });
    return adapter.verify(config, { timeout_ms: 5_000, from });
  };

  it('an account that is in order passes every check, and nothing is sent', async () => {
    const { sandbox, provider } = world();
    const before = sandbox.accounts[provider].messages.length;
    const result = await verify();
    expect(result).toMatchObject({ ok: true, detail: expect.stringContaining('ready to send') });
    expect(result.checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['connect', 'sign_in', 'sender']),
    );
    expect(sandbox.accounts[provider].messages).toHaveLength(before);
  });

  it('a wrong key is said in words, and is not in them', async () => {
    const result = await verify(wrong_key);
    expect(result.checks.at(-1)).toMatchObject({ name: 'sign_in', ok: false });
    for (const secret of Object.values(wrong_key)) expect(JSON.stringify(result)).not.toContain(secret);
  });

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
