import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { App } from '../../src/app.ts';
import type { Row } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { type BulkEnrollOptions, runEnrollmentJob } from '../../src/plan/sequences/bulk-enroll.ts';
import { createEnrollmentJob } from '../../src/plan/sequences/enrollment-jobs.ts';
import { startJobs } from '../../src/worker/jobs.ts';
import { ACCEPTED, answered, letGo } from '../support/flight.ts';
import { makeContacts, makeSender, makeSequence, oneStep } from '../support/outreach.ts';
import { until } from '../support/until.ts';
import { type Reply, setup, type World } from './world.ts';

const JOBS = '/api/outreach/enrollment-jobs';
const PROCESS = fileURLToPath(new URL('../support/bulk-enroll-process.mjs', import.meta.url));

let world: World;
let sender: Uuid;

beforeAll(async () => {
  world = await setup();
  sender = await makeSender(world.db, world.org.id);
});
afterAll(() => world?.close());

const contacts = (count: number, given = {}) => makeContacts(world.db, world.org.id, count, given);
const sequence = () => makeSequence(world.db, world.org.id, sender, oneStep());
const enroll = (body: object): Promise<Reply> => world.call('POST', '/api/outreach/enrollments', { body });
const progress = async (job: Uuid) => (await world.call('GET', `${JOBS}/${job}`)).body;

const QUIET = { worker: 'test:1', logger: { warn() {} } };

function run(job: Uuid, options: Partial<BulkEnrollOptions> = {}): Promise<void> {
  const deps = { db: world.db, versions: world.deps.versions };
  return runEnrollmentJob(deps, world.org.id, job, { ...QUIET, ...options });
}

/** A job in small chunks, without the queue's own worker. */
async function job(
  sequence_id: Uuid,
  contact_ids: Uuid[],
  more: { chunk?: number; policy?: 'restart' } = {},
) {
  const made = await createEnrollmentJob(world.db, world.deps.versions, world.org.caller, {
    sequence_id,
    contact_ids,
    chunk: 50,
    ...more,
  });
  return made.job_id;
}

async function results(job: Uuid, query = ''): Promise<Row[]> {
  const all: Row[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body }: Reply = await world.call(
      'GET',
      `${JOBS}/${job}/results?limit=97${query}${cursor && `&cursor=${cursor}`}`,
    );
    all.push(...body.items);
    cursor = body.next_cursor;
  }
  return all;
}

/** What is really there of a sequence: a row a contact. */
function rows(sequence_id: Uuid): Promise<Row[]> {
  return world.db.inOrg(world.org.id, (tx) =>
    tx.rows(sql`
      SELECT e.contact_id, e.id AS enrollment_id, e.job_id, e.generation,
             (SELECT count(*)::int FROM touches t WHERE t.org_id = e.org_id AND t.source_id = e.id) AS touches,
             (SELECT count(*)::int FROM events v WHERE v.org_id = e.org_id AND v.source_id = e.id AND v.type = 'enrolled') AS told
        FROM enrollments e WHERE e.org_id = ${world.org.id} AND e.sequence_id = ${sequence_id}`),
  );
}

/** Every result is true: who is told enrolled has that enrollment, once, with one touch, and of this job. */
async function expectTrue(job: Uuid, sequence_id: Uuid, people: readonly Uuid[]): Promise<void> {
  const told = await results(job);
  expect(told.map((one) => one.contact_id).sort()).toEqual([...people].sort());
  const there = await rows(sequence_id);
  expect(there).toHaveLength(people.length);
  const byContact = new Map(there.map((row) => [row.contact_id, row]));
  for (const one of told) {
    expect(one).toMatchObject({ result: 'enrolled', reason: null });
    expect(byContact.get(one.contact_id)).toEqual({
      contact_id: one.contact_id,
      enrollment_id: one.enrollment_id,
      job_id: job,
      generation: 1,
      touches: 1,
      told: 1,
    });
  }
  const { status, total, processed, enrolled, skipped, refused } = await progress(job);
  const n = people.length;
  expect({ status, total, processed, enrolled, skipped, refused }).toEqual({
    status: 'completed',
    total: n,
    processed: n,
    enrolled: n,
    skipped: 0,
    refused: 0,
  });
}

