/** Messages that wait for a free connection of their sender while the organization's settings change. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { deliverNow } from '../support/deliver-now.ts';
import { type EngineWorld, engineWorld } from '../support/engine.ts';
import { enrolled, touchRow } from '../support/touches.ts';

describe('composed, and waiting for a connection', () => {
  let world: EngineWorld;
  beforeAll(async () => {
    world = await engineWorld('L');
  });
  afterAll(() => world.close());

  it('[CON-7] does not go when quiet hours are set meanwhile, and is read again', async () => {
    const { touches } = await enrolled(world);
    world.provider.free = 0;
    let composed = 0;
    const engine = world.newEngine({
      async failpoint(name) {
        if (name !== 'after_compose') return;
        composed++;
        // Composed under the old settings; then under the new ones a connection is free.
        if (composed === 1) await setQuietHours(world);
        else world.provider.free = 10;
      },
    });
    await deliverNow(world, engine);
    expect(composed).toBeGreaterThan(1);
    expect(world.provider.calls).toEqual([]);
    expect(await touchRow(world, touches[0]!)).toMatchObject({ state: 'planned', reason: 'quiet_hours' });
  });
});

/** Two hours around now, where everybody is: organizations of tests are in UTC. */
async function setQuietHours({ owner, org }: EngineWorld): Promise<void> {
  const at = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 16);
  const quiet = JSON.stringify({ from: at(-1), to: at(1), channels: ['email'] });
  await owner.call(
    sql`UPDATE organizations SET quiet_hours = ${quiet}::jsonb, policy_version = policy_version + 1 WHERE org_id = ${org}::uuid`,
  );
}
