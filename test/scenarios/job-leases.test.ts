import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { freeSilent } from '../../src/worker/job-leases.ts';
import { type EngineWorld, engineWorld } from '../support/engine.ts';

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
});
