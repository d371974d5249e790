import { afterEach, beforeEach, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { refreshStatistics } from '../../src/db/statistics.ts';
import { runEnrollmentJob } from '../../src/plan/sequences/bulk-enroll.ts';
import { createEnrollmentJob } from '../../src/plan/sequences/enrollment-jobs.ts';
import { Worker } from '../../src/worker/worker.ts';
import { type EngineWorld, engineWorld } from '../support/engine.ts';
import { until } from '../support/until.ts';

let world: EngineWorld;
beforeEach(async () => {
  world = await engineWorld();
});
afterEach(() => world.close());

const known = async (table: string) =>
  (
    await world.owner.pool.query(
      `SELECT c.reltuples, s.n_distinct FROM pg_class c LEFT JOIN pg_stats s ON s.tablename = c.relname AND s.attname = 'org_id'
        WHERE c.relname = $1 AND c.relnamespace = 'public'::regnamespace`,
      [table],
    )
  ).rows[0];

it('[OPS-2] the first batch is planned with statistics, as if one organization had all the rows', async () => {
  expect(await known('touches')).toEqual({ reltuples: -1, n_distinct: null });
  await world.enroll(await world.sequence(), await world.contacts(3));
  const worker = new Worker(world.engine, { lanes: 1, poll_ms: 50 });
  worker.start();
  await until(() => worker.settled >= 3, 'three sent');
  await worker.stop();
  for (const table of ['touches', 'enrollments', 'contacts', 'senders', 'sequences'])
    expect(await known(table), table).toMatchObject({ n_distinct: 1 });
});

it('[OPS-2] a table is analyzed again when it has grown, and not when it has not', async () => {
  const sequence = await world.sequence();
  await world.enroll(sequence, await world.contacts(3));
  expect(await refreshStatistics(world.db)).toBeGreaterThan(0);
  const before = (await known('touches')).reltuples;
  await until(async () => (await refreshStatistics(world.db)) === 0, 'nothing left to analyze');
  await world.enroll(sequence, await world.contacts(400));
  expect(await refreshStatistics(world.db)).toBeGreaterThan(0);
  expect((await known('touches')).reltuples).toBeGreaterThan(before + 300);
});

it('[OPS-2] rows that only change, as lanes do with each touch, are no reason: every kept plan would be made anew', async () => {
  await until(async () => (await refreshStatistics(world.db)) === 0, 'nothing left to analyze');
  for (let n = 0; n < 20; n++) await world.owner.call(sql`UPDATE lanes SET expiries = expiries + 1`);
  const changes = () =>
    world.owner.call<{ n: number }>(
      sql`SELECT pg_stat_force_next_flush(), pg_stat_get_mod_since_analyze('lanes'::regclass) AS n`,
    );
  await until(async () => (await changes())[0]!.n >= 20, 'the changes counted');
  expect(await refreshStatistics(world.db)).toBe(0);
});

it('[OPS-2] [SEQ-10] after a bulk enrolment, and within it, plans are made for what is there; no worker runs', async () => {
  const { db, versions, org, ctx } = world;
  const sequence_id = await world.sequence();
  const input = { sequence_id, contact_ids: await world.contacts(1_200), chunk: 50 };
  const { job_id } = await createEnrollmentJob(db, versions, ctx, input);
  const within: number[] = [];
  await runEnrollmentJob({ db, versions }, org, job_id, {
    worker: 'test:1',
    logger: { warn() {} },
    failpoint: async (name) => {
      if (name === 'after_chunk') within.push((await known('touches')).reltuples);
    },
  });
  expect(Math.max(...within)).toBeGreaterThan(0);
  // A quarter of what is there, at the least: a table that has not grown fourfold is left.
  for (const table of ['touches', 'enrollments'])
    expect((await known(table)).reltuples, table).toBeGreaterThan(300);
});
