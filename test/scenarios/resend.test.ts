/** Class K: what may go again under its key, but not now, is tried again at the moment at which it may, and no other. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Connection, SendOutcome } from '../../src/channels/channel.ts';
import { sql } from '../../src/db/sql.ts';
import type { Engine } from '../../src/dispatch/engine.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { enrolled, touchRow, used } from '../support/touches.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds('K');
const ONE_STEP = { steps: [{ channel: 'email', subject: 'Hi', body_text: 'One' }] };
const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const BUDGET_MS = 2_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let world: EngineWorld;
/** What the engines take for now. */
let clock = 0;
let calls: { touch: Uuid; at: number }[];
/** What the provider answers to its nth call, from 0; afterwards it accepts. */
let answers: SendOutcome[];
beforeEach(() => {
  world = worldOf();
  clock = Date.now() + MINUTE_MS;
  calls = [];
  answers = [];
  world.provider.answer = ({ touch_id }) => {
    calls.push({ touch: touch_id, at: clock });
    return answers[calls.length - 1] ?? { kind: 'accepted' };
  };
});

/** Knows keys and can be asked nothing. */
function worker(keyLifeMs = DAY_MS): Engine {
  const provider: Connection = {
    provider_class: 'K',
    key_life_ms: keyLifeMs,
    capacity: () => 1_000,
    send: (request) => world.provider.send(request as never),
    close: async () => undefined,
  };
  return { ...world.newEngine({ provider }), now: () => new Date(clock) };
}

const LOST: SendOutcome = { kind: 'ambiguous', reason: 'timeout' };

/** Time goes on to when something is next looked at; false: nothing ever is. */
async function toNextLook(): Promise<boolean> {
  const [row] = await world.owner.call<{ at: Date | null }>(sql`
    SELECT min(wake_at) AS at FROM touches WHERE org_id = ${world.org}::uuid AND state IN ('planned', 'unknown')`);
  if (!row?.at) return false;
  clock = Math.max(clock, row.at.getTime());
  return true;
}

/** Delivers, and loses every answer; how often it was called. A second try may lie in the same millisecond. */
async function allLost(engine: Engine): Promise<number> {
  answers = Array(3).fill(LOST);
  await deliverNow(world, engine);
  expect(calls.length).toBeGreaterThan(0);
  answers = [];
  return calls.length;
}

async function looksAt(touch: Uuid): Promise<number> {
  const [row] = await world.owner.call<{ n: number }>(
    sql`SELECT count(*)::int AS n FROM events WHERE org_id = ${world.org}::uuid AND touch_id = ${touch}::uuid AND type = 'looked_up'`,
  );
  return row!.n;
}

async function keepGap(seconds: number): Promise<void> {
  await world.owner.call(sql`
    UPDATE senders SET min_gap_s = ${seconds}, max_gap_s = ${seconds}, version = version + 1 WHERE id = ${world.sender}::uuid`);
}