describe('a bulk enrolment', () => {
  test('[SEQ-10] more than 500 contacts become a job, worked by the queue, with a result for each', async () => {
    const runner = await startJobs({ ...world.deps, engine: { worker: 'test:1' } } as unknown as App);
    try {
      const sequence_id = await sequence();
      const people = await contacts(700);
      const [noAddress] = await contacts(1, { email: null });
      await enroll({ sequence_id, contact_id: people[0] });
      const unknown = newId();
      const asked = [...people, noAddress, unknown, people[5], people[5]];
      const made = await enroll({ sequence_id, contact_ids: asked });
      expect(made.status).toBe(202);
      expect(made.headers.get('location')).toBe(`${JOBS}/${made.body.job_id}`);
      expect(made.body).toMatchObject({ status: 'queued', total: 704, sequence_id });
      await until(async () => (await progress(made.body.job_id)).status === 'completed', 'the job');
      expect(await progress(made.body.job_id)).toMatchObject({
        processed: 704,
        enrolled: 699,
        skipped: 3,
        refused: 2,
      });
      const told = await results(made.body.job_id);
      expect(told).toHaveLength(704);
      const others = told
        .filter((one) => one.result !== 'enrolled')
        .map((one) => [one.contact_id, one.result, one.reason]);
      expect(others.sort()).toEqual(
        [
          [people[0], 'skipped', 'already_enrolled'],
          [people[5], 'skipped', 'duplicate'],
          [people[5], 'skipped', 'duplicate'],
          [noAddress, 'refused', 'no_address'],
          [unknown, 'refused', 'unknown_contact'],
        ].sort(),
      );
      expect(await results(made.body.job_id, '&result=refused')).toHaveLength(2);
      const { body: audit } = await world.call('GET', `/api/audit?subject_id=${made.body.job_id}`);
      expect(audit.items.map((one: Row) => [one.action, one.actor_type])).toEqual([
        ['enrollment_job.complete', 'worker'],
        ['enrollment_job.create', 'api_key'],
      ]);
    } finally {
      await runner.stop();
    }
  });

  test('[SEQ-10] by tag: those that have it when the job is made', async () => {
    const sequence_id = await sequence();
    const people = await contacts(120, { tag: 'customers' });
    const made = await enroll({ sequence_id, tag: 'customers' });
    expect(made.status).toBe(202);
    await contacts(3, { tag: 'customers' });
    await run(made.body.job_id);
    await expectTrue(made.body.job_id, sequence_id, people);
    const none = await enroll({ sequence_id, tag: 'nobody has it' });
    await run(none.body.job_id);
    expect(await progress(none.body.job_id)).toMatchObject({ status: 'completed', total: 0 });
  });

  test('a hundred thousand ids fit into one request', async () => {
    const sequence_id = await sequence();
    const contact_ids = Array.from({ length: 100_000 }, () => newId());
    const made = await enroll({ sequence_id, contact_ids });
    expect(made.status).toBe(202);
    expect(made.body.total).toBe(100_000);
    expect((await world.call('POST', `${JOBS}/${made.body.job_id}/cancel`)).body.status).toBe('cancelled');
  });

  test('[SEQ-4] with `restart`: the live, the ended and the new; what is in flight is left alone', async () => {
    const sequence_id = await sequence();
    const people = await contacts(60);
    const first = await enroll({ sequence_id, contact_ids: people.slice(0, 40) });
    const flying = first.body.results[0];
    const runway = { db: world.db, versions: world.deps.versions, org: world.org.id };
    const touch = (await world.call('GET', `/api/outreach/enrollments/${flying.enrollment_id}`)).body
      .live_touch;
    const flight = await letGo(runway, touch);
    for (const one of first.body.results.slice(1, 11))
      await world.call('PATCH', `/api/outreach/enrollments/${one.enrollment_id}`, {
        body: { action: 'unenroll' },
      });
    const id = await job(sequence_id, people, { policy: 'restart' });
    await run(id);
    expect(await progress(id)).toMatchObject({ status: 'completed', enrolled: 59, skipped: 1, refused: 0 });
    const told = await results(id);
    expect(told.filter((one) => one.reason === 'restarted')).toHaveLength(39);
    expect(told.find((one) => one.reason === 'touch_in_flight')).toMatchObject({
      contact_id: flying.contact_id,
      enrollment_id: flying.enrollment_id,
    });
    const there = await rows(sequence_id);
    expect(there).toHaveLength(60);
    expect(there.filter((row) => row.generation === 2)).toHaveLength(39);
    expect(await answered(runway, flight, ACCEPTED)).toBe('settled');
  });

  test('a sequence that is archived meanwhile fails the job, with the reason', async () => {
    const sequence_id = await sequence();
    const id = await job(sequence_id, await contacts(200));
    let chunks = 0;
    await run(id, {
      failpoint: async (name) => {
        if (name === 'after_chunk' && ++chunks === 1)
          await world.db.inOrg(world.org.id, (tx) =>
            tx.run(
              sql`UPDATE sequences SET status = 'archived' WHERE org_id = ${world.org.id} AND id = ${sequence_id}`,
            ),
          );
      },
    });
    const after = await progress(id);
    expect(after).toMatchObject({ status: 'failed', error: expect.stringContaining('archived') });
    expect(after.enrolled).toBe((await rows(sequence_id)).length);
  });
});

