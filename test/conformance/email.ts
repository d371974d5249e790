/**
 * What every e-mail adapter has to do, whatever stands behind it. Each target brings a real server and says what
 * that server truly accepted; the suite talks to it through a proxy that can break the conversation anywhere.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Connection, EmailMessage, SendOutcome, SendRequest } from '../../src/channels/channel.ts';
import { newId } from '../../src/kernel/ids.ts';
import { type FaultProxy, type ProxyPlan, type ProxyStage, startFaultProxy } from '../support/fault-proxy.ts';

export interface EmailTarget {
  /** The server's own port; the suite puts its proxy before it. */
  port: number;
  /** A connection of the adapter under test to this port. */
  connect(port: number, more?: { max_connections?: number; rate_per_second?: number }): Connection;
  /** The same with a wrong password. */
  connectWithBadCredentials?(port: number): Connection;
  /** The same, unable to ask the server afterwards. */
  connectWithoutLookup?(port: number): Connection;
  /** Whether the server took the message; asked only after `settled`. */
  accepted(message_id: string): Promise<boolean>;
  /** Resolves when the server is done with every conversation, so that nothing can be accepted any more. */
  settled(): Promise<void>;
  /** Makes the server answer so for the recipient, and gives that recipient. */
  recipient(answer: Answer): string;
  stop(): Promise<void>;
}

export type Answer = 'ok' | 'unknown' | 'policy' | 'full' | 'greylisted' | 'later' | 'throttled';

const TIMEOUT_MS = 5_000;
const SHORT_MS = 400;
/** Encoding a large body takes a second of it. */
const LARGE_MS = 3_000;
const STAGES: readonly { stage: ProxyStage; outcome: SendOutcome['kind'] }[] = [
  { stage: 'connect', outcome: 'not_started' },
  { stage: 'banner', outcome: 'not_started' },
  { stage: 'ehlo', outcome: 'not_started' },
  { stage: 'mail', outcome: 'refused' },
  { stage: 'rcpt', outcome: 'refused' },
  { stage: 'data', outcome: 'refused' },
  { stage: 'mid_body', outcome: 'refused' },
  { stage: 'dot', outcome: 'ambiguous' },
];
/** Far more than two sockets' buffers, so that a proxy that stops reading keeps the end from being written. */
const LARGE_BODY = `${'All work and no play makes Jack a dull boy. '.repeat(20)}\n`.repeat(9_000);

interface World {
  target: EmailTarget;
  proxy: FaultProxy;
}

/** `absent` names what is missing for this target; its tests are then skipped by that name. */
export function emailConformance(
  name: string,
  start: () => Promise<EmailTarget>,
  absent: string | null = null,
): void {
  describe.skipIf(absent)(absent === null ? name : `${name} (skipped: ${absent})`, () => {
    let target: EmailTarget;
    let proxy: FaultProxy;
    const open: Connection[] = [];
    const world = (): World & { connect: typeof connect } => ({ target, proxy, connect });
    const connect: EmailTarget['connect'] = (port, more) => {
      const connection = target.connect(port, more);
      open.push(connection);
      return connection;
    };

    beforeAll(async () => {
      target = await start();
      proxy = await startFaultProxy({ port: target.port });
    });
    afterEach(async () => {
      proxy.plan(null);
      proxy.delay(0);
      await Promise.all(open.splice(0).map((connection) => connection.close()));
    });
    afterAll(async () => {
      await proxy?.stop();
      await target?.stop();
    });

    answers(world);
    cuts(world);
    proof(world);
    limits(world);
  });
}

type Worldly = () => World & { connect: EmailTarget['connect'] };

export function request(to: string, more: Partial<EmailMessage> = {}, timeout_ms = TIMEOUT_MS): SendRequest {
  const touch_id = newId();
  return {
    touch_id,
    idempotency_key: `${touch_id}.1`,
    timeout_ms,
    message: {
      kind: 'email',
      from: { name: 'Ada', address: 'ada@example.test' },
      to: { address: to },
      subject: 'Hello',
      text: 'Hello there.\n',
      message_id: `${touch_id}.1@example.test`,
      headers: {},
      ...more,
    },
  };
}

