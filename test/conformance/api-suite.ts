/** What holds of every provider's API, whatever is sent over it. */
import { expect, it } from 'vitest';
import type { SendOutcome, SendRequest, VerifyOutcome } from '../../src/channels/channel.ts';
import type { FaultName } from '../../src/channels/sandbox-api/plan.ts';
import type { Message } from '../../src/kernel/message.ts';
import type { ApiTarget } from './api-target.ts';

const SHORT_MS = 300;

/** Whatever the fault, and whether the message was accepted under it. */
const FAULTS: [FaultName, boolean, Partial<Record<string, string>>][] = [
  ['address', false, { kind: 'refused', permanence: 'permanent', reason: 'address_rejected' }],
  ['content', false, { kind: 'refused', permanence: 'permanent', reason: 'content_rejected' }],
  ['sender', false, { kind: 'refused', reason: 'sender_rejected' }],
  ['unauthorized', false, { kind: 'refused', permanence: 'transient', reason: 'bad_credentials' }],
  ['throttle', false, { kind: 'refused', permanence: 'throttled', reason: 'throttled' }],
  ['unavailable', false, { kind: 'refused', permanence: 'transient', reason: 'unavailable' }],
  ['delay', true, { kind: 'accepted' }],
  ['cut_before', false, { kind: 'ambiguous' }],
  ['cut_after', true, { kind: 'ambiguous' }],
  ['silence_before', false, { kind: 'ambiguous', reason: 'timeout' }],
  ['silence_after', true, { kind: 'ambiguous', reason: 'timeout' }],
  ['gateway_before', false, { kind: 'ambiguous', reason: 'status_502' }],
  ['gateway_after', true, { kind: 'ambiguous', reason: 'status_502' }],
  ['garbage', true, { kind: 'ambiguous', reason: 'unreadable_answer' }],
  ['late', true, { kind: 'ambiguous', reason: 'timeout' }],
];

export interface ApiTraits {
  /** Throttling says for how long. */
  throttle_wait: boolean;
  wrong_key: Record<string, unknown>;
  /** Unlike what most say to a fault. */
  faults?: Partial<Record<FaultName, Partial<Record<string, string>>>>;
}

/** A message to `to`; without it, to the usual recipient. */
type Make<M extends Message> = (to?: string, timeout_ms?: number) => SendRequest<M>;

export function faults<M extends Message>(
  world: () => ApiTarget<M>,
  request: Make<M>,
  recipient: string,
  traits: ApiTraits,
): void {
  for (const [fault, taken, usual] of FAULTS) {
    const expected = traits.faults?.[fault] ?? usual;
    it(`${fault}: ${Object.values(expected).join(', ')}, and that is true`, async () => {
      const { sandbox, connect, accepted } = world();
      sandbox.plan({ faults: [{ fault, ms: fault === 'late' ? SHORT_MS + 200 : 20, retry_after_s: 7 }] });
      const message = request(recipient, /silence|late/.test(fault) ? SHORT_MS : undefined);
      const begun = performance.now();
      const outcome = await connect().send(message);
      expect(outcome).toMatchObject(expected);
      expect(performance.now() - begun).toBeLessThan(SHORT_MS + 1_500);
      // What is kept with the event names nobody.
      expect(JSON.stringify(outcome)).not.toContain(recipient.replace(/^\+/, ''));
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
}

/** Of a throttled call that was told to wait seven seconds. */
function expectWait(outcome: SendOutcome): void {
  const wait = outcome.kind === 'refused' ? outcome.retry_after_ms : undefined;
  expect(wait).toBeGreaterThan(5_000);
  expect(wait).toBeLessThanOrEqual(8_000);
}

export function optOuts<M extends Message>(world: () => ApiTarget<M>, request: Make<M>, gone: string): void {
  it('[CON-8] somebody who told the provider to stop has opted out, and others have not', async () => {
    const { sandbox, provider, connect, accepted } = world();
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
}

export function limits<M extends Message>(world: () => ApiTarget<M>, request: Make<M>): void {
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
    expect((await connection.send(request())).kind).toBe('not_started');
  });

  it('a rate bounds how many may start', async () => {
    const connection = world().connect({ max_connections: 5, rate_per_second: 2 });
    expect(connection.capacity()).toBe(2);
    const kinds = await Promise.all([1, 2, 3].map(() => connection.send(request())));
    expect(kinds.map(({ kind }) => kind).sort()).toEqual(['accepted', 'accepted', 'not_started']);
  });
}

/** The account tried with more configured. */
type Verify = (more?: Record<string, unknown>, from?: string) => Promise<VerifyOutcome>;

export function verifier<M extends Message>(world: () => ApiTarget<M>, own: () => string): Verify {
  return (more = {}, from = own()) => {
    const { adapter, sandbox, provider } = world();
    const config = adapter.config.parse({ ...sandbox.config(provider), ...more });
    return adapter.verify(config, { timeout_ms: 5_000, from });
  };
}

/** `named`: the checks told of, among others. */
export function inOrder<M extends Message>(
  world: () => ApiTarget<M>,
  verify: Verify,
  named: readonly string[],
): void {
  it('an account that is in order passes every check, and nothing is sent', async () => {
    const { sandbox, provider } = world();
    const before = sandbox.accounts[provider].messages.length;
    const result = await verify();
    expect(result).toMatchObject({ ok: true, detail: expect.stringContaining('ready to send') });
    expect(result.checks.map(({ name }) => name)).toEqual(expect.arrayContaining([...named]));
    expect(result.checks.every(({ ok }) => ok)).toBe(true);
    expect(sandbox.accounts[provider].messages).toHaveLength(before);
  });
}

export function wrongKey(verify: Verify, wrong_key: Record<string, unknown>): void {
  it('a wrong key is said in words, and is not in them', async () => {
    const result = await verify(wrong_key);
    expect(result.ok).toBe(false);
    expect(result.checks.at(-1)).toMatchObject({ name: 'sign_in', ok: false });
    for (const secret of Object.values(wrong_key)) expect(JSON.stringify(result)).not.toContain(secret);
  });
}
