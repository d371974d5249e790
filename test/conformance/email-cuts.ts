/** A conversation that breaks: the adapter never claims more than it can know, and what it claims is true. */
import { expect, it } from 'vitest';
import type { SendOutcome } from '../../src/channels/channel.ts';
import type { EmailMessage } from '../../src/kernel/message.ts';
import { type ProxyPlan, type ProxyStage, startFaultProxy } from '../support/fault-proxy.ts';
import { request, TIMEOUT_MS, type World } from './email-target.ts';

const SHORT_MS = 400;
const STAGES: readonly { stage: ProxyStage; outcome: SendOutcome['kind']; large?: true }[] = [
  { stage: 'connect', outcome: 'not_started' },
  { stage: 'banner', outcome: 'not_started' },
  { stage: 'ehlo', outcome: 'not_started' },
  { stage: 'mail', outcome: 'refused' },
  { stage: 'rcpt', outcome: 'refused' },
  { stage: 'data', outcome: 'refused', large: true },
  { stage: 'mid_body', outcome: 'refused', large: true },
  { stage: 'dot', outcome: 'ambiguous' },
];
/** More than the buffers of two sockets can hold (4 and 6 MB), so that whoever stops reading keeps the end from being written. */
const LARGE_BODY = 'All work and no play makes Jack a dull boy.\n'.repeat(280_000);

export function cuts(world: () => World): void {
  for (const how of ['cut', 'stall'] as const) {
    const timeout = how === 'cut' ? TIMEOUT_MS : SHORT_MS;
    for (const { stage, outcome: expected, large } of STAGES) {
      // Composing a large body takes long; that silence inside one ends well is tested below the adapter.
      if (large && how === 'stall') continue;
      const words = how === 'cut' ? 'a connection cut' : 'silence until the time-out';
      it(`[EXE-5] ${words} at ${stage} is ${expected}, and that is true`, async () => {
        const { target, proxy } = world();
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
    const connection = connect({ max_connections: 1 });
    for (let round = 0; round < 15; round += 1) {
      const text = 'x'.repeat(60).concat('\n').repeat(draw(15_000));
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
    const connection = connect({ max_connections: 1 });
    expect((await connection.send(request(target.recipient('ok')))).kind).toBe('accepted');
    proxy.plan({ stage: 'mail', how: 'cut', times: 1 });
    const message = request(target.recipient('ok'));
    expect((await connection.send(message)).kind).toBe('accepted');
    expect(proxy.faults).toBeGreaterThan(0);
  });

  it('nothing listening is not_started', async () => {
    const { target } = world();
    const gone = await startFaultProxy({ port: target.port });
    await gone.stop();
    const outcome = await target.connect(gone.port).send(request(target.recipient('ok')));
    expect(outcome).toMatchObject({
      kind: 'not_started',
      reason: expect.stringContaining(String(gone.port)),
    });
  });
}

/** Sends one message into a plan, then waits until the server can accept nothing any more. */
async function sendBroken(
  { target, proxy, connect }: World,
  plan: ProxyPlan,
  body: Partial<EmailMessage>,
  timeout_ms: number,
): Promise<SendOutcome & { message_id: string }> {
  proxy.plan(plan);
  const message = request(target.recipient('ok'), body, timeout_ms);
  const begun = Date.now();
  const outcome = await connect().send(message);
  expect(Date.now() - begun).toBeLessThan(timeout_ms + 1_000);
  proxy.plan(null);
  await target.settled();
  return { ...outcome, message_id: message.message.message_id };
}
