/** Sending to chats and systems over a provider's API: what arrives is what was composed, and no outcome says more than is so. */
import { expect, it } from 'vitest';
import type {
  SendOutcome,
  SendRequest,
  WebhookOutcome,
  WebhookRequest,
  WebhookTrust,
} from '../../src/channels/channel.ts';
import type { Signal, Told } from '../../src/channels/sandbox-api/dialect.ts';
import { DIALECTS } from '../../src/channels/sandbox-api/dialects.ts';
import type { Accepted } from '../../src/channels/sandbox-api/message.ts';
import type { FaultName } from '../../src/channels/sandbox-api/plan.ts';
import { newId } from '../../src/kernel/ids.ts';
import type { Message } from '../../src/kernel/message.ts';
import { expectWait, FAULTS, SHORT_MS } from './api-faults.ts';
import type { ApiTarget } from './api-target.ts';

const TIMEOUT_MS = 15_000;
const HOOK = 'https://example.test/hooks/abc';

export type ChatTarget = ApiTarget<Message>;
export type World = () => ChatTarget;

export interface ChatTraits {
  /** A message that names its touch in its text. */
  message(world: ChatTarget, touch: string, to: string): Message;
  /** Whom it is written to, as the sandbox keeps it; another of the same kind. */
  to: [string, string];
  /** As the sender's own address. */
  from(world: ChatTarget): string;
  /** Unlike what most say to a fault. */
  faults?: Partial<Record<FaultName, Partial<Record<string, string>>>>;
  /** Throttling says for how long. */
  throttle_wait: boolean;
  wrong_key: Record<string, unknown>;
  /** A message with these is refused before anything is sent. */
  flaws: [Record<string, unknown>, string][];
  /** Touch and key come back with what the provider tells. */
  echo: boolean;
  tells: Told[];
  /** Sends once under one key: class K. */
  keyed?: true;
  /** Nothing can be tried without sending. */
  untried?: true;
}

export function requestOf(
  target: ChatTarget,
  traits: Pick<ChatTraits, 'message' | 'to'>,
  to = traits.to[0],
  timeout_ms = TIMEOUT_MS,
): SendRequest {
  const touch_id = newId();
  return {
    touch_id,
    idempotency_key: `${touch_id}.1`,
    timeout_ms,
    message: traits.message(target, touch_id, to),
  };
}

export function sends(world: World, traits: ChatTraits): void {
  const request = (to?: string, timeout_ms?: number) => requestOf(world(), traits, to, timeout_ms);

  it('[EXE-6] a text arrives as it was composed, in any script, and the acceptance names it', async () => {
    const { connect, accepted } = world();
    const message = request();
    const outcome = await connect().send(message);
    expect(outcome.kind, JSON.stringify(outcome)).toBe('accepted');
    const [taken, ...more] = await accepted(message.touch_id);
    expect(more).toEqual([]);
    expect(taken!.to).toBe(traits.to[0]);
    expect(taken!.text).toContain('Grüße & 100 % — 你好 + 🎉');
    if (traits.echo)
      expect(taken).toMatchObject({ touch_id: message.touch_id, touch_key: message.idempotency_key });
  });

  for (const [fault, taken, usual] of FAULTS) {
    const expected = traits.faults?.[fault] ?? usual;
    it(`${fault}: ${Object.values(expected).join(', ')}, and that is true`, async () => {
      const { sandbox, connect, accepted } = world();
      sandbox.plan({ faults: [{ fault, ms: fault === 'late' ? SHORT_MS + 200 : 20, retry_after_s: 7 }] });
      const message = request(undefined, /silence|late/.test(fault) ? SHORT_MS : TIMEOUT_MS);
      const begun = performance.now();
      const outcome = await connect().send(message);
      expect(outcome).toMatchObject(expected);
      expect(performance.now() - begun).toBeLessThan(SHORT_MS + 1_500);
      // What is kept with the event names nobody.
      expect(JSON.stringify(outcome)).not.toContain(traits.to[0].replace(/^\+/, ''));
      expect(await accepted(message.touch_id)).toHaveLength(taken ? 1 : 0);
      if (fault === 'throttle' && traits.throttle_wait) expectWait(outcome);
    });
  }

  it('a wrong key is bad_credentials, and says nothing about the message', async () => {
    const { connect, accepted } = world();
    const message = request();
    const outcome = await connect(traits.wrong_key).send(message);
    expect(outcome).toMatchObject({ kind: 'refused', permanence: 'transient', reason: 'bad_credentials' });
    expect(await accepted(message.touch_id)).toEqual([]);
  });

  it.each(traits.flaws)(
    'what no provider takes is refused before anything is sent: %j',
    async (flaw, reason) => {
      const message = request();
      Object.assign(message.message, flaw);
      expect(await world().connect().send(message)).toMatchObject({
        kind: 'refused',
        permanence: 'permanent',
        reason,
      });
      expect(await world().accepted(message.touch_id)).toEqual([]);
    },
  );

  it('nothing listening is not_started', async () => {
    const message = request();
    if (message.message.kind === 'webhook') message.message.url = 'http://127.0.0.1:1/hook';
    const config = message.message.kind === 'webhook' ? {} : { base_url: 'http://127.0.0.1:1' };
    expect(await world().connect(config).send(message)).toEqual({
      kind: 'not_started',
      reason: 'ECONNREFUSED',
    });
  });
}