describe('cancelling', () => {
  test('nobody is enrolled after the answer', async () => {
    const sequence_id = await sequence();
    const id = await job(sequence_id, await contacts(1_000), { chunk: 20 });
    let cancelled: Reply | undefined;
    let atAnswer = 0;
    let chunks = 0;
    await run(id, {
      failpoint: async (name) => {
        if (name !== 'before_chunk' || ++chunks !== 10) return;
        cancelled = await world.call('POST', `${JOBS}/${id}/cancel`);
        atAnswer = (await rows(sequence_id)).length;
      },
    });
    expect(cancelled).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    expect(atAnswer).toBeGreaterThan(0);
    expect(atAnswer).toBeLessThan(1_000);
    expect(await rows(sequence_id)).toHaveLength(atAnswer);
    expect(await progress(id)).toMatchObject({ status: 'cancelled', enrolled: atAnswer });
    expect((await world.call('POST', `${JOBS}/${id}/cancel`)).status).toBe(200);
    await run(id);
    expect(await rows(sequence_id)).toHaveLength(atAnswer);
  });

  test('what has completed cannot be cancelled', async () => {
    const id = await job(await sequence(), await contacts(5));
    await run(id);
    expect((await world.call('POST', `${JOBS}/${id}/cancel`)).body).toMatchObject({
      status: 409,
      code: 'conflict',
    });
  });
});

test('[EXE-1] [CON-4] who opts out while a bulk enrolment runs is never let go', async () => {
  const sequence_id = await sequence();
  const people = await contacts(400);
  const leaving = people.filter((_, i) => i % 8 === 0);
  const id = await job(sequence_id, people, { chunk: 40 });
  const left = new Set<Uuid>();
  const opting = (async () => {
    for (const contact of leaving) {
      const { status } = await world.call('POST', `/api/contacts/${contact}/unsubscribe`, { body: {} });
      expect(status).toBe(200);
      left.add(contact);
    }
  })();
  await Promise.all([run(id), opting]);
  expect(left.size).toBe(leaving.length);
  const runway = { db: world.db, versions: world.deps.versions, org: world.org.id };
  const reasons = new Map((await results(id)).map((one) => [one.contact_id, one.reason]));
  for (const row of await rows(sequence_id)) {
    const { body } = await world.call('GET', `/api/outreach/enrollments/${row.enrollment_id}`);
    const { verdict } = await letGo(runway, body.live_touch);
    if (!left.has(row.contact_id)) expect(verdict).toBe('go');
    else expect(['gone', 'suppressed', 'source_ended'], `${body.status}`).toContain(verdict);
  }
  for (const contact of leaving) expect(['suppressed', 'opted_out', null]).toContain(reasons.get(contact));
});

describe('dying', () => {
  test('[SEQ-3] two processes at one job enrol everybody once, and each result is true', async () => {
    const sequence_id = await sequence();
    const people = await contacts(2_000);
    const id = await job(sequence_id, people);
    await Promise.all([run(id), run(id), run(id)]);
    await expectTrue(id, sequence_id, people);
  });

  test('[SEQ-3] killed again and again, anywhere, it goes on without doubling or losing anybody', async () => {
    const sequence_id = await sequence();
    const people = await contacts(3_000);
    const id = await job(sequence_id, people);
    // After so many failpoints, and so long: between two transactions, and in the middle of them.
    for (const [after, ms] of [
      [1, 0],
      [4, 0],
      [5, 3],
      [6, 7],
      [9, 11],
    ] as const)
      expect(await killedRun(id, after, ms)).toBe('SIGKILL');
    // The server may still be committing what the last process sent before it died.
    await until(
      async () => (await progress(id)).enrolled === (await rows(sequence_id)).length,
      'the count and the rows to agree',
      10_000,
    );
    const before = await progress(id);
    expect(before.status).toBe('running');
    expect(before.enrolled).toBeLessThan(3_000);
    // Nobody starts it again: the follower that the dead left queued does.
    const runner = await startJobs({ ...world.deps, engine: { worker: 'test:1' } } as unknown as App);
    try {
      await until(async () => (await progress(id)).status === 'completed', 'the follower', 30_000);
    } finally {
      await runner.stop();
    }
    await expectTrue(id, sequence_id, people);
  });
});

/** Runs the job in a process and kills it `ms` after its `after`-th failpoint. */
async function killedRun(id: Uuid, after: number, ms: number): Promise<string | null> {
  const options = JSON.stringify({ url: world.db.url, org: world.org.id, job: id, watch_ms: 1_500 });
  const child: ChildProcess = spawn(process.execPath, [PROCESS, options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line === 'end' || ++seen < after) continue;
    if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
    child.kill('SIGKILL');
    break;
  }
  const [, signal] = await ended;
  return signal;
}
