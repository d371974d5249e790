/** [EXE-13] measured by the order of provider calls, so that a slow machine says the same as a fast one. */
import { afterEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { Worker } from '../../src/worker/worker.ts';
import { deliverNow } from '../support/deliver-now.ts';
import { type EngineWorld, engineWorld } from '../support/engine.ts';
import { until } from '../support/until.ts';

/** Organizations with so much due each, the last with a single message; the calls of one worker until that one's. */
async function calledInOrder(
  sizes: readonly number[],
  lanes: number,
  slow: (org: number) => Promise<void> | undefined = () => undefined,
  turnMs = 20,
): Promise<string[]> {
  const first = await engineWorld();
  const worlds: EngineWorld[] = [first];
  for (let n = 1; n < sizes.length; n++) worlds.push(await first.another());
  opened.push(first);
  for (const [n, world] of worlds.entries()) await enroll(world, sizes[n]!);
  const order: string[] = [];
  const orgOf = new Map<string, number>();
  for (const [n, world] of worlds.entries()) for (const id of await touchesOf(world)) orgOf.set(id, n);
  first.provider.answer = async ({ touch_id }) => {
    const org = orgOf.get(touch_id)!;
    order.push(worlds[org]!.org);
    await slow(org);
    return { kind: 'accepted' };
  };
  const worker = new Worker(first.newEngine({ limits: { lane_turn_ms: turnMs } }), { lanes, poll_ms: 100 });
  worker.start();
  const single = worlds.at(-1)!.org;
  await until(() => order.includes(single), 'the single one', 60_000);
  const told = [...order];
  ended.push(() => worker.stop());
  return told;
}

async function enroll(world: EngineWorld, count: number): Promise<void> {
  const sequence = await world.sequence({ steps: [{ channel: 'email', subject: 'Hi', body_text: 'One' }] });
  const contacts = await world.contacts(count);
  for (let at = 0; at < count; at += ENROLLED_AT_ONCE)
    await world.enroll(sequence, contacts.slice(at, at + ENROLLED_AT_ONCE));
}

async function touchesOf(world: EngineWorld): Promise<string[]> {
  const rows = await world.owner.call<{ id: string }>(
    sql`SELECT id FROM touches WHERE org_id = ${world.org}::uuid`,
  );
  return rows.map((row) => row.id);
}

const ENROLLED_AT_ONCE = 5_000;
const opened: EngineWorld[] = [];
const ended: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0)) await end();
  for (const world of opened.splice(0)) await world.close();
});

const BATCH = 500;

describe('a single message beside a crowd', () => {
  it('[EXE-13] does not wait for the 20,000 of another organization, with one lane for both', async () => {
    const order = await calledInOrder([20_000, 1], 1);
    // A turn is over before its next batch; what had passed the gate by then may still be called.
    expect(order.indexOf(order.at(-1)!)).toBeLessThan(20_000);
    expect(order.length).toBeLessThan(12 * BATCH);
  });

  it('[EXE-13] does not wait for two organizations that keep both lanes busy', async () => {
    const order = await calledInOrder([4_000, 4_000, 1], 2);
    expect(order.length).toBeLessThan(10 * BATCH);
  });

  it("[EXE-13] does not wait for the answers of another organization's provider", async () => {
    let answer: () => void = () => undefined;
    const silence = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const order = await calledInOrder([50, 1], 1, (org) => (org === 0 ? silence : undefined), 300);
    expect(order).toHaveLength(51);
    answer();
  });
});

it('[EXE-13] within an organization a follow-up goes before what is sent in bulk, however much and long due that is', async () => {
  const world = await engineWorld();
  opened.push(world);
  await enroll(world, 2 * BATCH);
  // As a planner of bulk would plan them: the least urgent.
  await world.owner.call(sql`UPDATE touches SET priority = 3, wake_at = wake_at - interval '1 hour'`);
  const bulk = new Set(await touchesOf(world));
  await enroll(world, 1);
  const order: boolean[] = [];
  world.provider.answer = ({ touch_id }) => {
    order.push(bulk.has(touch_id));
    return { kind: 'accepted' };
  };
  await deliverNow(world);
  // The batch it is read with goes side by side; it does not wait for a second one.
  expect(order.indexOf(false)).toBeLessThan(BATCH);
  expect(order).toHaveLength(2 * BATCH + 1);
});