describe('the same message once more, which may not go now', () => {
  it('[EXE-5] [EXE-9] [I9] goes when its sender has kept its gap, before those that wait for their moments', async () => {
    await keepGap(60);
    answers = [LOST];
    const { touches } = await enrolled(world, 12, ONE_STEP);
    const engine = worker();
    await deliverNow(world, engine);
    await toNextLook();
    await deliverNow(world, engine);
    const lost = calls[0]!.touch;
    expect(await touchRow(world, lost)).toMatchObject({
      state: 'unknown',
      reason: 'not_resent: sender_gap',
      wake_at: new Date(calls[0]!.at + BUDGET_MS + 60_000),
    });
    while (await toNextLook()) await deliverNow(world, engine);
    expect(calls[1]).toEqual({ touch: lost, at: calls[0]!.at + BUDGET_MS + 60_000 });
    expect(await looksAt(lost)).toBe(1);
    expect(calls.map(({ touch }) => touch).sort()).toEqual([...touches, lost].sort());
    for (const [i, { at }] of calls.entries())
      if (i > 0) expect(at - calls[i - 1]!.at).toBeGreaterThanOrEqual(60_000);
    // Its day was taken once, at the first gate.
    const days = Object.entries(await used(world)).filter(([period]) => period.startsWith('d'));
    expect(days.map(([, count]) => count)).toEqual([touches.length]);
  });

  it('[EXE-5] [EXE-9] [I9] goes one gap after another where several wait', async () => {
    await keepGap(60);
    answers = [LOST, LOST, LOST];
    const { touches } = await enrolled(world, 3, ONE_STEP);
    const engine = worker();
    await deliverNow(world, engine);
    while (await toNextLook()) await deliverNow(world, engine);
    for (const id of touches) expect(await touchRow(world, id)).toMatchObject({ state: 'sent' });
    expect(calls).toHaveLength(6);
    for (const [i, { at }] of calls.entries()) {
      if (i === 0) continue;
      expect(at - calls[i - 1]!.at).toBeGreaterThanOrEqual(60_000);
      expect(at - calls[i - 1]!.at).toBeLessThan(67_000);
    }
  });

  /** Enrolled in what goes from nine to five tomorrow, and due. */
  async function inOfficeHours() {
    const day = Math.ceil(clock / DAY_MS) * DAY_MS;
    const [opens, closes] = [day + 9 * HOUR_MS, day + 17 * HOUR_MS];
    const window = { days: DAYS, from: '09:00', to: '17:00', time_zone: 'UTC' };
    const { touches } = await enrolled(world, 1, { ...ONE_STEP, window });
    const [touch] = touches as [Uuid];
    await world.owner.call(sql`
      UPDATE touches SET wake_at = ${new Date(opens)}, not_before = ${new Date(opens)}, not_after = ${new Date(closes)} WHERE id = ${touch}::uuid`);
    return { touch, opens, closes };
  }

  it('[EXE-5] [EXE-7] [I10] goes when its window opens again, and not a moment before', async () => {
    const { touch, opens, closes } = await inOfficeHours();
    clock = closes - 3_000;
    const engine = worker();
    const tries = await allLost(engine);
    clock = closes - 1_000;
    await deliverNow(world, engine);
    expect(calls).toHaveLength(tries);
    const again = { wake_at: new Date(opens + DAY_MS), not_after: new Date(closes + DAY_MS) };
    expect(await touchRow(world, touch)).toMatchObject({ state: 'unknown', ...again });
    clock = opens + DAY_MS - 1;
    await deliverNow(world, engine);
    expect(calls).toHaveLength(tries);
    clock += 1;
    await deliverNow(world, engine);
    expect(calls).toHaveLength(tries + 1);
    expect(new Set(calls.map((call) => call.touch))).toEqual(new Set([touch]));
    expect(await touchRow(world, touch)).toMatchObject({ state: 'sent' });
  });

  it('[EXE-5] [EXE-7] is shown to a person at once when its key will be forgotten before it may', async () => {
    const { touch, closes } = await inOfficeHours();
    clock = closes - BUDGET_MS - 1;
    const engine = worker(12 * HOUR_MS);
    const tries = await allLost(engine);
    clock = closes - 1_000;
    await deliverNow(world, engine);
    expect(calls).toHaveLength(tries);
    expect(await touchRow(world, touch)).toMatchObject({
      state: 'unknown',
      needs_review: true,
      reason: 'not_resent: window_closed',
      wake_at: null,
    });
  });

  it('[EXE-5] [EXE-15] is not asked for again and again while a person keeps it back', async () => {
    const { touches, sequence } = await enrolled(world, 1, ONE_STEP);
    const [touch] = touches as [Uuid];
    const engine = worker();
    world.provider.answer = async () => {
      await world.owner.call(sql`UPDATE sequences SET status = 'paused' WHERE id = ${sequence}::uuid`);
      return LOST;
    };
    await deliverNow(world, engine);
    await toNextLook();
    await deliverNow(world, engine);
    expect(await touchRow(world, touch)).toMatchObject({
      state: 'unknown',
      reason: 'not_resent: sequence_paused',
      wake_at: new Date(clock + engine.limits.lookup_gap_ms),
    });
    await world.owner.call(sql`UPDATE sequences SET status = 'active' WHERE id = ${sequence}::uuid`);
    world.provider.answer = () => ({ kind: 'accepted' });
    await toNextLook();
    await deliverNow(world, engine);
    expect(await touchRow(world, touch)).toMatchObject({ state: 'sent' });
  });
});