function answers(world: Worldly): void {
  it('[EXE-6] an accepted message is accepted, with what the server called it', async () => {
    const { target, proxy, connect } = world();
    const message = request(target.recipient('ok'));
    const outcome = await connect(proxy.port).send(message);
    expect(outcome).toMatchObject({ kind: 'accepted', provider_id: expect.stringMatching(/\w+/) });
    expect(await target.accepted(message.message.message_id)).toBe(true);
  });

  const refusals: [Answer, Partial<Extract<SendOutcome, { kind: 'refused' }>>][] = [
    ['unknown', { permanence: 'permanent', reason: 'mailbox_unknown' }],
    ['policy', { permanence: 'permanent', reason: 'policy' }],
    ['full', { permanence: 'transient', reason: 'mailbox_full' }],
    ['greylisted', { permanence: 'transient', reason: 'greylisted' }],
    ['later', { permanence: 'transient', reason: 'unavailable' }],
    ['throttled', { permanence: 'throttled', reason: 'throttled' }],
  ];
  for (const [answer, expected] of refusals) {
    it(`a refusal (${answer}) is ${expected.permanence}: ${expected.reason}`, async () => {
      const { target, proxy, connect } = world();
      const message = request(target.recipient(answer));
      const connection = connect(proxy.port);
      expect(await connection.send(message)).toMatchObject({ kind: 'refused', ...expected });
      await connection.close();
      await target.settled();
      expect(await target.accepted(message.message.message_id)).toBe(false);
    });
  }

  it('a refusal leaves the connection usable for the next message', async () => {
    const { target, proxy, connect } = world();
    const connection = connect(proxy.port, { max_connections: 1 });
    const before = proxy.connections.total;
    for (const answer of ['unknown', 'ok', 'later', 'ok'] as const) {
      const outcome = await connection.send(request(target.recipient(answer)));
      expect(outcome.kind).toBe(answer === 'ok' ? 'accepted' : 'refused');
    }
    expect(proxy.connections.total - before).toBe(1);
  });

  it('a wrong password is bad_credentials and does not end the message for good', async () => {
    const { target, proxy } = world();
    if (!target.connectWithBadCredentials) return;
    const connection = target.connectWithBadCredentials(proxy.port);
    const message = request(target.recipient('ok'));
    expect(await connection.send(message)).toMatchObject({
      kind: 'refused',
      permanence: 'transient',
      reason: 'bad_credentials',
    });
    await connection.close();
    await target.settled();
    expect(await target.accepted(message.message.message_id)).toBe(false);
  });
}

