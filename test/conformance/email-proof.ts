/** What a provider class promises to prove after a lost answer. */
import { expect, it } from 'vitest';
import type { Connection, SendRequest } from '../../src/channels/channel.ts';
import { type Abilities, request, TIMEOUT_MS, type World } from './email-target.ts';

export function proof(world: () => World, { provider_class }: Abilities): void {
  const lookup = (connection: Connection, { touch_id, idempotency_key }: SendRequest) =>
    connection.lookup?.({ touch_id, idempotency_key, timeout_ms: TIMEOUT_MS });

  it('is of the class it says', () => {
    const connection = world().connect();
    expect(connection.provider_class).toBe(provider_class);
    expect(connection.lookup === undefined).toBe(provider_class === 'N');
  });

  if (provider_class === 'L')
    it('[EXE-5] a lost answer is settled by asking', async () => {
      const { target, proxy, connect } = world();
      const connection = connect();
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

  if (provider_class === 'L')
    it('a look-up that gets no answer proves nothing', async () => {
      const { target, proxy } = world();
      const connection = target.connectWithoutLookup!(proxy.port);
      expect(await lookup(connection, request(target.recipient('ok')))).toMatchObject({ kind: 'unclear' });
      await connection.close();
    });
}