export function optOuts(world: World, traits: ChatTraits): void {
  it('[CON-8] somebody who told the provider to stop has opted out, and others have not', async () => {
    const target = world();
    const { sandbox, provider, connect, accepted } = target;
    await sandbox.optOut(provider, traits.to[1]);
    const message = requestOf(target, traits, traits.to[1]);
    expect(await connect().send(message)).toMatchObject({
      kind: 'refused',
      permanence: 'permanent',
      reason: 'opted_out',
    });
    expect(await accepted(message.touch_id)).toEqual([]);
    expect((await connect().send(requestOf(target, traits))).kind).toBe('accepted');
  });
}

export function proof(world: World, traits: ChatTraits): void {
  const request = () => requestOf(world(), traits);

  it('is of the class it says: without keys the same one twice is two messages, with them it is one', async () => {
    const { adapter, connect, accepted } = world();
    const connection = connect();
    expect([adapter.provider_class, connection.provider_class]).toEqual(['N', traits.keyed ? 'K' : 'N']);
    expect(connection.lookup).toBeUndefined();
    const message = request();
    const outcomes: SendOutcome[] = [await connection.send(message), await connection.send(message)];
    expect(outcomes.map(({ kind }) => kind)).toEqual(['accepted', 'accepted']);
    expect(await accepted(message.touch_id)).toHaveLength(traits.keyed ? 1 : 2);
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

export function verifying(world: World, traits: ChatTraits): void {
  const verify = (more: Record<string, unknown> = {}, from = traits.from(world())) => {
    const { adapter, sandbox, provider } = world();
    const config = adapter.config.parse({ ...sandbox.config(provider), ...more });
    return adapter.verify(config, { timeout_ms: 5_000, from });
  };

  it('an account that is in order passes every check, and nothing is sent', async () => {
    const { sandbox, provider } = world();
    const before = sandbox.accounts[provider].messages.length;
    const result = await verify();
    expect(result).toMatchObject({ ok: true, detail: expect.stringContaining('ready to send') });
    expect(sandbox.accounts[provider].messages).toHaveLength(before);
  });

  if (traits.untried) return;

  it('a wrong key is said in words, and is not in them', async () => {
    const result = await verify(traits.wrong_key);
    expect(result.checks.at(-1)).toMatchObject({ name: 'sign_in', ok: false });
    for (const secret of Object.values(traits.wrong_key))
      expect(JSON.stringify(result)).not.toContain(secret);
  });

  it("another's account is named; so is an address where nothing listens", async () => {
    const stranger = await verify({}, traits.from(world()).startsWith('+') ? '+14155550199' : 'another_bot');
    expect(stranger.checks.at(-1)).toMatchObject({ name: 'sender', ok: false });
    const nobody = await verify({ base_url: 'http://127.0.0.1:1' });
    expect(nobody).toMatchObject({ ok: false, detail: expect.stringContaining('Nothing listens at') });
  });
}

const asRequest = ({ headers, body, url }: Signal): WebhookRequest => ({
  headers,
  body: Buffer.from(body),
  url: url ?? HOOK,
});

const FACTS: Partial<Record<Told, Record<string, unknown>>> = {
  delivered: { type: 'delivered' },
  opened: { type: 'opened' },
  bounced_soft: { type: 'bounced', permanence: 'soft' },
};

export function webhooks(world: World, traits: ChatTraits): void {
  const now = Math.floor(Date.now() / 1_000) * 1_000;
  const trust = (more: Partial<WebhookTrust> = {}): WebhookTrust => {
    const { sandbox, provider } = world();
    return {
      secrets: ['another', DIALECTS[provider].webhookSecret(sandbox.accounts[provider])],
      now,
      ...more,
    };
  };
  const receive = (call: WebhookRequest, with_ = trust()): WebhookOutcome =>
    world().adapter.webhook!.receive(call, with_);
  const told = async (event: Told) => {
    const target = world();
    const { sandbox, provider, connect, accepted } = target;
    const message = requestOf(target, traits);
    const outcome = await connect().send(message);
    expect(outcome.kind).toBe('accepted');
    const taken: Accepted = (await accepted(message.touch_id))[0]!;
    const provider_id = outcome.kind === 'accepted' ? outcome.provider_id : undefined;
    const signal = DIALECTS[provider].signal(taken, event, sandbox.accounts[provider], now, HOOK);
    return { message, provider_id, signal };
  };

  it.each(traits.tells.filter((event) => event in FACTS))(
    '%s is read, with the id that the acceptance gave',
    async (event) => {
      const { message, provider_id, signal } = await told(event);
      const got = receive(asRequest(signal));
      const echo = { touch_id: message.touch_id, idempotency_key: message.idempotency_key };
      expect(got).toMatchObject({
        kind: 'events',
        ignored: 0,
        events: [
          {
            ...FACTS[event],
            at: new Date(now),
            provider_id,
            recipient: traits.to[0],
            ...(traits.echo ? echo : {}),
          },
        ],
      });
      // The same event again is the same event.
      expect(receive(asRequest(signal))).toEqual(got);
    },
  );

  it('[CON-8] a wish to stop is read as an opt-out of whoever wrote it', async () => {
    const { signal } = await told('unsubscribed');
    expect(receive(asRequest(signal))).toMatchObject({
      kind: 'events',
      events: [{ type: 'unsubscribed', recipient: traits.to[0] }],
    });
  });

  it('what somebody writes is told, with who wrote it and when', async () => {
    const { signal } = await told('received');
    const got = receive(asRequest(signal));
    expect(got).toMatchObject({
      kind: 'events',
      events: [{ type: 'message_received', text: 'Hello back', recipient: traits.to[0], at: new Date(now) }],
    });
    if (got.kind === 'events') expect(got.events[0]).not.toHaveProperty('provider_id');
  });

  it('what is only on its way, or changed later, is no event', async () => {
    const { signal } = await told('queued');
    expect(receive(asRequest(signal))).toEqual({ kind: 'events', events: [], ignored: 1 });
  });

  it('a call under another secret, without a signature, or while no secret is kept is refused', async () => {
    const { signal } = await told('received');
    expect(receive(asRequest(signal), trust({ secrets: ['another'] }))).toMatchObject({
      kind: 'refused',
      reason: 'bad_signature',
    });
    expect(receive(asRequest({ ...signal, headers: {} }))).toMatchObject({ kind: 'refused' });
    expect(receive(asRequest(signal), trust({ secrets: [] }))).toMatchObject({ reason: 'no_secret' });
  });

  it('nonsense is refused and never throws, also under the right secret', async () => {
    const { sandbox, provider } = world();
    const { signal } = await told('received');
    for (const body of ['', 'null', '[]', '{', '{"entry": 3, "payload": 4, "update_id": "x"}', '\u0000']) {
      expect(receive({ headers: {}, body: Buffer.from(body) })).toMatchObject({ kind: 'refused' });
      const outcome = receive(asRequest({ ...signal, body }), trust());
      expect(outcome, `${provider} ${body} ${sandbox.port}`).toMatchObject({ kind: 'refused' });
    }
  });
}
