/** What keeps quotas and caps under any number of gates, and lets no two transactions wait for each other in a circle. */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../../src/db/sql.ts';
import { newId, type Uuid } from '../../../src/kernel/ids.ts';
import { gate } from '../../../src/ledger/gate.ts';
import { settle } from '../../../src/ledger/settle.ts';
import { unsubscribe } from '../../../src/plan/stop.ts';
import type { EngineWorld } from '../../support/engine.ts';
import { connection, holder, holdTouch, untilWaiting } from '../../support/interleave.ts';
import { enrolled, gateBatch, passGate, sending, settleOne, touchRow, used } from '../../support/touches.ts';
import { worlds } from '../../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

async function capped(sender: number | null, contact: number | null): Promise<void> {
  await world.owner.call(sql`UPDATE senders SET daily_limit = ${sender} WHERE org_id = ${world.org}::uuid`);
  await world.owner.call(
    sql`UPDATE organizations SET contact_daily_cap = ${contact} WHERE org_id = ${world.org}::uuid`,
  );
}

/** Another sender of the organization, so that no quota row stands between two gates. */
async function anotherSender(): Promise<Uuid> {
  const id = newId();
  await world.owner.call(sql`
    INSERT INTO senders (org_id, id, channel, provider, name, from_address) VALUES (${world.org}::uuid, ${id}::uuid, 'email', 'test', 'Other', 'other@example.com')`);
  return id;
}

describe('limits', () => {
  it('[EXE-7] [EXE-16] of two gates one takes the last place of a sender', async () => {
    await capped(2, null);
    const first = await enrolled(world);
    await sending(world, first.touches);
    const [a, b] = [await enrolled(world), await enrolled(world)];
    const held = await holder(world, 'SELECT FROM sender_usage WHERE sender_id = $1 FOR UPDATE', [
      world.sender,
    ]);
    const verdicts = [a, b].map(({ touches }) =>
      passGate(world, touches, { db: connection(world, 'quota gate') }),
    );
    await untilWaiting(world, 'quota gate', 2);
    await held.rollback();
    expect((await Promise.all(verdicts)).flat().sort()).toEqual(['go', 'quota_day']);
    expect(Object.values(await used(world))).toEqual([2]);
  });

  it('[EXE-16] of two gates one takes the last place of a capped contact', async () => {
    await capped(null, 2);
    const { contacts, touches } = await enrolled(world);
    await sending(world, touches);
    const others = await Promise.all(
      [world.sender, await anotherSender()].map(async (sender) => {
        const sequence = await world.sequence({ sender_ids: [sender] });
        const [enrollment] = await world.enroll(sequence, contacts);
        const [row] = await world.owner.call<{ live_touch: Uuid }>(
          sql`SELECT live_touch FROM enrollments WHERE id = ${enrollment}::uuid`,
        );
        return row!.live_touch;
      }),
    );
    const held = await holder(world, 'SELECT FROM contact_usage WHERE contact_id = $1 FOR UPDATE', contacts);
    const verdicts = others.map((touch) => passGate(world, [touch], { db: connection(world, 'cap gate') }));
    await untilWaiting(world, 'cap gate', 2);
    await held.rollback();
    expect((await Promise.all(verdicts)).flat().sort()).toEqual(['frequency_cap', 'go']);
    const usage = await world.owner.call(
      sql`SELECT used FROM contact_usage WHERE contact_id = ${contacts[0]}::uuid`,
    );
    expect(usage).toEqual([{ used: 2 }]);
  });

  it('[EXE-7] in one batch only as many go as there are places, in order', async () => {
    await capped(3, null);
    const { touches } = await enrolled(world, 5);
    expect(await passGate(world, touches)).toEqual(['go', 'go', 'go', 'quota_day', 'quota_day']);
    expect(Object.values(await used(world))).toEqual([3]);
  });

  it('[EXE-7] a batch composed yesterday takes nothing of today', async () => {
    await capped(3, null);
    const { touches } = await enrolled(world);
    const yesterday = new Date(Date.now() - 86_400_000);
    const batch = await gateBatch(world, touches, { now: yesterday });
    const { verdicts } = await gate(world.db, { ...batch, now: null });
    expect(verdicts[0]!.verdict).toBe('stale');
    expect(Object.values(await used(world)).filter((n) => n > 0)).toEqual([]);
  });

  it('[EXE-16] a batch composed yesterday takes no place of a contact either', async () => {
    await capped(null, 3);
    const { touches } = await enrolled(world);
    const today = await gateBatch(world, touches);
    const yesterday = await gateBatch(world, touches, { now: new Date(Date.now() - 86_400_000) });
    const { verdicts } = await gate(world.db, { ...yesterday, periods: today.periods, now: null });
    expect(verdicts[0]!.verdict).toBe('stale');
  });
});

