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
import type { Message } from '../../src/kernel/message.ts';
import { type ApiTraits, faults, inOrder, limits, verifier, wrongKey } from './api-suite.ts';
import { type ApiTarget, requestOf } from './api-target.ts';

const HOOK = 'https://example.test/hooks/abc';

export type ChatTarget = ApiTarget<Message>;
export type World = () => ChatTarget;

export interface ChatTraits extends ApiTraits {
  /** A message that names its touch in its text. */
  message(world: ChatTarget, touch: string, to: string): Message;
  /** Whom it is written to, as the sandbox keeps it; another of the same kind. */
  to: [string, string];
  /** As the sender's own address. */
  from(world: ChatTarget): string;
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

export function chatRequest(
  target: ChatTarget,
  traits: Pick<ChatTraits, 'message' | 'to'>,
  to = traits.to[0],
  timeout_ms?: number,
): SendRequest {
  return requestOf((touch) => traits.message(target, touch, to), timeout_ms);
}

export function sends(world: World, traits: ChatTraits): void {
  const request = (to?: string, timeout_ms?: number) => chatRequest(world(), traits, to, timeout_ms);

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

  faults(world, request, traits.to[0], traits);

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

export function proof(world: World, traits: ChatTraits): void {
  const request = (to?: string, timeout_ms?: number) => chatRequest(world(), traits, to, timeout_ms);

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

  limits(world, request);
}

export function verifying(world: World, traits: ChatTraits): void {
  const verify = verifier(world, () => traits.from(world()));
  inOrder(world, verify, []);
  if (traits.untried) return;
  wrongKey(verify, traits.wrong_key);

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
    const message = chatRequest(target, traits);
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
