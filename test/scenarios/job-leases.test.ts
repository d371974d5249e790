import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/app.ts';
import { sql } from '../../src/db/sql.ts';
import { freeSilent } from '../../src/worker/job-leases.ts';
import { startJobs } from '../../src/worker/jobs.ts';
import { type EngineWorld, engineWorld } from '../support/engine.ts';
import { until } from '../support/until.ts';

describe('the housekeeping queue', () => {
  let world: EngineWorld;
  beforeAll(async () => {
    world = await engineWorld();
  });
  afterAll(() => world.close());

  it('[EXE-5] a job of a worker that went silent is free again, one of a living worker is not', async () => {
    await world.db.call(
      sql`SELECT graphile_worker.add_job('import_contacts', '{}'), graphile_worker.add_job('import_contacts', '{}')`,
    );
    await world.owner.call(sql`
      UPDATE graphile_worker._private_jobs SET locked_at = now() - interval '2 minutes',
             locked_by = CASE WHEN id = (SELECT min(id) FROM graphile_worker._private_jobs) THEN 'dead' ELSE 'alive' END`);
    await world.db.call(
      sql`INSERT INTO job_workers (id, process, heartbeat_at) VALUES ('alive', 'test', now()), ('dead', 'test', now() - interval '2 minutes')`,
    );
    await freeSilent(world.db);
    const locked = await world.owner.call(
      sql`SELECT locked_by FROM graphile_worker._private_jobs ORDER BY id`,
    );
    expect(locked).toEqual([{ locked_by: null }, { locked_by: 'alive' }]);
  });

  it('[EXE-5] [OPS-5] what cannot be written off when a job is done ends neither the process nor the queue', async () => {
    const { db, owner } = world;
    await owner.call(sql`DELETE FROM graphile_worker._private_jobs`);
    await owner.call(sql`CREATE SEQUENCE written_off`);
    await owner.call(sql`
      CREATE FUNCTION fail_first() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
      BEGIN
        IF current_query() LIKE 'delete%' AND nextval('written_off') = 1 THEN RAISE EXCEPTION 'terminating connection' USING ERRCODE = 'admin_shutdown'; END IF;
        RETURN OLD;
      END $$`);
    await owner.call(
      sql`CREATE TRIGGER fail_first BEFORE DELETE ON graphile_worker._private_jobs FOR EACH ROW EXECUTE FUNCTION fail_first()`,
    );
    const told: string[] = [];
    const logger = { warn: (_: unknown, text?: string) => told.push(text ?? String(_)) };
    const app = { db, engine: { worker: 'test:1' }, versions: world.versions, logger } as unknown as App;
    const jobs = await startJobs(app, 10);
    const add = () =>
      db.call(sql`
        SELECT graphile_worker.add_job('release_held', ${JSON.stringify({ org: world.org, class: 'sender', id: world.sender, epoch: 0 })}::json)`);
    const left = () => owner.call(sql`SELECT locked_by FROM graphile_worker._private_jobs`);
    try {
      await add();
      await until(() => told.includes('the job queue ended by itself; it begins anew'), 'the failure');
      const [failed] = await left();
      // It is known by who locked it, so it is free once that one is silent.
      const known = await owner.call(sql`SELECT id FROM job_workers`);
      expect(known.map((row) => row['id'])).toContain(failed!['locked_by']);
      await add();
      await until(async () => (await left()).length === 1, 'the next job');
      expect(await left()).toEqual([failed]);
    } finally {
      await jobs.stop();
    }
  });
});
