/** What keeps the dispatcher: the budget, the lane's token, and what may be believed about a lost answer. */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../../src/db/sql.ts';
import { deliver } from '../../../src/dispatch/deliver.ts';
import type { Failpoint } from '../../../src/dispatch/engine.ts';
import { keepLane, type Lane, leaveLane, takeLane } from '../../../src/dispatch/lanes.ts';
import { newId } from '../../../src/kernel/ids.ts';
import type { EngineWorld } from '../../support/engine.ts';
import { enrolled, expire, sending, story, touchRow, used } from '../../support/touches.ts';
import { worlds } from '../../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

/** Works what is due now in the world's organization, to the end. */
async function work(engine = world.engine): Promise<void> {
  const lane = { org: world.org, shard: 0, token: newId(), careful: false, suspect: null };
  await deliver(engine, lane, { stop: () => false, settled: () => undefined });
}

/** Its next look is due. */
async function due(touch: string): Promise<void> {
  await world.owner.call(sql`UPDATE touches SET wake_at = now() WHERE id = ${touch}::uuid`);
}

describe('the dispatcher', () => {
  it('[EXE-1] hands back what it could not begin within its budget', async () => {
    const { touches } = await enrolled(world);
    let passes = 0;
    const engine = world.newEngine({
      limits: { budget_ms: 400 },
      async failpoint(name: Failpoint) {
        if (name !== 'before_send' || passes++ > 0) return;
        const frozenUntil = performance.now() + 450;
        while (performance.now() < frozenUntil);
      },
    });
    await work(engine);
    expect(world.provider.calls).toHaveLength(1);
    const events = await world.owner.call(
      sql`SELECT type, reason, attempt FROM events WHERE touch_id = ${touches[0]}::uuid AND type IN ('not_started', 'sent') ORDER BY at`,
    );
    expect(events).toEqual([
      { type: 'not_started', reason: 'budget_passed', attempt: 0 },
      { type: 'sent', reason: null, attempt: 1 },
    ]);
    expect(Object.values(await used(world))).toEqual([1]);
  });

  it('[EXE-4] who lost its lane neither keeps it nor lets it go', async () => {
    await enrolled(world);
    const old = await takeLane(world.db, 'old', 1_000);
    expect(old?.org).toBe(world.org);
    await world.owner.call(
      sql`UPDATE lanes SET lease_until = now() - interval '1 second' WHERE org_id = ${world.org}::uuid`,
    );
    const lane = await takeLane(world.db, 'new', 1_000);
    expect(lane?.org).toBe(world.org);
    const laneRow = async () =>
      (await world.owner.call(sql`SELECT * FROM lanes WHERE org_id = ${world.org}::uuid`))[0]!;
    const before = await laneRow();
    expect(before).toMatchObject({ locked_by: 'new', expiries: 1 });
    const progress = { made: true, suspect: null };
    expect(await keepLane(world.db, old as Lane, 60_000, progress)).toBe(false);
    await leaveLane(world.db, old as Lane, 0);
    expect(await laneRow()).toEqual(before);
    expect(await keepLane(world.db, lane!, 60_000, progress)).toBe(true);
    expect(await laneRow()).toMatchObject({ locked_by: 'new', expiries: 0 });
    await leaveLane(world.db, lane!, 0);
    expect(await laneRow()).toMatchObject({ locked_by: null, token: null });
  });

  it('[EXE-5] class L: only two clear looks far apart send again', async () => {
    const { enrollments, touches } = await enrolled(world);
    await expire(world, await sending(world, touches));
    await work();
    expect(await touchRow(world, touches[0]!)).toMatchObject({ state: 'unknown', looks: 1 });
    expect((await touchRow(world, touches[0]!)).wake_at.getTime()).toBeGreaterThan(Date.now() + 50_000);
    await work();
    expect(world.provider.calls).toHaveLength(0);
    await due(touches[0]!);
    await work();
    expect(world.provider.calls.map((call) => call.touch_id)).toEqual(touches);
    expect(await story(world, enrollments[0]!)).toEqual(['0.1 sent', '1.1 planned']);
  });

  it('[EXE-5] class L: an unclear look is no look', async () => {
    const { touches } = await enrolled(world);
    await expire(world, await sending(world, touches));
    world.provider.lookup = async () => ({ kind: 'unclear', reason: 'status_503' });
    for (let n = 0; n < 3; n++) {
      await work();
      await due(touches[0]!);
    }
    expect(await touchRow(world, touches[0]!)).toMatchObject({
      state: 'unknown',
      looks: 0,
      needs_review: true,
    });
    expect(world.provider.calls).toHaveLength(0);
  });

  it('[EXE-5] class L: what is found settles at once, and is not sent again', async () => {
    const { enrollments, touches } = await enrolled(world);
    await expire(world, await sending(world, touches));
    world.provider.accepted.add(touches[0]!);
    await work();
    expect(world.provider.calls).toHaveLength(0);
    expect(await story(world, enrollments[0]!)).toEqual(['0.1 sent', '1.1 planned']);
  });

  it('[EXE-5] [EXE-6] class K: the same bytes go again under the same key', async () => {
    world = await world.another('K');
    const { enrollments, touches } = await enrolled(world);
    world.provider.answer = () => ({ kind: 'ambiguous', reason: 'timeout' });
    await once('after_settle');
    expect(await touchRow(world, touches[0]!)).toMatchObject({ state: 'unknown' });
    world.provider.answer = () => ({ kind: 'accepted' });
    await due(touches[0]!);
    await work();
    const [first, second] = world.provider.calls;
    expect(second).toEqual(first);
    expect(await story(world, enrollments[0]!)).toEqual(['0.1 sent', '1.1 planned']);
  });

  it('[EXE-5] [EXE-6] class K: other bytes never go under a key that was used', async () => {
    world = await world.another('K');
    const { contacts, touches } = await enrolled(world);
    world.provider.answer = () => ({ kind: 'ambiguous', reason: 'timeout' });
    await once('after_settle');
    await world.owner.call(
      sql`UPDATE contacts SET first_name = 'Somebody else', version = version + 1 WHERE id = ${contacts[0]}::uuid`,
    );
    await due(touches[0]!);
    await work();
    // It can be asked, so it is: once, and not believed yet.
    expect(world.provider.calls).toHaveLength(1);
    expect(await touchRow(world, touches[0]!)).toMatchObject({ state: 'unknown', looks: 1 });
    await due(touches[0]!);
    await work();
    const [first, second] = world.provider.calls;
    expect(second!.message.subject).not.toBe(first!.message.subject);
    expect(second!.idempotency_key).toBe(first!.idempotency_key.replace(/1$/, '2'));
  });

  it('[EXE-5] class N: a lost answer waits for a person and is never sent again', async () => {
    world = await world.another('N');
    (world.provider as { lookup?: unknown }).lookup = undefined;
    const { touches } = await enrolled(world);
    await expire(world, await sending(world, touches));
    await work();
    await work();
    expect(world.provider.calls).toHaveLength(0);
    expect(await touchRow(world, touches[0]!)).toMatchObject({
      state: 'unknown',
      needs_review: true,
      wake_at: null,
    });
  });

  /** Works until a failpoint has passed once, and stops there. */
  async function once(point: Failpoint): Promise<void> {
    let passed = false;
    const engine = world.newEngine({
      failpoint(name) {
        passed ||= name === point;
      },
    });
    const lane = { org: world.org, shard: 0, token: newId(), careful: false, suspect: null };
    await deliver(engine, lane, { stop: () => passed, settled: () => undefined });
  }
});
