/**
 * Every SQL function of ours runs against the current schema [OPS-7]: a tour of what the product does, in a database that
 * counts the calls, and then a look at which function was never called. (Those in plain SQL are checked when made.)
 */

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { keepLane, leaveLane, othersWait, takeLane, untilNextDue } from '../../src/dispatch/lanes.ts';
import { proveAddress } from '../../src/dispatch/prove-address.ts';
import { resolveTouch } from '../../src/dispatch/resolve.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { runEnrollmentJob } from '../../src/plan/sequences/bulk-enroll.ts';
import { runVersionMove } from '../../src/plan/sequences/bulk-version-move.ts';
import { enrollOne } from '../../src/plan/sequences/enroll-one.ts';
import { createEnrollmentJob } from '../../src/plan/sequences/enrollment-jobs.ts';
import { act, getEnrollment } from '../../src/plan/sequences/enrollments.ts';
import { createVersionMove } from '../../src/plan/sequences/version-move-jobs.ts';
import { hold, releaseHeld, unsubscribe } from '../../src/plan/stop.ts';
import { TRIPPED } from '../../src/senders/breaker.ts';
import { syncTurns } from '../../src/senders/template-turns.ts';
import { createApiKey } from '../../src/tenancy/api-keys.ts';
import { authenticate } from '../../src/tenancy/authenticate.ts';
import { createMember } from '../../src/tenancy/members.ts';
import { type Caller, SCOPES } from '../../src/tenancy/roles.ts';
import { createSecrets } from '../../src/tenancy/secrets.ts';
import { Worker } from '../../src/worker/worker.ts';
import { newSecret } from '../conformance/sink-target.ts';
import { addSender, people } from '../support/channels.ts';
import { describeWith } from '../support/debian.ts';
import { deliverNow } from '../support/deliver-now.ts';
import { type EngineWorld, engineWorld } from '../support/engine.ts';
import { happened } from '../support/happenings.ts';
import { publishVersion } from '../support/outreach.ts';
import { type Postgres15, startPostgres15 } from '../support/postgres15.ts';
import { expire, sending, touchRow } from '../support/touches.ts';
import { until } from '../support/until.ts';

/** Run when the schema is made, as its owner, and never by the product. */
const OF_MIGRATIONS = ['tenant_table', 'events_partitions'];

let world: EngineWorld;

/** `server`: the URL of another than that of the test run. */
async function open(server?: string): Promise<void> {
  world = await engineWorld('N', server);
  await world.owner.call(sql`
    DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET track_functions = pl', current_database()); END $$`);
  // Connections made before do not count.
  await endConnections();
  await until(counting, 'new connections');
}

async function endConnections(): Promise<void> {
  await world.owner.call(
    sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
  );
}

async function counting(): Promise<boolean> {
  try {
    const [row] = await world.db.call<{ track_functions: string }>(sql`SHOW track_functions`);
    return row!.track_functions === 'pl';
  } catch {
    return false;
  }
}

/** The same steps in each version. */
const IDS = [newId(), newId(), newId()];
const steps = (...channels: string[]) =>
  channels.map((channel, i) => ({
    id: IDS[i],
    channel,
    subject: 'Hello',
    body_text: 'Text',
    delay: { amount: i, unit: 'days' },
  }));

/** Enrolls one, by itself and through a job; stops and resumes it; publishes, and moves it to the new version. */
async function enrolling(): Promise<{ sequence: Uuid; contact: Uuid; enrollment: Uuid }> {
  const { db, versions, ctx, org } = world;
  const definition = {
    sender_ids: [world.sender, await addSender(world, 'sms')],
    steps: steps('email', 'email', 'sms'),
    on_unsubscribe: 'skip_steps',
  };
  const sequence_id = await world.sequence(definition);
  const [contact_id, other] = await people(world, 2);
  const { enrollment_id } = await enrollOne(db, versions, ctx, { sequence_id, contact_id: contact_id! });
  const job = await createEnrollmentJob(db, versions, ctx, {
    sequence_id,
    contact_ids: [contact_id!, other!],
    policy: 'restart',
  });
  await runEnrollmentJob({ db, versions }, org, job.job_id, { worker: 'test:1', logger: { warn() {} } });
  for (const action of ['pause', 'resume', 'advance', 'restart'] as const)
    await act(db, versions, ctx, enrollment_id, action);
  await publishVersion(db, org, sequence_id, world.sender, definition);
  const move = await createVersionMove(db, versions, ctx, { sequence_id });
  await runVersionMove({ db, versions }, org, move.move_id, { worker: 'test:1' });
  return { sequence: sequence_id, contact: contact_id!, enrollment: enrollment_id };
}

