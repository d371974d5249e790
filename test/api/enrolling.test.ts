/** [SEQ-10] Enrolling by segment, by e-mail addresses and external ids, and by a CSV file, with an answer for each. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/kernel/ids.ts';
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

  it('[TEN-4] [SEQ-4] the preview begins on the day on which the contact would really be taken in', async () => {
    const steps = [{ channel: 'email', delay: { amount: 3, unit: 'hours' }, subject: 'S', body_text: 'B' }];
    const body = { name: 'Slow', sender_ids: [sender], intake: { per_day: 1 }, steps };
    const { id } = (await world.call('POST', '/api/outreach/sequences', { key, body })).body;
    expect((await world.call('POST', `/api/outreach/sequences/${id}/publish`, { key })).status).toBe(200);
    const enroll = (contact_ids: unknown[]) =>
      world.call('POST', path, { key, body: { sequence_id: id, contact_ids } });
    expect((await enroll([ids.ada, ids.bob])).body).toMatchObject({ enrolled: 2 });
    const preview = await world.call('POST', `/api/outreach/sequences/${id}/preview`, {
      key,
      body: { contact_id: ids.cyd },
    });
    const [enrolled] = (await enroll([ids.cyd])).body.results;
    const at = `/api/touches?enrollment_id=${enrolled.enrollment_id}`;
    const [touch] = (await world.call('GET', at, { key })).body.items;
    expect(Date.parse(touch.not_before) - Date.now()).toBeGreaterThan(86_400_000);
    expect(preview.body.steps[0].at.slice(0, 16)).toBe(touch.not_before.slice(0, 16));
  });
});

describe('[DUE-1] enrolling names who does the steps of people', () => {
  const members: string[] = [];
  beforeAll(async () => {
    for (const name of ['bea', 'cal', 'dee']) {
      const body = { email: `${name}@own.example`, name, role: 'member' };
      members.push((await world.call('POST', '/api/members', { key, body })).body.id);
    }
  });

  const assignees = async (sequence_id: string): Promise<Map<string, string | null>> => {
    const { body } = await world.call('GET', `${path}?sequence_id=${sequence_id}`, { key });
    return new Map(
      body.items.map((one: { id: string; assignee_id: string | null }) => [one.id, one.assignee_id]),
    );
  };
  const people = async (count: number) => {
    const made = Array.from({ length: count }, async () => {
      const body = { email: `p${newId()}@x.example` };
      return (await world.call('POST', '/api/contacts', { key, body })).body.id;
    });
    return Promise.all(made);
  };
  /** Whom the end of its id chooses. */
  const chosen = (enrollment: string) => members[Number.parseInt(enrollment.slice(-7), 16) % members.length];

  it('[DUE-1] one contact, to a member; a restart keeps them, or takes who is named then', async () => {
    const sequence_id = await sequence();
    const body = { sequence_id, contact_id: ids.ada, assignee: members[0] };
    const made = await world.call('POST', path, { key, body });
    expect(made).toMatchObject({ status: 201, body: { enrollment: { assignee_id: members[0] } } });
    const again = { sequence_id, contact_id: ids.ada, policy: 'restart' };
    const kept = await world.call('POST', path, { key, body: again });
    expect(kept.body).toMatchObject({ reason: 'restarted', enrollment: { assignee_id: members[0] } });
    const other = await world.call('POST', path, { key, body: { ...again, assignee: members[1] } });
    expect(other.body).toMatchObject({ reason: 'restarted', enrollment: { assignee_id: members[1] } });
    const nobody = await world.call('POST', path, { key, body: { sequence_id, contact_id: ids.bob } });
    expect(nobody.body.enrollment.assignee_id).toBeNull();
  });

  it('[DUE-1] many, to several in turn: always the same one for an enrollment', async () => {
    const sequence_id = await sequence();
    const body = { sequence_id, contact_ids: await people(24), assignee: { rotate: members } };
    expect((await world.call('POST', path, { key, body })).body).toMatchObject({ enrolled: 24 });
    const given = await assignees(sequence_id);
    for (const [enrollment, member] of given) expect(member).toBe(chosen(enrollment));
    expect(new Set(given.values())).toEqual(new Set(members));
  });

  it('[DUE-1] a job and a file', async () => {
    const sequence_id = await sequence();
    const csv = 'email\nada@x.example\nbob@x.example\ncyd@x.example\n';
    const job = await upload({ sequence_id, assignee: members.join(',') }, csv);
    expect(job).toMatchObject({ status: 202, body: { assignees: members } });
    const { done } = await finished(job.body);
    expect(done).toMatchObject({ enrolled: 3, assignees: members });
    for (const [enrollment, member] of await assignees(sequence_id)) expect(member).toBe(chosen(enrollment));
    expect(await upload({ sequence_id, assignee: 'bea' }, csv)).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'assignee' }] },
    });
  });

  it('[TEN-1] not to a member of another organization, nor to one who is disabled, and nobody is enrolled', async () => {
    const sequence_id = await sequence();
    const theirs = await world.call('POST', '/api/members', {
      key: world.other.key,
      body: { email: 'x@other.example', name: 'x', role: 'member' },
    });
    const disabled = { email: 'gone@own.example', name: 'gone', role: 'member' };
    const gone = (await world.call('POST', '/api/members', { key, body: disabled })).body.id;
    await world.call('PATCH', `/api/members/${gone}`, { key, body: { disabled: true } });
    for (const target of [{ contact_ids: [ids.ada] }, { tag: 'x' }]) {
      const enrol = (assignee: unknown) =>
        world.call('POST', path, { key, body: { sequence_id, ...target, assignee } });
      expect((await enrol({ rotate: [members[0], theirs.body.id] })).status).toBe(404);
      expect(await enrol(gone)).toMatchObject({
        status: 400,
        body: { errors: [{ field: 'assignee', code: 'member_disabled' }] },
      });
      expect((await enrol({ rotate: [] })).status).toBe(400);
    }
    expect((await assignees(sequence_id)).size).toBe(0);
  });
});
