/**
 * [OPS-2] [OPS-7] No statement of enrolling, reading what is due, listing, explaining and stopping reads a big table from end to end: the
 * server itself tells each plan (auto_explain), over HTTP, with the planner's own choice and with generic plans.
 */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Database } from '../../src/db/database.ts';
import { expireGates, leaveLane, readDue, takeLane, untilNextDue } from '../../src/dispatch/lanes.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import { runEnrollmentJob } from '../../src/plan/sequences/bulk-enroll.ts';
import { createEnrollmentJob } from '../../src/plan/sequences/enrollment-jobs.ts';
import { AMBIGUOUS, answered, letGo, type Runway } from '../support/flight.ts';
import { makeContacts, makeSender, makeSequence } from '../support/outreach.ts';
import { setup, type World } from './world.ts';

const ROWS = 20_000;
const BIG = [
  'contacts',
  'enrollments',
  'touches',
  'events_default',
  'gates',
  'receipts',
  'audit_log',
  'enrollment_job_results',
];

let world: World;
let owner: pg.Client;
let sender: Uuid;
let sequence: Uuid;
let people: Uuid[];
const plans: string[] = [];

beforeAll(async () => {
  world = await setup();
  owner = new pg.Client({ connectionString: world.ownerUrl });
  await owner.connect();
  owner.on('error', () => undefined);
  sender = await makeSender(world.db, world.org.id);
  sequence = await makeSequence(world.db, world.org.id, sender);
  people = await makeContacts(world.db, world.org.id, ROWS);
  const deps = { db: world.db, versions: world.deps.versions };
  const job = await createEnrollmentJob(world.db, world.deps.versions, world.org.caller, {
    sequence_id: sequence,
    contact_ids: people,
  });
  await runEnrollmentJob(deps, world.org.id, job.job_id, { worker: 'test', logger: { warn() {} } });
  await owner.query(`
    INSERT INTO gates (org_id, token, worker, gated_at, lease_until, touches, open, rules)
    SELECT org_id, id, 'test', now(), now(), ARRAY[id], 0, '{}' FROM touches`);
  await owner.query(`
    INSERT INTO receipts (org_id, id, subject_type, subject_id, status, epoch, effective_at, not_started, in_flight, actor)
    SELECT org_id, id, 'enrollment', id::text, 'paused', 1, now(), 0, '{}', 'test' FROM enrollments`);
  await owner.query('VACUUM ANALYZE');
});
afterAll(async () => {
  await owner?.end();
  await world?.close();
});

/** Every plan of every statement comes as a notice from now on. */
async function tellPlans(mode: string): Promise<void> {
  const { rows } = await owner.query('SELECT current_database() AS name');
  for (const [setting, value] of [
    ['session_preload_libraries', 'auto_explain'],
    ['auto_explain.log_min_duration', '0'],
    ['auto_explain.log_nested_statements', 'on'],
    ['auto_explain.log_level', 'notice'],
    ['client_min_messages', 'notice'],
    ['plan_cache_mode', mode],
  ])
    await owner.query(`ALTER DATABASE ${rows[0].name} SET ${setting} = '${value}'`);
  // Connections that are there already keep what they had.
  const fresh = new Database({ url: world.db.url, max: 4 });
  fresh.pool.on('connect', (client) => {
    client.on('notice', (notice) => plans.push(String(notice.message)));
  });
  const old = world.db.pool;
  Object.assign(world.db, { pool: fresh.pool });
  await old.end();
}

function scans(): string[] {
  return plans.flatMap((plan) => {
    const table = /Seq Scan on (\w+)/.exec(plan)?.[1];
    return table !== undefined && BIG.includes(table) ? [plan.slice(0, 3_000)] : [];
  });
}

const get = async (path: string) => {
  const reply = await world.call('GET', path);
  expect(reply.status, path).toBe(200);
  return reply.body;
};

async function everything(part: readonly Uuid[]): Promise<void> {
  const path = '/api/outreach/enrollments';
  const runway: Runway = { db: world.db, versions: world.deps.versions, org: world.org.id };
  const other = await makeSequence(world.db, world.org.id, sender);
  await world.call('POST', path, { body: { sequence_id: other, contact_ids: part } });
  await world.call('POST', path, { body: { sequence_id: sequence, contact_ids: part, policy: 'restart' } });
  const { items } = await get(`${path}?sequence_id=${sequence}&status=active&limit=3`);
  const deep = await get(`${path}?sequence_id=${sequence}&status=active&limit=200`);
  await get(`${path}?sequence_id=${sequence}&limit=3&cursor=${deep.next_cursor}`);
  await get(`${path}?status=paused`);
  await get(`${path}?contact_id=${part[0]}`);
  await get(path);
  const [a, b, c] = items;
  await get(`${path}/${a.id}`);
  for (const query of [
    '',
    `enrollment_id=${a.id}`,
    `contact_id=${part[0]}`,
    `sequence_id=${sequence}`,
    'needs_review=true',
    'state=unknown',
  ])
    await get(`/api/touches?limit=5&${query}`);
  for (const action of ['pause', 'resume', 'advance', 'restart', 'unenroll'])
    expect((await world.call('PATCH', `${path}/${a.id}`, { body: { action } })).status, action).toBe(200);
  const lane = await takeLane(world.db, 'test', 60_000);
  expect(lane?.org).toBe(world.org.id);
  expect(await readDue(world.db, world.org.id, 500)).toHaveLength(500);
  await expireGates(world.db, world.org.id, 'test');
  await untilNextDue(world.db);
  await leaveLane(world.db, lane!, 0);
  const flight = await letGo(runway, b.live_touch);
  await answered(runway, flight, AMBIGUOUS);
  await get(`/api/touches/${b.live_touch}`);
  const paused = await world.call('PATCH', `${path}/${b.id}`, { body: { action: 'pause' } });
  await get(`/api/receipts/${paused.body.receipt.id}`);
  await world.call('POST', `/api/touches/${b.live_touch}/resolve`, { body: { outcome: 'resend' } });
  const claim = {
    org_id: world.org.id,
    contact_id: c.contact_id,
    touch_id: c.live_touch,
    channel: 'email',
  } as const;
  await fetch(`${world.url}/u/${world.deps.tokens.sign(claim)}`, { method: 'POST' });
  const jobs = await get('/api/outreach/enrollment-jobs');
  await get(`/api/outreach/enrollment-jobs/${jobs.items[0].job_id}/results?limit=1000`);
}

test.each([
  ['auto', 0],
  ['force_generic_plan', 300],
])('[OPS-2] [OPS-7] no big table is read from end to end, plans %s', async (mode, from) => {
  await tellPlans(mode);
  plans.length = 0;
  await everything(people.slice(from, from + 300));
  expect(plans.length).toBeGreaterThan(100);
  expect(scans()).toEqual([]);
});