function cuts(world: Worldly): void {
  for (const how of ['cut', 'stall'] as const) {
    for (const { stage, outcome: expected } of STAGES) {
      const words = how === 'cut' ? 'a connection cut' : 'silence until the time-out';
      it(`[EXE-5] ${words} at ${stage} is ${expected}, and that is true`, async () => {
        const { target, proxy } = world();
        const large = stage === 'mid_body' || stage === 'data';
        const timeout = how === 'cut' ? TIMEOUT_MS : large ? LARGE_MS : SHORT_MS;
        const body = large ? { text: LARGE_BODY } : {};
        const outcome = await sendBroken(world(), { stage, how, after_bytes: 20_000 }, body, timeout);
        expect(outcome.kind).toBe(expected);
        if (outcome.kind === 'refused') expect(outcome.permanence).toBe('transient');
        expect(proxy.faults).toBeGreaterThan(0);
        expect(await target.accepted(outcome.message_id)).toBe(stage === 'dot');
      });
    }

    for (const stage of ['data', 'before_dot'] as const) {
      it(`a small message, ${how} at ${stage}, is ambiguous although it was not accepted`, async () => {
        const { target } = world();
        const timeout = how === 'cut' ? TIMEOUT_MS : SHORT_MS;
        const outcome = await sendBroken(world(), { stage, how }, {}, timeout);
        // The dot had left this process and only the proxy knows that it went no further.
        expect(outcome.kind).toBe('ambiguous');
        expect(await target.accepted(outcome.message_id)).toBe(false);
      });
    }
  }

  it('a cut at any byte of a message never turns an accepted one into a refused one', async () => {
    const { target, proxy, connect } = world();
    const seed = Date.now() % 1_000_000;
    let state = seed;
    const draw = (below: number): number => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      return state % below;
    };
    const connection = connect(proxy.port, { max_connections: 1 });
    for (let round = 0; round < 25; round += 1) {
      const text = 'x'.repeat(60).concat('\n').repeat(draw(40_000));
      proxy.plan({ stage: 'mid_body', how: 'cut', after_bytes: 1 + draw(text.length + 3_000) });
      const message = request(target.recipient('ok'), { text });
      const outcome = await connection.send(message);
      // A connection that is kept has had its answer; one that was cut may still be worked on.
      if (outcome.kind !== 'accepted') await target.settled();
      const accepted = await target.accepted(message.message.message_id);
      const context = `seed ${seed} round ${round}: ${JSON.stringify(outcome)}`;
      if (outcome.kind === 'accepted') expect(accepted, context).toBe(true);
      if (outcome.kind === 'refused' || outcome.kind === 'not_started') expect(accepted, context).toBe(false);
    }
  });

  it('a kept connection that the server drops in the moment of use costs no try', async () => {
    const { target, proxy, connect } = world();
    const connection = connect(proxy.port, { max_connections: 1 });
    expect((await connection.send(request(target.recipient('ok')))).kind).toBe('accepted');
    proxy.plan({ stage: 'mail', how: 'cut', times: 1 });
    const message = request(target.recipient('ok'));
    expect((await connection.send(message)).kind).toBe('accepted');
    expect(proxy.faults).toBeGreaterThan(0);
  });

  it('nothing listening is not_started', async () => {
    const { target, connect } = world();
    const gone = await startFaultProxy({ port: target.port });
    await gone.stop();
    const outcome = await connect(gone.port).send(request(target.recipient('ok')));
    expect(outcome).toMatchObject({
      kind: 'not_started',
      reason: expect.stringContaining(String(gone.port)),
    });
  });
}

/** Sends one message into a plan, then waits until the server can accept nothing any more. */
async function sendBroken(
  { target, proxy, connect }: ReturnType<Worldly>,
  plan: ProxyPlan,
  body: Partial<EmailMessage>,
  timeout_ms: number,
): Promise<SendOutcome & { message_id: string }> {
  proxy.plan(plan);
  const message = request(target.recipient('ok'), body, timeout_ms);
  const begun = Date.now();
  const outcome = await connect(proxy.port).send(message);
  expect(Date.now() - begun).toBeLessThan(timeout_ms + 1_000);
  proxy.plan(null);
  await target.settled();
  return { ...outcome, message_id: message.message.message_id };
}

