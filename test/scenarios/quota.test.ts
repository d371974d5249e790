/** Limits of a sender and fairness between organizations: what must wait, how long, and in what order. */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { periodOf } from '../../src/schedule/period.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { enrolled, story, touchRow } from '../support/touches.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

const DAY_MS = 86_400_000;
const ZONE = 'Pacific/Auckland';

async function limit(daily: number | null, hourly: number | null): Promise<void> {
  await world.owner.call(sql`
    UPDATE senders SET daily_limit = ${daily}, hourly_limit = ${hourly}, time_zone = ${ZONE}, version = version + 1
     WHERE id = ${world.sender}::uuid`);
}

const ONE_STEP = { steps: [{ channel: 'email', subject: 'Hi', body_text: 'One' }] };

/** So many, due one after another, the first longest ago; in that order. */
async function dueInOrder(count: number, definition: Record<string, unknown> = ONE_STEP): Promise<string[]> {
  const { touches } = await enrolled(world, count, definition);
  await world.owner.call(sql`
    UPDATE touches t SET wake_at = now() - (1000 - u.n) * interval '1 second', not_before = now() - interval '1 hour'
      FROM unnest(${touches}::uuid[]) WITH ORDINALITY u(id, n) WHERE t.id = u.id`);
  return touches;
}

/** A day passes: everything is a day longer ago. */
async function tomorrow(): Promise<void> {
  await world.owner.call(sql`
    UPDATE touches SET wake_at = wake_at - interval '1 day', not_before = not_before - interval '1 day',
           not_after = not_after - interval '1 day' WHERE org_id = ${world.org}::uuid`);
  await world.owner.call(sql`
    UPDATE sender_usage SET period = 'd' || (substr(period, 2)::date - 1)::text
     WHERE org_id = ${world.org}::uuid AND period LIKE 'd%'`);
}

/** On which of the sender's days, counted from today, each is to go. */
async function days(touches: readonly string[]): Promise<number[]> {
  const today = periodOf(Date.now(), ZONE)!;
  const rows = await Promise.all(touches.map((id) => touchRow(world, id)));
  return rows.map((row) => {
    const { day } = periodOf(row.not_before.getTime(), ZONE)!;
    return Math.round((Date.parse(day) - Date.parse(today.day)) / DAY_MS);
  });
}

describe('a sender at its limit', () => {
  it('[EXE-7] spreads the rest over its coming days in order, each to the midnight of its own zone', async () => {
    await limit(10, null);
    const touches = await dueInOrder(35);
    await deliverNow(world);
    expect(world.provider.calls.map((call) => call.touch_id).sort()).toEqual(touches.slice(0, 10).sort());
    const planned = await days(touches.slice(10));
    const expected = Array.from({ length: 25 }, (_, n) => 1 + Math.floor(n / 10));
    expect(planned).toEqual(expected);
    const row = await touchRow(world, touches[10]!);
    expect(row.not_before.getTime()).toBe(periodOf(Date.now(), ZONE)!.day_end_ms);
    expect(row).toMatchObject({ state: 'planned', attempt: 0, reason: 'quota_day', token: null });
  });

  it('[EXE-7] sends them on those days, none dropped, skipped or twice', async () => {
    await limit(10, null);
    const touches = await dueInOrder(35);
    const sent: number[] = [];
    for (let day = 0; day < 5; day++) {
      await deliverNow(world);
      sent.push(world.provider.calls.length);
      await tomorrow();
    }
    expect(sent).toEqual([10, 20, 30, 35, 35]);
    expect(world.provider.calls.map((call) => call.touch_id).sort()).toEqual([...touches].sort());
  });

  it('[EXE-7] gives those that come later the places behind them', async () => {
    await limit(10, null);
    const first = await dueInOrder(25);
    await deliverNow(world);
    const second = await dueInOrder(10);
    await deliverNow(world);
    expect((await days(first.slice(10))).filter((day) => day === 1)).toHaveLength(10);
    expect(await days(second)).toEqual([...Array(5).fill(2), ...Array(5).fill(3)]);
  });

  it("[EXE-7] [SEQ-16] waits for the sequence's window on that day", async () => {
    await limit(1, null);
    const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
    const now = new Date();
    const at = (hours: number) => new Date(now.getTime() + hours * 3_600_000).toISOString().slice(11, 13);
    const window = { days: weekdays, from: `${at(-1)}:00`, to: `${at(4)}:00`, time_zone: 'UTC' };
    const touches = await dueInOrder(2, { ...ONE_STEP, window });
    await deliverNow(world);
    expect(world.provider.calls).toHaveLength(1);
    const row = await touchRow(world, touches[1]!);
    const nextDay = periodOf(now.getTime(), ZONE)!.day_end_ms;
    expect(row.not_before.getTime()).toBeGreaterThanOrEqual(nextDay);
    expect(row.not_before.getTime()).toBeLessThan(nextDay + DAY_MS);
    const hoursSinceOpening = (row.not_before.getUTCHours() - Number(at(-1)) + 24) % 24;
    expect(hoursSinceOpening).toBeLessThan(5);
    expect(row.not_after).not.toBeNull();
  });

  it('[EXE-7] an hourly limit waits for the next hour', async () => {
    await limit(null, 2);
    const touches = await dueInOrder(3);
    await deliverNow(world);
    expect(world.provider.calls).toHaveLength(2);
    const row = await touchRow(world, touches[2]!);
    expect(row).toMatchObject({ state: 'planned', reason: 'quota_hour' });
    expect(row.not_before.getTime() % 3_600_000).toBe(0);
    expect(row.not_before.getTime() - Date.now()).toBeLessThanOrEqual(3_600_000);
    expect(await story(world, row.source_id)).toEqual(['0.1 planned']);
  });

  it('[EXE-16] [CON-7] a capped contact waits for the next day of the organization', async () => {
    await world.owner.call(
      sql`UPDATE organizations SET contact_daily_cap = 1, policy_version = policy_version + 1 WHERE org_id = ${world.org}::uuid`,
    );
    const { contacts } = await enrolled(world);
    await world.enroll(await world.sequence(), contacts);
    await deliverNow(world);
    expect(world.provider.calls).toHaveLength(1);
    const [row] = await world.owner.call(
      sql`SELECT reason, not_before FROM touches WHERE contact_id = ${contacts[0]}::uuid AND state = 'planned' AND step_no = 0`,
    );
    expect(row).toEqual({
      reason: 'frequency_cap',
      not_before: new Date(periodOf(Date.now(), 'UTC')!.day_end_ms),
    });
  });
});