/** Sends through a worker; a touch whose outcome nobody knows is looked at, and a person says what became of it. */
async function sendingOut(): Promise<void> {
  const { db, versions, ctx, org } = world;
  const [enrollment] = await world.enroll(await world.sequence(), await world.contacts(1));
  const worker = new Worker(world.engine, { lanes: 1, poll_ms: 50 });
  worker.start();
  await until(() => world.provider.calls.length > 0, 'a send');
  await until(async () => (await getEnrollment(db, org, enrollment!)).step_no === 1, 'its settling');
  await worker.stop();
  const [unknown] = await world.enroll(await world.sequence(), await world.contacts(1));
  const touch = (await getEnrollment(db, org, unknown!)).live_touch;
  await expire(world, await sending(world, [touch]));
  await deliverNow(world);
  await resolveTouch(db, versions, ctx, touch, { outcome: 'sent' });
  expect((await touchRow(world, touch)).state).toBe('sent');
  await world.owner.call(
    sql`UPDATE senders SET daily_limit = 1, version = version + 1 WHERE id = ${world.sender}::uuid`,
  );
  await world.enroll(await world.sequence(), await world.contacts(2));
  await deliverNow(world);
  await world.owner.call(
    sql`UPDATE senders SET daily_limit = NULL, max_gap_s = 60, version = version + 1 WHERE id = ${world.sender}::uuid`,
  );
  await world.enroll(await world.sequence(), await world.contacts(2));
  await deliverNow(world);
  await othersWait(db, org);
  await untilNextDue(db);
  await world.owner.call(
    sql`UPDATE touches SET wake_at = now() - interval '1 s' WHERE state = 'planned' AND wake_at IS NOT NULL`,
  );
  const lane = (await takeLane(db, 'test:1', 1_000))!;
  await keepLane(db, lane, 1_000, { made: true, suspect: null });
  await leaveLane(db, lane, 0);
}

/** A code to an address of the caller's own. */
async function mailingMembers(caller: Caller): Promise<void> {
  const { db, engine } = world;
  const member = await createMember(db, caller, { email: 'me@example.org', name: 'Me', role: 'member' });
  await world.owner.call(
    sql`UPDATE senders SET daily_limit = NULL, max_gap_s = 60, version = version + 1 WHERE id = ${world.sender}::uuid`,
  );
  await world.owner.call(
    sql`UPDATE sender_usage SET gap_from = NULL WHERE sender_id = ${world.sender}::uuid`,
  );
  const wanted = { kind: 'email', address: 'me@example.org', sender_id: world.sender } as const;
  const { code } = await proveAddress(engine, { ...caller, member_id: member.id }, wanted);
  expect(code.outcome).toBe('sent');
}

async function tour(): Promise<void> {
  const { db, ctx, org } = world;
  const { sequence, contact } = await enrolling();
  await sendingOut();
  for (const paused of [true, false]) await hold(db, ctx, { class: 'sequence', id: sequence, paused });
  const sender = { class: 'sender', id: world.sender } as const;
  await hold(db, ctx, { ...sender, paused: true }, { reason: `${TRIPPED}: as if` });
  await hold(db, ctx, { ...sender, paused: false });
  await releaseHeld(db, { org, class: 'sequence', id: sequence, epoch: 2 });
  await happened(world, { contact_id: contact, name: 'signed_up' });
  await unsubscribe(db, ctx, { contact_id: contact, channel: 'email', source: 'api' });
  const caller = { ...ctx, role: 'owner', scopes: SCOPES } as const;
  const { key } = await createApiKey(db, caller, { name: 'tour', role: 'viewer' });
  expect((await authenticate(db, key)).ok).toBe(true);
  await db.call(sql`
    SELECT * FROM idempotency_begin(${org}::uuid, 'key', ${Buffer.from('hash')}, ${newId()}::uuid, '24 hours', '60 seconds')`);
  await syncTurns({
    db,
    adapters: new Map(),
    secrets: createSecrets([newSecret()]),
    logger: { warn: () => undefined },
  });
  await db.inOrg(org, (tx) => tx.one(sql`SELECT * FROM ledger_health(${org}::uuid)`));
  await mailingMembers(caller);

  const silent = () =>
    world.owner.call<{ name: string }>(sql`
      SELECT p.proname AS name FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
       WHERE p.pronamespace = 'public'::regnamespace AND l.lanname = 'plpgsql' AND p.proname <> ALL (${OF_MIGRATIONS})
         AND NOT EXISTS (SELECT FROM pg_stat_user_functions s WHERE s.funcid = p.oid AND s.calls > 0)
       ORDER BY 1`);
  // A connection tells what it has counted when it ends, or has been idle for long.
  await endConnections();
  await until(async () => (await silent()).length === 0, 'every function to have been called', 5_000).catch(
    () => undefined,
  );
  expect((await silent()).map((row) => row.name)).toEqual([]);
}

const TITLE = '[OPS-7] every function is run by what the product does, against the schema as it is';

/** It makes the partitions it can; rows of one it cannot make lie in the default partition. */
const MAY_CATCH = ['events_partitions'];

function catching(): Promise<{ name: string }[]> {
  return world.owner.call<{ name: string }>(sql`
    SELECT p.proname AS name FROM pg_proc p
     WHERE p.pronamespace = 'public'::regnamespace AND p.prosrc ~* 'exception\\s+when' AND p.proname <> ALL (${MAY_CATCH})`);
}

describe('on PostgreSQL 18', () => {
  beforeAll(() => open());
  afterAll(() => world?.close());

  it(TITLE, tour);

  it('[OPS-7] no function swallows an error of the database', async () => {
    expect(await catching()).toEqual([]);
    // The same look finds one that does.
    await world.owner.call(sql`
      CREATE FUNCTION swallowing() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM 1 / 0; EXCEPTION WHEN others THEN NULL; END $$`);
    expect(await catching()).toEqual([{ name: 'swallowing' }]);
  });
});

describeWith('initdb', 'on PostgreSQL 15', (initdb) => {
  let server: Postgres15;
  beforeAll(async () => {
    server = await startPostgres15(initdb, randomBytes(16).toString('hex'));
    await open(server.url);
  });
  afterAll(async () => {
    await world?.close();
    await server?.stop();
  });

  it(TITLE, tour);
});
