/** [SEQ-10] Enrolling by segment, by e-mail addresses and external ids, and by a CSV file, with an answer for each. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runEnrollmentJob } from '../../src/plan/sequences/bulk-enroll.ts';
import { makeSender, makeSequence } from '../support/outreach.ts';
import { setup, type World } from './world.ts';

const path = '/api/outreach/enrollments';

let world: World;
let key: string;
let sender: string;
const ids: Record<string, string> = {};
beforeAll(async () => {
  world = await setup();
  key = world.org.key;
  sender = await makeSender(world.db, world.org.id);
  for (const name of ['ada', 'bob', 'cyd']) {
    const body = { email: `${name}@x.example`, external_id: `X-${name}`, first_name: name };
    ids[name] = (await world.call('POST', '/api/contacts', { key, body })).body.id;
  }
});
afterAll(() => world.close());

const sequence = () => makeSequence(world.db, world.org.id, sender);

async function finished(job: { job_id: string }) {
  const logger = { warn() {} };
  await runEnrollmentJob(world.deps, world.org.id, job.job_id, { worker: 'test', logger });
  const at = `/api/outreach/enrollment-jobs/${job.job_id}`;
  const done = (await world.call('GET', at, { key })).body;
  return { done, results: (await world.call('GET', `${at}/results`, { key })).body.items };
}

async function upload(fields: Record<string, string>, csv: string | Uint8Array<ArrayBuffer>) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set('file', new Blob([csv]), 'list.csv');
  const headers = { authorization: `Bearer ${key}` };
  const reply = await fetch(`${world.url}${path}/csv`, { method: 'POST', headers, body: form });
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever JSON they expect
  return { status: reply.status, body: (await reply.json()) as any };
}

describe('[SEQ-10] enrolling', () => {
  it('[SEQ-10] a segment as it is when the job is made', async () => {
    const condition = { field: 'first_name', op: 'in', value: ['Ada', 'Bob'] };
    const made = await world.call('POST', '/api/segments', { key, body: { name: 'A and B', condition } });
    const sequence_id = await sequence();
    const body = { sequence_id, segment_id: made.body.id };
    const job = await world.call('POST', path, { key, body });
    expect(job.status).toBe(202);
    expect(job.body).toMatchObject({ segment_id: made.body.id, total: 2 });
    await world.call('DELETE', `/api/segments/${made.body.id}`, { key });
    const { done, results } = await finished(job.body);
    expect(done).toMatchObject({ status: 'completed', enrolled: 2 });
    expect(results.map((one: { contact_id: string }) => one.contact_id).sort()).toEqual(
      [ids.ada, ids.bob].sort(),
    );
    expect((await world.call('POST', path, { key, body })).status).toBe(404);
  });

  it('[SEQ-10] a short list of e-mail addresses or external ids, answered at once and in its order', async () => {
    const sequence_id = await sequence();
    const emails = ['BOB@x.example', 'nobody@x.example', 'no address', 'ada@x.example', 'bob@x.example'];
    const { status, body } = await world.call('POST', path, { key, body: { sequence_id, emails } });
    expect(status).toBe(200);
    expect(body).toMatchObject({ enrolled: 2, skipped: 1, refused: 2 });
    const told = (one: { entry: string; contact_id: string; result: string; reason: string }) => [
      one.entry,
      one.contact_id,
      one.result,
      one.reason,
    ];
    expect(body.results.map(told)).toEqual([
      ['BOB@x.example', ids.bob, 'enrolled', null],
      ['nobody@x.example', null, 'refused', 'unknown_contact'],
      ['no address', null, 'refused', 'unknown_contact'],
      ['ada@x.example', ids.ada, 'enrolled', null],
      ['bob@x.example', ids.bob, 'skipped', 'duplicate'],
    ]);
    const external = { sequence_id, external_ids: ['X-cyd', 'x-cyd'] };
    const second = await world.call('POST', path, { key, body: external });
    expect(second.body.results.map(told)).toEqual([
      ['X-cyd', ids.cyd, 'enrolled', null],
      ['x-cyd', null, 'refused', 'unknown_contact'],
    ]);
  });

  it('[SEQ-10] a long list as a job that keeps what named each', async () => {
    const sequence_id = await sequence();
    const strangers = Array.from({ length: 600 }, (_, i) => `s${i}@nowhere.example`);
    const emails = ['Ada@x.example', ...strangers, 'ada@x.example'];
    const job = await world.call('POST', path, { key, body: { sequence_id, emails } });
    expect(job.status).toBe(202);
    const { done } = await finished(job.body);
    expect(done).toMatchObject({ total: 602, enrolled: 1, skipped: 1, refused: 600 });
    const at = `/api/outreach/enrollment-jobs/${job.body.job_id}/results?result=`;
    const enrolled = (await world.call('GET', `${at}enrolled`, { key })).body.items;
    expect(enrolled).toMatchObject([{ contact_id: ids.ada, entry: 'Ada@x.example', row: null }]);
    const refused = (await world.call('GET', `${at}refused&limit=1000`, { key })).body.items;
    expect(refused.map((one: { entry: string }) => one.entry)).toEqual(strangers);
  });

  it('[SEQ-10] a CSV file, with the row of each', async () => {
    const sequence_id = await sequence();
    const csv =
      '\ufeffName;E-Mail\r\n"Bob; B";bob@x.example\r\n\r\nEve;eve@x.example\r\nX;\r\nBob;BOB@x.example\r\n';
    const job = await upload({ sequence_id, policy: 'after_days', policy_days: '30' }, csv);
    expect(job.status).toBe(202);
    expect(job.body).toMatchObject({ policy: 'after_days', policy_days: 30, total: 4 });
    const { results } = await finished(job.body);
    expect(
      results
        .map((one: { row: number; entry: string; result: string; reason: string }) => [
          one.row,
          one.entry,
          one.reason ?? one.result,
        ])
        .sort(),
    ).toEqual([
      [2, 'bob@x.example', 'enrolled'],
      [4, 'eve@x.example', 'unknown_contact'],
      [5, '', 'unknown_contact'],
      [6, 'BOB@x.example', 'duplicate'],
    ]);
    const named = await upload(
      { sequence_id: await sequence(), column: 'ref', by: 'external_id' },
      'ref\nX-cyd\n',
    );
    expect((await finished(named.body)).done).toMatchObject({ enrolled: 1 });
  });

  it('[SEQ-10] refuses what cannot be meant', async () => {
    const sequence_id = await sequence();
    const codes = [
      await upload({ sequence_id }, 'shoe size\n43\n'),
      await upload({ sequence_id, column: 'nope' }, 'email\na@x.example\n'),
      await upload({ sequence_id, policy_days: '3' }, 'email\na@x.example\n'),
      await upload({ sequence_id, policy: 'after_days' }, 'email\na@x.example\n'),
    ];
    for (const { status, body } of codes) expect([status, body.code]).toEqual([400, 'invalid_request']);
    expect((await upload({ sequence_id }, '')).status).toBe(422);
    for (const body of [
      { sequence_id, emails: ['a@x.example'], tag: 'x' },
      { sequence_id, tag: 'x', policy: 'after_days' },
      { sequence_id, tag: 'x', policy: 'never', policy_days: 3 },
    ])
      expect((await world.call('POST', path, { key, body })).status).toBe(400);
  });

  it('[SEQ-4] keeps group and intake in the draft, and takes them away again', async () => {
    const body = { name: 'S', exclusive_group: 'outbound', intake: { per_day: 20 } };
    const made = await world.call('POST', '/api/outreach/sequences', { key, body });
    expect(made.body).toMatchObject({ exclusive_group: 'outbound', intake: { per_day: 20 } });
    const at = `/api/outreach/sequences/${made.body.id}`;
    const patched = await world.call('PATCH', at, { key, body: { intake: null, exclusive_group: null } });
    expect(patched.body).toMatchObject({ exclusive_group: null, intake: null });
  });
});
