/** [OPS-2] Plans that were made when the tables held next to nothing still look each touch up by its key. */
import { afterEach, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { deliverNow } from '../support/deliver-now.ts';
import { type EngineWorld, engineWorld } from '../support/engine.ts';
import { until } from '../support/until.ts';

const opened: EngineWorld[] = [];
afterEach(async () => {
  for (const world of opened.splice(0)) await world.close();
});

const TOUCHES = 600;

async function enroll(world: EngineWorld, count: number): Promise<void> {
  const sequence = await world.sequence({ steps: [{ channel: 'email', subject: 'Hi', body_text: 'One' }] });
  await world.enroll(sequence, await world.contacts(count));
}

/**
 * Of what backends have told of themselves so far: rows read of the two tables, and touches written. (Not contacts: while
 * one is all that the planner knows of, the index by name is as good as the key to it; that is no product of two tables.)
 */
async function told(world: EngineWorld): Promise<{ read: number; written: number }> {
  const [row] = await world.owner.call<{ read: number; written: number }>(sql`
    SELECT sum(idx_tup_fetch + seq_tup_read)::int AS read, sum(n_tup_upd) FILTER (WHERE relname = 'touches')::int AS written
      FROM pg_stat_user_tables WHERE relname IN ('touches', 'enrollments')`);
  return row!;
}

it('[OPS-2] gate and settle read a few rows a touch, not all of the organization for each', async () => {
  const world = await engineWorld();
  opened.push(world);
  await enroll(world, 1);
  await deliverNow(world);
  await enroll(world, TOUCHES);
  await deliverNow(world);
  const [sent] = await world.owner.call<{ n: number }>(
    sql`SELECT count(*)::int AS n FROM touches WHERE state = 'sent'`,
  );
  expect(sent!.n).toBe(TOUCHES + 1);
  await until(async () => (await told(world)).written >= 2 * TOUCHES, 'what backends tell of themselves');
  expect((await told(world)).read).toBeLessThan(TOUCHES * 100);
});
