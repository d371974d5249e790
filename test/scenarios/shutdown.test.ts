/** A worker that is asked to end finishes what it holds and hands the rest back; a rolling deploy loses and repeats nothing. */
import { hostname } from 'node:os';
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import type { EngineWorld } from '../support/engine.ts';
import { recordedWorkers } from '../support/recorded-workers.ts';
import { until } from '../support/until.ts';
import { worlds } from '../support/worlds.ts';

const CONNECTIONS = 4;
const CONTACTS = 60;
/** Long enough that calls are open whenever somebody looks. */
const SLOW_MS = 150;
const worldOf = worlds();
let world: EngineWorld;
const { plan, sendThrough, startWorker, enroll, recorded, states } = recordedWorkers(worldOf);
beforeEach(async () => {
  world = worldOf();
  // What may have gone and was not settled would wait for a person: it cannot hide.
  await sendThrough('N', CONNECTIONS);
  plan({ rates: { slow: 1 }, slow_ms: SLOW_MS });
});

const begun = (n: number) =>
  until(async () => (await recorded('begun')).length >= n, `${n} calls to have begun`, 30_000);

describe('a worker that gets SIGTERM with every connection busy', () => {
  it('[OPS-5] [TEN-5] settles what is in flight, hands the rest back, lets its lane go, and signed what it did', async () => {
    await enroll(CONTACTS);
    const worker = startWorker();
    await begun(CONNECTIONS * 2);
    worker.process.kill('SIGTERM');
    expect(await worker.ended).toBe(0);
    const after = await states();
    expect(Object.keys(after).sort()).toEqual(['planned', 'sent']);
    expect(after.planned).toBeGreaterThan(0);
    expect(await recorded('accepted')).toHaveLength(after.sent!);
    expect(await recorded('begun')).toHaveLength(after.sent!);
    const [held] = await world.owner.call<{ gates: number; lanes: number }>(sql`
      SELECT (SELECT count(*)::int FROM gates WHERE org_id = ${world.org}::uuid AND open > 0) AS gates,
             (SELECT count(*)::int FROM lanes WHERE org_id = ${world.org}::uuid AND lease_until > now()) AS lanes`);
    expect(held).toEqual({ gates: 0, lanes: 0 });
    const actors = await world.owner.call<{ actor: string }>(
      sql`SELECT DISTINCT actor FROM events WHERE org_id = ${world.org}::uuid AND type = 'sent'`,
    );
    expect(actors).toEqual([{ actor: `worker:${hostname()}:${worker.process.pid}` }]);
  });
});

describe('a rolling deploy', () => {
  it('[OPS-5] loses and repeats nothing, however often the workers change', async () => {
    await enroll(CONTACTS);
    let old = startWorker();
    for (const n of [6, 20]) {
      await begun(n);
      const next = startWorker();
      await next.line();
      old.process.kill('SIGTERM');
      expect(await old.ended).toBe(0);
      old = next;
    }
    await until(async () => (await states()).sent === CONTACTS, 'all to be sent', 30_000);
    const accepted = await recorded('accepted');
    expect(accepted).toHaveLength(CONTACTS);
    expect(new Set(accepted).size).toBe(CONTACTS);
    expect(await recorded('begun')).toHaveLength(CONTACTS);
  });
});
