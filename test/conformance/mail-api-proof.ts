/** What a provider class promises to prove after a lost answer, and how much may be under way at once. */
import { expect, it } from 'vitest';
import type { Connection, SendRequest } from '../../src/channels/channel.ts';
import type { EmailMessage } from '../../src/kernel/message.ts';
import { limits as bounds } from './api-suite.ts';
import type { MailApiTarget } from './api-target.ts';
import { request, TIMEOUT_MS } from './email-target.ts';
import type { Traits } from './mail-api-sends.ts';

const BOB = 'bob@example.test';
const INJECTION = 'x\r\nBcc: everyone@example.test';

const look = (
  connection: Connection<EmailMessage>,
  { touch_id, idempotency_key }: SendRequest<EmailMessage>,
) => connection.lookup!({ touch_id, idempotency_key, timeout_ms: TIMEOUT_MS });

export function proof(world: () => MailApiTarget, { provider_class }: Traits): void {
  it('is of the class it says', () => {
    const connection = world().connect();
    expect(connection.provider_class).toBe(provider_class);
    expect(world().adapter.provider_class).toBe(provider_class);
    if (provider_class === 'N') expect(connection.lookup).toBeUndefined();
    if (provider_class === 'L') expect(connection.lookup).toBeDefined();
    if (provider_class === 'K') expect(connection.key_life_ms).toBeGreaterThanOrEqual(15 * 60_000);
  });

  if (provider_class === 'K') keyed(world);
  if (provider_class === 'L') asked(world);
  if (provider_class === 'N')
    it('the same key twice is two messages: nothing is promised', async () => {
      const { connect, accepted } = world();
      const message = request(BOB);
      await connect().send(message);
      await connect().send(message);
      expect(await accepted(message.touch_id)).toHaveLength(2);
    });
}

function keyed(world: () => MailApiTarget): void {
  it('[EXE-5] a lost answer is settled by sending the same again: accepted once, under one id', async () => {
    const { sandbox, connect, accepted } = world();
    const connection = connect();
    const message = request(BOB);
    sandbox.plan({ faults: [{ fault: 'cut_after', times: 1 }] });
    expect((await connection.send(message)).kind).toBe('ambiguous');
    const again = await connection.send(message);
    const [taken, ...more] = await accepted(message.touch_id);
    expect(more).toEqual([]);
    expect(again).toMatchObject({ kind: 'accepted', provider_id: taken!.id.replace(/^<|>$/g, '') });
  });

  it('the same key with other bytes is never another message', async () => {
    const { connect, accepted } = world();
    const message = request(BOB);
    await connect().send(message);
    const other = { ...message, message: { ...message.message, text: 'Other.\n' } };
    expect((await connect().send(other)).kind).not.toBe('refused');
    expect(await accepted(message.touch_id)).toHaveLength(1);
  });

  it('another key is another message', async () => {
    const { connect, accepted } = world();
    const message = request(BOB);
    await connect().send(message);
    await connect().send({ ...message, idempotency_key: `${message.touch_id}.2` });
    expect(await accepted(message.touch_id)).toHaveLength(2);
  });

  it('a key that was refused says nothing about a later try', async () => {
    const { sandbox, connect, accepted } = world();
    const message = request(BOB);
    sandbox.plan({ faults: [{ fault: 'unavailable', times: 1 }] });
    expect((await connect().send(message)).kind).toBe('refused');
    expect((await connect().send(message)).kind).toBe('accepted');
    expect(await accepted(message.touch_id)).toHaveLength(1);
  });
}

function asked(world: () => MailApiTarget): void {
  it('[EXE-5] a lost answer is settled by asking', async () => {
    const { sandbox, connect } = world();
    const connection = connect();
    sandbox.plan({ faults: [{ fault: 'cut_after', times: 1 }, { fault: 'cut_before' }] });
    const [taken, lost] = [request(BOB), request(BOB)];
    expect((await connection.send(taken)).kind).toBe('ambiguous');
    expect((await connection.send(lost)).kind).toBe('ambiguous');
    expect(await look(connection, taken)).toMatchObject({
      kind: 'found',
      provider_id: expect.any(String),
      at: expect.any(Date),
    });
    expect(await look(connection, lost)).toEqual({ kind: 'not_found' });
    const resent = { ...taken, idempotency_key: `${taken.touch_id}.2` };
    expect(await look(connection, resent)).toEqual({ kind: 'not_found' });
  });

  it('a look-up that fails, or may not be made, proves nothing', async () => {
    const { sandbox, connect } = world();
    const message = request(BOB);
    expect((await connect().send(message)).kind).toBe('accepted');
    expect(await look(connect({ server_token: 'wrong' }), message)).toMatchObject({ kind: 'unclear' });
    sandbox.plan({ lookup_fails: true });
    expect(await look(connect(), message)).toEqual({ kind: 'unclear', reason: 'status_503' });
  });
}

export function limits(world: () => MailApiTarget): void {
  const injected: [string, Partial<EmailMessage>][] = [
    ['the subject', { subject: INJECTION }],
    ['a name', { from: { name: INJECTION, address: 'ada@example.test' } }],
    ['the recipient', { to: { address: `bob@example.test${INJECTION}` } }],
    ['a message id', { message_id: `a@b>${INJECTION}` }],
    ['a reference', { references: [INJECTION] }],
    ['a header value', { headers: { 'Feedback-ID': INJECTION } }],
    ['a header name', { headers: { 'X-A: b\r\nBcc': 'everyone@example.test' } }],
    ['a second Subject', { headers: { subject: 'Another' } }],
  ];
  for (const [where, flaw] of injected) {
    it(`a header smuggled in through ${where} is refused before anything is sent`, async () => {
      const { connect } = world();
      // Nothing listens there: a call that was made would be not_started.
      const nowhere = connect({ base_url: 'http://127.0.0.1:1' });
      expect(await nowhere.send(request(BOB, flaw))).toMatchObject({
        kind: 'refused',
        permanence: 'permanent',
      });
    });
  }

  bounds(world, (to = BOB) => request(to));
}