function proof(world: Worldly): void {
  const lookup = (connection: Connection, { touch_id, idempotency_key }: SendRequest) =>
    connection.lookup?.({ touch_id, idempotency_key, timeout_ms: TIMEOUT_MS });

  it('[EXE-5] says about a lost answer what its class can prove', async () => {
    const { target, proxy, connect } = world();
    const connection = connect(proxy.port);
    if (connection.provider_class === 'N') {
      expect(connection.lookup).toBeUndefined();
      return;
    }
    const taken = request(target.recipient('ok'));
    proxy.plan({ stage: 'dot', how: 'cut', times: 1 });
    expect((await connection.send(taken)).kind).toBe('ambiguous');
    await target.settled();
    expect(await lookup(connection, taken)).toMatchObject({ kind: 'found', at: expect.any(Date) });

    const lost = request(target.recipient('ok'));
    proxy.plan({ stage: 'before_dot', how: 'cut', times: 1 });
    expect((await connection.send(lost)).kind).toBe('ambiguous');
    await target.settled();
    expect(await lookup(connection, lost)).toEqual({ kind: 'not_found' });

    const resent = { ...taken, idempotency_key: `${taken.touch_id}.2` };
    expect(await lookup(connection, resent)).toEqual({ kind: 'not_found' });
  });

  it('a look-up that gets no answer proves nothing', async () => {
    const { target, proxy } = world();
    const connection = target.connectWithoutLookup?.(proxy.port);
    if (!connection) return;
    expect(await lookup(connection, request(target.recipient('ok')))).toMatchObject({ kind: 'unclear' });
    await connection.close();
  });
}

const INJECTION = 'x\r\nBcc: everyone@example.test';

function limits(world: Worldly): void {
  const injected: [string, Partial<EmailMessage>][] = [
    ['the subject', { subject: INJECTION }],
    ['a name', { from: { name: INJECTION, address: 'ada@example.test' } }],
    ['the recipient', { to: { address: `bob@example.test${INJECTION}` } }],
    ['a message id', { message_id: `a@b>${INJECTION}` }],
    ['a reference', { references: [INJECTION] }],
    ['a header value', { headers: { 'Feedback-ID': INJECTION } }],
    ['a header name', { headers: { 'X-A: b\r\nBcc': 'everyone@example.test' } }],
    ['a bare line feed', { headers: { 'Feedback-ID': 'a\nBcc: everyone@example.test' } }],
    ['a second Subject', { headers: { subject: 'Another' } }],
  ];
  for (const [where, flaw] of injected) {
    it(`a header smuggled in through ${where} is refused before anything is sent`, async () => {
      const { target, proxy, connect } = world();
      const before = proxy.connections.total;
      const message = request(target.recipient('ok'), flaw);
      expect(await connect(proxy.port).send(message)).toMatchObject({
        kind: 'refused',
        permanence: 'permanent',
      });
      expect(proxy.connections.total).toBe(before);
    });
  }

  it('never starts more than its capacity, and says so without touching the server', async () => {
    const { target, proxy, connect } = world();
    const connection = connect(proxy.port, { max_connections: 3 });
    expect(connection.capacity()).toBe(3);
    proxy.delay(50);
    await target.settled();
    proxy.connections.peak = proxy.connections.open;
    const sends = [1, 2, 3].map(() => connection.send(request(target.recipient('ok'))));
    expect(connection.capacity()).toBe(0);
    expect((await connection.send(request(target.recipient('ok')))).kind).toBe('not_started');
    expect((await Promise.all(sends)).map(({ kind }) => kind)).toEqual(['accepted', 'accepted', 'accepted']);
    expect(connection.capacity()).toBe(3);
    expect(proxy.connections.peak).toBe(3);
  });

  it('a rate bounds how many may start', async () => {
    const { target, proxy, connect } = world();
    const connection = connect(proxy.port, { max_connections: 5, rate_per_second: 2 });
    expect(connection.capacity()).toBe(2);
    const first = await Promise.all([1, 2, 3].map(() => connection.send(request(target.recipient('ok')))));
    expect(first.map(({ kind }) => kind).sort()).toEqual(['accepted', 'accepted', 'not_started']);
  });

  it('closing lets a message in progress end', async () => {
    const { target, proxy, connect } = world();
    const connection = connect(proxy.port);
    proxy.delay(50);
    const sending = connection.send(request(target.recipient('ok')));
    await connection.close();
    expect((await sending).kind).toBe('accepted');
    expect(connection.capacity()).toBe(0);
    expect((await connection.send(request(target.recipient('ok')))).kind).toBe('not_started');
  });
}
