/**
 * A process that stood still over its call tells, after others have asked the provider, that it does not know either: it
 * lived until then, so what was asked before proves nothing, and the next look is the first.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { deliverNow } from '../support/deliver-now.ts';
import { type EngineWorld, engineWorld } from '../support/engine.ts';
import { enrolled, expire, sending, settleOne, touchRow } from '../support/touches.ts';

describe('an outcome that is unknown, told late', () => {
  let world: EngineWorld;
  beforeAll(async () => {
    world = await engineWorld('L');
  });
  afterAll(() => world.close());

  const lookNow = async (touch: string) => {
    await world.owner.call(sql`UPDATE touches SET wake_at = now() WHERE id = ${touch}::uuid`);
    await deliverNow(world);
  };

  it('[EXE-5] does not make the second of two looks out of the first: what is taken late is not sent again', async () => {
    const { touches } = await enrolled(world);
    const touch = touches[0]!;
    const token = await sending(world, touches);
    await expire(world, token);
    await deliverNow(world);
    expect(await touchRow(world, touch)).toMatchObject({ state: 'unknown', looks: 1 });
    await settleOne(world, token, {
      touch_id: touch,
      outcome: 'unknown',
      reason: 'timeout',
      wake: Date.now(),
    });
    await deliverNow(world);
    expect(await touchRow(world, touch)).toMatchObject({ state: 'unknown', looks: 1 });
    expect(world.provider.calls).toEqual([]);
    world.provider.accepted.add(touch);
    await lookNow(touch);
    expect(await touchRow(world, touch)).toMatchObject({ state: 'sent' });
    expect(world.provider.calls).toEqual([]);
  });

  it('[EXE-5] is asked about twice more, and sent again when neither look finds it', async () => {
    const { touches } = await enrolled(world);
    const touch = touches[0]!;
    const token = await sending(world, touches);
    await expire(world, token);
    await deliverNow(world);
    await settleOne(world, token, {
      touch_id: touch,
      outcome: 'unknown',
      reason: 'timeout',
      wake: Date.now(),
    });
    await deliverNow(world);
    await lookNow(touch);
    await deliverNow(world);
    expect(world.provider.calls.filter(({ touch_id }) => touch_id === touch)).toHaveLength(1);
    expect(await touchRow(world, touch)).toMatchObject({ state: 'sent' });
  });
});
