/** The gap between two sends of one sender: over batches, ticks, workers and midnight, from the first send on. */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import type { Engine } from '../../src/dispatch/engine.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { explainTouch } from '../../src/ledger/explain.ts';
import { gate } from '../../src/ledger/gate.ts';
import { gapBefore } from '../../src/senders/gap.ts';
import { getSender } from '../../src/senders/show.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { connection, holdTouch, untilWaiting } from '../support/interleave.ts';
import { enrolled, gateBatch, passGate, sending, settleOne, touchRow, used } from '../support/touches.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
/** What the engines take for now; each call of the provider is written down with it. */
let clock = 0;
let calls: { touch: Uuid; at: number }[];
beforeEach(() => {
  world = worldOf();
  clock = Date.now() + 60_000;
  calls = [];
  world.provider.answer = ({ touch_id }) => {
    calls.push({ touch: touch_id, at: clock });
    return { kind: 'accepted' };
  };
});

const LITE = { min_gap_s: 60, max_gap_s: 19 * 60 };
const BUDGET_MS = 2_000;
const ONE_STEP = { steps: [{ channel: 'email', subject: 'Hi', body_text: 'One' }] };

async function keepGap(gap: { min_gap_s: number | null; max_gap_s: number | null } = LITE): Promise<void> {
  await world.owner.call(sql`
    UPDATE senders SET min_gap_s = ${gap.min_gap_s}, max_gap_s = ${gap.max_gap_s}, version = version + 1 WHERE id = ${world.sender}::uuid`);
}

function worker(): Engine {
  return { ...world.newEngine(), now: () => new Date(clock) };
}

/** Time goes on to when the next one is due; false: nothing is. */
async function toNextDue(): Promise<boolean> {
  const [row] = await world.owner.call<{ at: Date | null }>(
    sql`SELECT min(wake_at) AS at FROM touches WHERE org_id = ${world.org}::uuid AND state = 'planned'`,
  );
  if (!row?.at) return false;
  clock = Math.max(clock, row.at.getTime());
  return true;
}

