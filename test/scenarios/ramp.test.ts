/** The ramp of a new sender: a daily limit that rises with the days since its first send. */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import type { Engine } from '../../src/dispatch/engine.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import { periodOf } from '../../src/schedule/period.ts';
import { rampLimit } from '../../src/senders/ramp.ts';
import { getSender } from '../../src/senders/show.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { connection, holder, untilWaiting } from '../support/interleave.ts';
import { enrolled, passGate, touchRow } from '../support/touches.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

const ZONE = 'Pacific/Auckland';
const DAY_MS = 86_400_000;
const ONE_STEP = { steps: [{ channel: 'email', subject: 'Hi', body_text: 'One' }] };
const RAMP = { start: 2, increase: 3, every_days: 2 };

async function rampUp(daily: number | null = null): Promise<void> {
  await world.owner.call(sql`
    UPDATE senders SET ramp = ${JSON.stringify(RAMP)}, daily_limit = ${daily}, time_zone = ${ZONE}, version = version + 1
     WHERE id = ${world.sender}::uuid`);
}

const dayOf = (at: number) => periodOf(at, ZONE)!.day;

describe('the ramp of a new sender', () => {
  it('[EXE-7] may send more each day from its first send on, in its own zone, under two workers at once', async () => {
    await rampUp(9);
    const { touches } = await enrolled(world, 40, ONE_STEP);
    let clock = Date.now() + 60_000;
    const calls: { touch: Uuid; day: string }[] = [];
    world.provider.answer = ({ touch_id }) => {
      calls.push({ touch: touch_id, day: dayOf(clock) });
      return { kind: 'accepted' };
    };
    const engines: Engine[] = [1, 2].map(() => ({ ...world.newEngine(), now: () => new Date(clock) }));
    // One holds the lane while places are given; that two believe so takes places twice, and harms nobody.
    await deliverNow(world, engines[0]);
    const reasons = await world.owner.call(sql`
      SELECT DISTINCT reason FROM touches WHERE org_id = ${world.org}::uuid AND state = 'planned'`);
    expect(reasons).toEqual([{ reason: 'sender_ramp' }]);
    const planned = new Map<Uuid, string>();
    for (const id of touches) planned.set(id, dayOf((await touchRow(world, id)).not_before.getTime()));
    for (let day = 0; day < 12; day++) {
      clock += DAY_MS;
      await Promise.all(engines.map((engine) => deliverNow(world, engine)));
    }
    expect(calls.map((call) => call.touch).sort()).toEqual([...touches].sort());
    const days = [...new Set(calls.map((call) => call.day))];
    expect(days.map((day) => calls.filter((call) => call.day === day).length)).toEqual([
      2, 2, 5, 5, 8, 8, 9, 1,
    ]);
    // Each on the day it was given when the first were sent.
    for (const { touch, day } of calls) if (day !== days[0]) expect(day).toBe(planned.get(touch));
  });

  it('[EXE-7] [EXE-16] of two gates one takes the last place that it leaves', async () => {
    await rampUp(100);
    const first = await enrolled(world);
    expect(await passGate(world, first.touches)).toEqual(['go']);
    const [a, b] = [await enrolled(world), await enrolled(world)];
    const held = await holder(world, 'SELECT FROM sender_usage WHERE sender_id = $1 FOR UPDATE', [
      world.sender,
    ]);
    const verdicts = [a, b].map(({ touches }) =>
      passGate(world, touches, { db: connection(world, 'ramp gate') }),
    );
    await untilWaiting(world, 'ramp gate', 2);
    await held.rollback();
    expect((await Promise.all(verdicts)).flat().sort()).toEqual(['go', 'sender_ramp']);
  });

  it('[EXE-7] names the limit that binds: the ramp, then the daily limit', async () => {
    await rampUp(3);
    const shown = async () => (await getSender(world.db, world.ctx, world.sender)).usage;
    expect(await shown()).toMatchObject({
      daily_limit: 3,
      ramp_limit: 2,
      limit_today: 2,
      limited_by: 'ramp',
    });
    const { touches } = await enrolled(world, 5);
    expect(await passGate(world, touches.slice(0, 3))).toEqual(['go', 'go', 'sender_ramp']);
    await world.owner.call(sql`
      UPDATE sender_usage SET period = 'd' || (substr(period, 2)::date - 2)::text WHERE sender_id = ${world.sender}::uuid`);
    expect(await shown()).toMatchObject({ ramp_limit: 5, limit_today: 3, limited_by: 'daily_limit' });
    const { touches: more } = await enrolled(world, 4);
    expect(await passGate(world, more)).toEqual(['go', 'go', 'go', 'quota_day']);
  });

  it('[EXE-7] is the same for the gate as for whoever plans', async () => {
    await world.db.inOrg(world.org, (tx) =>
      tx.run(sql`
        INSERT INTO sender_usage (org_id, sender_id, period, used)
        VALUES (${world.org}, ${world.sender}, 'd2026-02-01', 0), (${world.org}, ${world.sender}, 'd2026-02-27', 1)`),
    );
    for (const day of ['2026-02-01', '2026-02-27', '2026-02-28', '2026-03-01', '2026-04-30']) {
      const { limit } = await world.db.inOrg(world.org, (tx) =>
        tx.one<{ limit: number }>(
          sql`SELECT ramp_limit(${world.org}::uuid, ${world.sender}::uuid, ${JSON.stringify(RAMP)}::jsonb, ${`d${day}`}) AS limit`,
        ),
      );
      expect(limit, day).toBe(rampLimit(RAMP, '2026-02-27', day));
    }
  });
});
