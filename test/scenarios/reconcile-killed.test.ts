/** A worker process that is killed with its hands full: what it had called is found out, the rest goes once. */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import type { EngineWorld } from '../support/engine.ts';
import { recordedWorkers } from '../support/recorded-workers.ts';
import { until } from '../support/until.ts';
import { worlds } from '../support/worlds.ts';

const CONNECTIONS = 8;
const CONTACTS = 40;
const QUICK = { WORKER_LOOKUP_GAP_MS: '200' };
const worldOf = worlds();
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});
const { plan, sendThrough, startWorker, enroll, recorded, states } = recordedWorkers(worldOf);

/** Kills a worker whose every connection waits for an answer, and lets its leases run out. */
async function killed(): Promise<void> {
  await enroll(CONTACTS);
  const worker = startWorker(QUICK);
  await until(
    async () => (await recorded('begun')).length >= CONNECTIONS,
    'every connection to be busy',
    30_000,
  );
  worker.process.kill('SIGKILL');
  await worker.ended;
  // What passed the gate is what could be called at once, and no more.
  expect(await states()).toEqual({ sending: CONNECTIONS, planned: CONTACTS - CONNECTIONS });
  plan({});
  await world.owner.call(
    sql`UPDATE gates SET lease_until = now() - interval '1 second' WHERE org_id = ${world.org}::uuid`,
  );
  await world.owner.call(
    sql`UPDATE lanes SET lease_until = now() - interval '1 second' WHERE org_id = ${world.org}::uuid`,
  );
}

describe('a worker killed with every connection busy', () => {
  it('[EXE-4] [EXE-5] class L: each of its calls is looked up, the rest is sent once by the next', async () => {
    await sendThrough('L', CONNECTIONS);
    // Half of what it called had been accepted when it died.
    plan({ rates: { hang_before: 0.5, hang_after: 0.5 } });
    await killed();
    const before = await recorded('accepted');
    startWorker(QUICK);
    await until(async () => (await states()).sent === CONTACTS, 'all to be sent', 30_000);
    const accepted = await recorded('accepted');
    expect(accepted).toHaveLength(CONTACTS);
    expect(new Set(accepted).size).toBe(CONTACTS);
    // Nothing that had been accepted was called again.
    const begun = await recorded('begun');
    for (const touch of before) expect(begun.filter((id) => id === touch)).toHaveLength(1);
    const [unknown] = await world.owner.call<{ n: number }>(
      sql`SELECT count(DISTINCT touch_id)::int AS n FROM events WHERE org_id = ${world.org}::uuid AND type = 'unknown'`,
    );
    expect(unknown!.n).toBeLessThanOrEqual(CONNECTIONS);
  });

  it('[EXE-4] [EXE-5] class N: what may have gone waits for a person, the rest is sent once', async () => {
    await sendThrough('N', CONNECTIONS);
    plan({ rates: { hang_before: 0.5, hang_after: 0.5 } });
    await killed();
    startWorker(QUICK);
    await until(async () => (await states()).sent === CONTACTS - CONNECTIONS, 'the rest to be sent', 30_000);
    const review = async () =>
      (await world.owner.call(sql`SELECT id FROM touches WHERE org_id = ${world.org}::uuid AND needs_review`))
        .length;
    await until(async () => (await review()) === CONNECTIONS, 'a person to be asked', 30_000);
    expect(await states()).toEqual({ sent: CONTACTS - CONNECTIONS, unknown: CONNECTIONS });
    const accepted = await recorded('accepted');
    expect(new Set(accepted).size).toBe(accepted.length);
  });
});