describe('locks are taken in one order', () => {
  /** Two touches of one contact; the one with the higher id lies first in the table. */
  async function twoTouches(): Promise<{ contact: Uuid; low: Uuid; high: Uuid }> {
    const { contacts, touches } = await enrolled(world);
    const sequence = await world.sequence();
    const [enrollment] = await world.enroll(sequence, contacts);
    const [row] = await world.owner.call<{ live_touch: Uuid }>(
      sql`SELECT live_touch FROM enrollments WHERE id = ${enrollment}::uuid`,
    );
    const [low, high] = [touches[0]!, row!.live_touch].sort();
    await world.owner.call(sql`UPDATE touches SET detail = 'moved' WHERE id = ${low}::uuid`);
    return { contact: contacts[0]!, low: low!, high: high! };
  }
  /** Reads the table as it lies. */
  const AS_IT_LIES = '-c enable_indexscan=off -c enable_bitmapscan=off';

  it('[EXE-4] a gate and an unsubscribe over the same touches', async () => {
    const { contact, low, high } = await twoTouches();
    const held = await holdTouch(world, low);
    const stop = unsubscribe(connection(world, 'order stop'), world.ctx, {
      contact_id: contact,
      channel: 'email',
      source: 'api',
    });
    await untilWaiting(world, 'order stop');
    const verdicts = passGate(world, [high, low], { db: connection(world, 'order gate', AS_IT_LIES) });
    await untilWaiting(world, 'order gate');
    await held.rollback();
    const [receipt, told] = await Promise.all([stop, verdicts]);
    expect(told).toEqual(['gone', 'gone']);
    expect(receipt).toMatchObject({ not_started: 2, in_flight: [] });
  });

  it('[EXE-4] an unsubscribe and a gate over the same touches, the other way round', async () => {
    const { contact, low, high } = await twoTouches();
    const held = await holdTouch(world, low);
    const verdicts = passGate(world, [high, low], { db: connection(world, 'order gate') });
    await untilWaiting(world, 'order gate');
    const stop = unsubscribe(connection(world, 'order stop', AS_IT_LIES), world.ctx, {
      contact_id: contact,
      channel: 'email',
      source: 'api',
    });
    await untilWaiting(world, 'order stop');
    await held.rollback();
    const [receipt, told] = await Promise.all([stop, verdicts]);
    expect(told).toEqual(['go', 'go']);
    expect(receipt.in_flight.map((flying) => flying.touch).sort()).toEqual([low, high]);
  });

  it('[EXE-3] two settles of the same enrollments', async () => {
    const { low, high } = await twoTouches();
    const token = await sending(world, [low, high]);
    const rows = [await touchRow(world, low), await touchRow(world, high)];
    const [first, last] = rows.map((row) => row.source_id as Uuid).sort();
    await world.owner.call(sql`UPDATE enrollments SET status_reason = 'moved' WHERE id = ${first}::uuid`);
    const held = await holder(world, 'SELECT FROM enrollments WHERE id = $1 FOR UPDATE', [first]);
    const settlements = rows.map((row) => ({
      touch_id: row.id,
      source_id: row.source_id,
      outcome: 'unknown' as const,
      at: Date.now(),
      wake: Date.now(),
    }));
    const batch = { org: world.org, token, actor: 'worker:test', settlements };
    const one = settle(connection(world, 'order settle'), batch);
    await untilWaiting(world, 'order settle');
    const reversed = { ...batch, settlements: [...settlements].reverse() };
    const two = settle(connection(world, 'order settle too', AS_IT_LIES), reversed);
    await untilWaiting(world, 'order settle too');
    await held.rollback();
    await Promise.all([one, two]);
    expect(last).toBeDefined();
    expect(await touchRow(world, low)).toMatchObject({ state: 'unknown' });
  });

  it('[EXE-8] a refusal being settled and a gate of the same sender', async () => {
    const flying = await enrolled(world);
    const token = await sending(world, flying.touches);
    const { touches } = await enrolled(world);
    // The settle holds nothing that the gate waits for while it waits for the sender's row itself.
    const held = await holder(world, 'SELECT FROM sender_usage WHERE sender_id = $1 FOR UPDATE', [
      world.sender,
    ]);
    const both = passGate(world, [...flying.touches, ...touches], { db: connection(world, 'sender gate') });
    await untilWaiting(world, 'sender gate');
    const back = settleOne(
      world,
      token,
      { touch_id: flying.touches[0]!, outcome: 'retry', reason: 'throttled', wake: Date.now() },
      { db: connection(world, 'sender settle') },
    );
    await untilWaiting(world, 'sender settle');
    await held.rollback();
    expect(await both).toEqual(['gone', 'go']);
    expect(await back).toBe('settled');
    expect(Object.values(await used(world))).toEqual([1]);
  });
});
