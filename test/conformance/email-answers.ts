/** What the server says is what the adapter reports. */
import { expect, it } from 'vitest';
import type { SendOutcome } from '../../src/channels/channel.ts';
import { type Abilities, type Answer, request, type World } from './email-target.ts';

export function answers(world: () => World, { credentials }: Abilities): void {
  it('[EXE-6] an accepted message is accepted, with what the server called it', async () => {
    const { target, connect } = world();
    const message = request(target.recipient('ok'));
    const outcome = await connect().send(message);
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
      const { target, connect } = world();
      const message = request(target.recipient(answer));
      const connection = connect();
      expect(await connection.send(message)).toMatchObject({ kind: 'refused', ...expected });
      await connection.close();
      await target.settled();
      expect(await target.accepted(message.message.message_id)).toBe(false);
    });
  }

  it('a refusal leaves the connection usable for the next message', async () => {
    const { target, proxy, connect } = world();
    const connection = connect({ max_connections: 1 });
    const before = proxy.connections.total;
    for (const answer of ['unknown', 'ok', 'later', 'ok'] as const) {
      const outcome = await connection.send(request(target.recipient(answer)));
      expect(outcome.kind).toBe(answer === 'ok' ? 'accepted' : 'refused');
    }
    expect(proxy.connections.total - before).toBe(1);
  });

  it('many refusals over one connection leave nothing behind', async () => {
    const { target, connect } = world();
    const warnings: string[] = [];
    const note = (warning: Error) => warnings.push(warning.message);
    process.on('warning', note);
    const connection = connect({ max_connections: 1 });
    for (let n = 0; n < 15; n += 1) await connection.send(request(target.recipient('unknown')));
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });

  if (credentials)
    it('a wrong password is bad_credentials and does not end the message for good', async () => {
      const { target, proxy } = world();
      const connection = target.connectWithBadCredentials!(proxy.port);
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
