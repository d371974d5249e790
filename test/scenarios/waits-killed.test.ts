/**
 * A worker process killed with SIGKILL between what it found at a wait or a branch and what it writes of that, while it
 * writes, and after it has: nothing is lost, nothing is decided twice, nobody gets a step twice.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import { type Child, startChild } from '../support/child.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { holder, untilWaiting } from '../support/interleave.ts';
import { until } from '../support/until.ts';
import { branch, DAY, days, email, tag, VIP, waitFor, way, workAt } from '../support/waits.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
const children: Child[] = [];
beforeEach(() => {
  world = worldOf();
});
afterEach(async () => {
  for (const child of children.splice(0)) await killed(child);
});

const STEPS = [
  waitFor(VIP, 3),
  branch([[VIP, 'good']]),
  // Due when nobody is killed any more: the process that is has no provider.
  email({ next: 'end', delay: days(1) }),
  email({ key: 'good', subject: 'Good', delay: days(1) }),
];
const GONE = ['0 skipped condition_met', '1 skipped arm:1', '3 sent'];

/** Enrolled, and what their first wait waits for has happened. */
async function people(count: number): Promise<Uuid[]> {
  const sequence = await world.sequence({ steps: STEPS });
  const contacts = await world.contacts(count);
  const enrollments = await world.enroll(sequence, contacts);
  for (const contact of contacts) await tag(world, contact, 'vip');
  return enrollments;
}

function startLooking(point: string): Child {
  const child = startChild('test/support/look-process.ts', [world.db.url, world.org, point]);
  children.push(child);
  return child;
}

async function reaches(child: Child, point: string): Promise<void> {
  while ((await child.line()).at !== point);
}

async function killed(child: Child): Promise<void> {
  child.process.kill('SIGKILL');
  await child.ended;
  // Its connections are gone, too: the server has ended what it was at, one way or the other.
  await until(async () => {
    const rows = await world.owner.call(
      sql`SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'looking'`,
    );
    return rows.length === 0;
  }, 'the connections of the killed process to end');
}

/** Everybody went one way to its end, by the next worker; each decision is told once, each message sent once. */
async function wentOnce(enrollments: readonly Uuid[]): Promise<void> {
  await deliverNow(world);
  expect(world.provider.calls).toEqual([]);
  await workAt(world, 2 * DAY);
  for (const id of enrollments) expect(await way(world, id)).toEqual(GONE);
  expect(world.provider.calls).toHaveLength(enrollments.length);
  const rows = await world.owner.call(sql`
    SELECT touch_id FROM events WHERE org_id = ${world.org}::uuid AND type = 'skipped' GROUP BY touch_id HAVING count(*) <> 1`);
  expect(rows).toEqual([]);
}

const CROWD = 20;

describe('a process killed over a wait or a branch', () => {
  it('[SEQ-14] [EXE-4] after it has looked: nothing is decided, and the next one decides', async () => {
    const enrollments = await people(CROWD);
    const child = startLooking('after_look');
    await reaches(child, 'after_look');
    await killed(child);
    for (const id of enrollments) expect(await way(world, id)).toEqual(['0 planned']);
    await wentOnce(enrollments);
  });

  it('[SEQ-14] [EXE-4] between a wait that it has written and the branch that it has looked at', async () => {
    const enrollments = await people(CROWD);
    const child = startLooking('never');
    // Its first look settles the waits. The second lies at the branches, whose rows it cannot write.
    await reaches(child, 'after_settle');
    await killed(child);
    const ways = await Promise.all(enrollments.map((id) => way(world, id)));
    for (const one of ways) expect(one[0]).toBe('0 skipped condition_met');
    await wentOnce(enrollments);
  });

  it('[SEQ-14] [EXE-4] while it writes: all of its batch or none of it', async () => {
    const enrollments = await people(CROWD);
    const held = await holder(world, 'SELECT FROM enrollments WHERE id = $1 FOR UPDATE', [
      enrollments.at(-1),
    ]);
    const child = startLooking('never');
    await untilWaiting(world, 'looking');
    child.process.kill('SIGKILL');
    await child.ended;
    await held.rollback();
    await killed(child);
    const ways = (await Promise.all(enrollments.map((id) => way(world, id)))).map((one) => one.join(', '));
    expect(new Set(ways).size).toBe(1);
    await wentOnce(enrollments);
  });

  it('[SEQ-14] [EXE-4] again and again, on its way to its next point, beside another worker', async () => {
    const enrollments = await people(CROWD);
    for (const point of ['after_read', 'before_settle']) {
      const child = startLooking('never');
      for (let at: unknown = null; at !== point && at !== 'end'; ) at = (await child.line()).at;
      const beside = deliverNow(world);
      await killed(child);
      await beside;
    }
    await wentOnce(enrollments);
  });
});