describe('the gap of a sender', () => {
  it('[EXE-9] [I9] holds over two workers at once from the very first send, and every moment stays as given', async () => {
    await keepGap();
    const { touches } = await enrolled(world, 15, ONE_STEP);
    const workers = [worker(), worker()];
    await Promise.all(workers.map((engine) => deliverNow(world, engine)));
    expect(calls).toHaveLength(1);
    const given = new Map<Uuid, number>();
    for (const id of touches) {
      const row = await touchRow(world, id);
      if (id === calls[0]!.touch) continue;
      expect(row).toMatchObject({ state: 'planned', reason: 'sender_gap', attempt: 0 });
      given.set(id, row.not_before.getTime());
    }
    while (await toNextDue()) await Promise.all(workers.map((engine) => deliverNow(world, engine)));
    expect(calls.map((call) => call.touch).sort()).toEqual([...touches].sort());
    for (const [i, { touch, at }] of calls.entries()) {
      if (i === 0) continue;
      expect(at).toBe(given.get(touch));
      expect(at - calls[i - 1]!.at).toBeGreaterThanOrEqual(gapBefore(touch, LITE));
      expect(at - calls[i - 1]!.at).toBeLessThan(19 * 60_000 + 10_000);
    }
  });

  it('[EXE-9] holds from one tick to the next, whoever comes: a newcomer gets a moment of its own', async () => {
    await keepGap();
    await enrolled(world, 1, ONE_STEP);
    await deliverNow(world, worker());
    expect(calls).toHaveLength(1);
    clock += 30_000;
    const { touches } = await enrolled(world, 1, ONE_STEP);
    await deliverNow(world, worker());
    expect(calls).toHaveLength(1);
    const row = await touchRow(world, touches[0]!);
    expect(row.reason).toBe('sender_gap');
    const gap = gapBefore(touches[0]!, LITE);
    expect(row.not_before.getTime() - calls[0]!.at).toBe(gap + BUDGET_MS + 1_000);
    clock = row.not_before.getTime() - 1;
    await deliverNow(world, worker());
    expect(calls).toHaveLength(1);
    clock += 1;
    await deliverNow(world, worker());
    expect(calls[1]).toMatchObject({ touch: touches[0] });
  });

  it('[EXE-9] [EXE-14] is drawn once and shown; looking at it moves nothing', async () => {
    await keepGap();
    const { touches } = await enrolled(world, 3, ONE_STEP);
    await deliverNow(world, worker());
    const waiting = touches.filter((id) => id !== calls[0]!.touch);
    const before = await Promise.all(waiting.map((id) => touchRow(world, id)));
    const told = await Promise.all(waiting.map((id) => explainTouch(world.db, world.org, id)));
    expect(told.map(({ planned }) => planned.gap_s)).toEqual(waiting.map((id) => gapBefore(id, LITE) / 1000));
    expect(told.map(({ state }) => state.says)).toEqual(
      Array(2).fill('the sender keeps a gap between two messages'),
    );
    const { usage } = await getSender(world.db, world.ctx, world.sender);
    expect(usage!.gap).toEqual({
      counts_from: new Date(calls[0]!.at + BUDGET_MS),
      waiting: 2,
      next_at: new Date(Math.min(...before.map((row) => row.not_before.getTime()))),
    });
    await deliverNow(world, worker());
    expect(await Promise.all(waiting.map((id) => touchRow(world, id)))).toEqual(before);
  });

  it('[EXE-9] is kept within a window: what does not fit waits for the next opening', async () => {
    await keepGap({ min_gap_s: 600, max_gap_s: 600 });
    const from = new Date(clock - 60_000).toISOString().slice(11, 16);
    const to = new Date(clock + 30 * 60_000).toISOString().slice(11, 16);
    const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
    const { touches } = await enrolled(world, 5, {
      ...ONE_STEP,
      window: { days, from, to, time_zone: 'UTC' },
    });
    while (await toNextDue()) await deliverNow(world, worker());
    expect(new Set(calls.map((call) => call.touch))).toEqual(new Set(touches));
    const minutes = calls.map(({ at }) => Math.floor((at - calls[0]!.at) / 60_000));
    expect(minutes.slice(0, 3)).toEqual([0, 10, 20]);
    expect(minutes[3]).toBeGreaterThan(23 * 60);
    expect(calls[4]!.at - calls[3]!.at).toBeGreaterThanOrEqual(600_000);
  });

  it('[EXE-9] [I9] holds over midnight, where two gates count by different days', async () => {
    await keepGap();
    const [a, b] = [await enrolled(world), await enrolled(world)];
    // Its row is there already, so that only its lock can make the second wait.
    await world.db.inOrg(world.org, (tx) =>
      tx.run(
        sql`INSERT INTO sender_usage (org_id, sender_id, period) VALUES (${world.org}, ${world.sender}, 'gap')`,
      ),
    );
    const midnight = Math.ceil(clock / 86_400_000) * 86_400_000;
    const held = await holdTouch(world, a.touches[0]!);
    const before = passGate(world, a.touches, {
      db: connection(world, 'gap gate'),
      now: new Date(midnight - 100),
    });
    await untilWaiting(world, 'gap gate');
    const after = passGate(world, b.touches, {
      db: connection(world, 'gap gate after'),
      now: new Date(midnight + 100),
    });
    await untilWaiting(world, 'gap gate after');
    await held.rollback();
    expect([await before, await after]).toEqual([['go'], ['sender_gap']]);
  });

  it('[EXE-9] lets one of a batch go: the first that is ripe', async () => {
    await keepGap();
    const { touches } = await enrolled(world, 3);
    expect(await passGate(world, touches)).toEqual(['go', 'sender_gap', 'sender_gap']);
    const [, second, third] = touches;
    const [longer, shorter] = [second!, third!].sort((x, y) => gapBefore(y, LITE) - gapBefore(x, LITE));
    const now = new Date(Date.now() + BUDGET_MS + gapBefore(shorter!, LITE));
    expect(await passGate(world, [longer!, shorter!], { now })).toEqual(['sender_gap', 'go']);
  });

  it('[EXE-9] counts the same message once more under its key as a send', async () => {
    await keepGap();
    const { touches } = await enrolled(world, 2);
    const token = await sending(world, [touches[0]!]);
    await settleOne(world, token, { touch_id: touches[0]!, outcome: 'unknown', wake: Date.now() });
    expect(await passGate(world, [touches[0]!], { resend: true })).toEqual(['sender_gap']);
    const later = new Date(Date.now() + BUDGET_MS + 61_000);
    expect(await passGate(world, [touches[0]!], { resend: true, now: later })).toEqual(['go']);
    const soon = new Date(later.getTime() + 61_000);
    expect(await passGate(world, [touches[1]!], { now: soon })).toEqual(['sender_gap']);
  });

  it('[EXE-9] a batch that was read before the sender got a gap is composed again', async () => {
    const { touches } = await enrolled(world);
    const batch = await gateBatch(world, touches);
    await world.owner.call(sql`UPDATE senders SET max_gap_s = 60 WHERE id = ${world.sender}::uuid`);
    expect((await gate(world.db, batch)).verdicts[0]!.verdict).toBe('stale');
  });

  it('[EXE-9] a sender without one keeps nothing of it', async () => {
    await enrolled(world, 3, ONE_STEP);
    await deliverNow(world, worker());
    expect(calls).toHaveLength(3);
    expect(Object.keys(await used(world))).not.toContain('gap');
    expect((await getSender(world.db, world.ctx, world.sender)).usage!.gap).toBeNull();
  });

  it('[EXE-9] is the same for the gate as for whoever plans', async () => {
    const ids = Array.from({ length: 200 }, () => newId());
    for (const gap of [LITE, { min_gap_s: null, max_gap_s: 86_400 }, { min_gap_s: 5, max_gap_s: null }]) {
      const rows = await world.db.call<{ gap: number }>(sql`
        SELECT sender_gap(u.id, ${gap.min_gap_s}::int, ${gap.max_gap_s}::int) AS gap FROM unnest(${ids}::uuid[]) WITH ORDINALITY u(id, n) ORDER BY n`);
      expect(rows.map((row) => row.gap)).toEqual(ids.map((id) => gapBefore(id, gap)));
    }
    const drawn = ids.map((id) => gapBefore(id, LITE));
    expect(Math.min(...drawn)).toBeLessThan(240_000);
    expect(Math.max(...drawn)).toBeGreaterThan(960_000);
  });
});
