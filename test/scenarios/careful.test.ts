/** A lane under which workers died: read one touch at a time, for so long as a touch that kills may be among them. */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { deliver } from '../../src/dispatch/deliver.ts';
import { type Lane, leaveLane, takeLane } from '../../src/dispatch/lanes.ts';
import { Worker } from '../../src/worker/worker.ts';
import { type EngineWorld, until } from '../support/engine.ts';
import { touchRow } from '../support/touches.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

const LEASE_MS = 60_000;
const BATCH = 4;
const CONTACTS = 10;

/** A holder that takes the lane, perhaps names the touch it is at, and is never heard of again. */
async function die(at: string | null = null): Promise<void> {
  const lane = await take();
  await world.owner.call(sql`
    UPDATE lanes SET lease_until = now() - interval '1 second', suspect = coalesce(${at}::uuid, suspect)
     WHERE org_id = ${world.org}::uuid AND token = ${lane.token}::uuid`);
}

async function take(): Promise<Lane> {
  const lane = await takeLane(world.db, world.engine.worker, LEASE_MS);
  if (lane?.org !== world.org) throw new Error('no lane of this organization to take');
  return lane;
}

/** How many calls were under way at once, at most. */
function mostAtOnce(): () => number {
  let [now, most] = [0, 0];
  world.provider.answer = async () => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setImmediate(resolve));
    now--;
    return { kind: 'accepted' };
  };
  return () => most;
}

async function due(count: number): Promise<string[]> {
  const sequence = await world.sequence();
  await world.enroll(sequence, await world.contacts(count));
  const touches = await world.db.inOrg(world.org, (tx) =>
    tx.rows<{ id: string }>(
      sql`SELECT id FROM touches WHERE org_id = ${world.org} ORDER BY priority, wake_at, id`,
    ),
  );
  return touches.map(({ id }) => id);
}

describe('a lane under which two holders died', () => {
  it('[EXE-5] [EXE-13] is read one touch at a time for as many as they can have read, and in batches again after that', async () => {
    const most = mostAtOnce();
    await due(CONTACTS);
    await die();
    expect((await take()).careful).toBe(false);
    await world.owner.call(
      sql`UPDATE lanes SET lease_until = now() - interval '1 second' WHERE org_id = ${world.org}::uuid`,
    );
    const lane = await take();
    expect(lane.careful).toBe(true);
    const engine = world.newEngine({ limits: { batch: BATCH } });
    await deliver(engine, lane, { stop: () => false, settled: () => undefined });
    expect(world.provider.calls).toHaveLength(BATCH);
    expect(most()).toBe(1);

    await leaveLane(world.db, lane, 0);
    const next = await take();
    expect(next.careful).toBe(false);
    await deliver(engine, next, { stop: () => false, settled: () => undefined });
    expect(world.provider.calls).toHaveLength(CONTACTS);
    expect(most()).toBe(BATCH);
  });

  it('[EXE-5] ends the touch under which the careful one dies too, and goes on with the rest', async () => {
    const touches = await due(CONTACTS);
    await die();
    await die();
    await die(touches[0]);
    const worker = new Worker(world.engine, { lanes: 1, poll_ms: 50 });
    worker.start();
    try {
      await until(() => world.provider.calls.length === CONTACTS - 1, 'the others sent');
      expect(await touchRow(world, touches[0]!)).toMatchObject({ state: 'skipped', reason: 'poison' });
    } finally {
      await worker.stop();
    }
    expect(world.provider.calls.map((call) => call.touch_id)).not.toContain(touches[0]);
  });
});
