/** A lane taken and read in one statement, and the worker that does so. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import { leaveLane, readDue, takeLane } from '../../src/dispatch/lanes.ts';
import { openLane } from '../../src/dispatch/open-lane.ts';
import { wake } from '../../src/ledger/wake.ts';
import { readPlanning } from '../../src/plan/sequences/calendar.ts';
import { Worker } from '../../src/worker/worker.ts';
import { type EngineWorld, engineWorld } from '../support/engine.ts';
import { until } from '../support/until.ts';

let world: EngineWorld;
let worker: Worker;
let end: () => Promise<void> = async () => undefined;
beforeEach(async () => {
  asked = [];
  end = async () => undefined;
  world = await engineWorld();
});
afterEach(async () => {
  await end();
  await world.close();
});

const due = async (where: EngineWorld, count = 1) =>
  where.enroll(await where.sequence(), await where.contacts(count));
/** What the worker asked the database, statement by statement. */
let asked: string[] = [];
/** Statements that are not answered yet. */
let pending = 0;

/** Since when nothing was asked, by the monotonic clock. */
let askedAt = 0;
/** Longer than a lane that has nothing to do is left alone. */
const QUIET_MS = 400;
/**
 * After a turn everybody has looked and found nothing. How often is not certain: a loop that looks while the other's
 * taking is not committed sees the lane due still, and gets up once more for nothing.
 */
const asleep = () => pending === 0 && asked.includes('lane_leave') && performance.now() - askedAt > QUIET_MS;

function begin(lanes: number): void {
  const db = new Database({ url: world.db.url, max: 4 });
  const { call, callPrepared } = db;
  const noted = <T>(answer: Promise<T>): Promise<T> => {
    pending++;
    askedAt = performance.now();
    return answer.finally(() => pending--);
  };
  db.call = (statement) => {
    asked.push(/\w+(?=\()/.exec(statement.text)?.[0] ?? statement.text);
    return noted(call.call(db, statement)) as never;
  };
  db.callPrepared = (statement, values) => {
    asked.push(statement.name);
    return noted(callPrepared.call(db, statement, values));
  };
  // Notifications and alarms alone: polling would hide that one was missed, and the end of a turn that others wait.
  const engine = { ...world.newEngine({ limits: { lane_turn_ms: 60_000 } }), db };
  const running = new Worker(engine, { lanes, poll_ms: 60_000 });
  running.start();
  worker = running;
  end = async () => {
    await running.stop();
    await db.close();
  };
}

describe('opening a lane', () => {
  it('[EXE-13] reads what reading the lane apart reads, and the settings of its senders', async () => {
    await due(world, 3);
    const lane = await openLane(world.engine, null);
    expect(lane).toMatchObject({ org: world.org, careful: false });
    expect(lane!.opened!.due).toEqual(await readDue(world.db, world.org, 500));
    const { now, ...planning } = lane!.opened!.planning;
    const { now: later, ...apart } = await readPlanning(world.db, world.org, [world.sender]);
    expect(planning).toEqual(apart);
    expect(now).toBeLessThanOrEqual(later);
    expect(await openLane(world.engine, null)).toBeNull();
  });

  it('[EXE-13] of one organization takes no other one', async () => {
    const other = await world.another();
    await due(other);
    expect(await openLane(world.engine, world.org)).toBeNull();
    expect((await openLane(world.engine, other.org))?.org).toBe(other.org);
  });

  it('[EXE-5] reads nothing of a lane whose holder was not heard of any more: that it was taken must be written first', async () => {
    await due(world);
    await takeLane(world.db, 'dead', 60_000);
    await world.owner.call(sql`UPDATE lanes SET lease_until = now() - interval '1 second'`);
    const lane = await openLane(world.engine, null);
    expect(lane).toMatchObject({ org: world.org });
    expect(lane!.opened).toBeUndefined();
    await leaveLane(world.db, lane!, 0);
    expect((await openLane(world.engine, null))!.opened!.due).toHaveLength(1);
  });
});

describe('a worker with nothing to do', () => {
  it('[OPS-2] asks the database twice between a notification and the provider: for the lane, and for the gate', async () => {
    await due(world);
    begin(1);
    await until(() => worker.settled === 1, 'a turn that went well');
    await until(asleep, 'it is asleep');
    asked = [];
    await due(world);
    await until(() => world.provider.calls.length === 2, 'the call');
    expect(asked.slice(0, 2)).toEqual(['lane_open', 'gate']);
  });

  it('[OPS-2] gets up alone for a notification: a second loop would find the same lane', async () => {
    await due(world);
    begin(2);
    await until(() => worker.settled === 1, 'a turn that went well');
    await until(asleep, 'both asleep');
    asked = [];
    await due(world);
    await until(() => world.provider.calls.length === 2, 'the call');
    const before = asked.slice(0, asked.indexOf('gate'));
    expect(before.filter((name) => name === 'lane_open' || name === 'lane_take')).toHaveLength(1);
  });

  it('[OPS-2] asks it the same twice when something falls due', async () => {
    await due(world);
    begin(1);
    await until(() => worker.settled === 1, 'a turn that went well');
    await until(asleep, 'it is asleep');
    await world.owner.call(
      sql`UPDATE touches SET wake_at = now() + interval '800 ms', not_before = now() WHERE state = 'planned'`,
    );
    await wake(world.db, world.org);
    await until(() => world.provider.calls.length === 2, 'the call');
    expect(asked.slice(0, asked.lastIndexOf('gate') + 1).slice(-3)).toEqual([
      'lane_soonest',
      'lane_open',
      'gate',
    ]);
  });

  it('[EXE-13] what falls due at the same moment elsewhere does not wait for an answer', async () => {
    const other = await world.another();
    for (const one of [world, other]) await due(one);
    await world.owner.call(sql`UPDATE touches SET wake_at = now() + interval '700 ms'`);
    let answer: () => void = () => undefined;
    const silence = new Promise<void>((resolve) => {
      answer = resolve;
    });
    world.provider.answer = async () => {
      if (world.provider.calls.length === 1) await silence;
      return { kind: 'accepted' };
    };
    begin(2);
    try {
      await until(() => world.provider.calls.length === 2, 'the other one called');
    } finally {
      answer();
    }
  });

  it('[EXE-13] an organization whose lane cannot be read keeps no other from its turn', async () => {
    const other = await world.another();
    await due(other);
    begin(1);
    await until(() => worker.settled === 1, 'a turn that went well');
    const [whole] = await world.owner.call<{ text: string }>(
      sql`SELECT pg_get_functiondef('lane_read'::regproc) AS text`,
    );
    const broken = whole!.text.replace(
      'BEGIN',
      `BEGIN IF p_org = '${world.org}' THEN RAISE EXCEPTION 'cannot be read'; END IF;`,
    );
    expect(broken).not.toBe(whole!.text);
    await world.owner.pool.query(broken);
    await due(world);
    await due(other);
    await until(() => worker.settled === 2, 'the other one sent');
  });
});
