/** Moving live enrollments between versions over HTTP and on the command line: answers, refusals, other tenants. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { runVersionMove } from '../../src/plan/sequences/bulk-version-move.ts';
import { commandLine } from '../support/command-line.ts';
import { makeContacts, makeSender } from '../support/outreach.ts';
import { type Reply, setup, type World } from './world.ts';

const SEQUENCES = '/api/outreach/sequences';
const MOVES = '/api/outreach/version-moves';
let world: World;
let sender: Uuid;
const { dir, cadenza } = commandLine(() => world);

beforeAll(async () => {
  world = await setup();
  sender = await makeSender(world.db, world.org.id);
});
afterAll(() => world?.close());

const step = (body_text: string) => ({
  channel: 'email',
  subject: 'Hello',
  body_text,
  delay: { amount: 2, unit: 'days' },
});

/** Published as version 1 through the API, with some enrolled. */
async function enrolledIn(count: number): Promise<{ id: Uuid; enrollments: Uuid[] }> {
  const made = await world.call('POST', SEQUENCES, {
    body: { name: 'Welcome', sender_ids: [sender], steps: [step('one'), step('two')] },
  });
  const { id } = made.body;
  expect((await world.call('POST', `${SEQUENCES}/${id}/publish`)).status).toBe(200);
  const contact_ids = await makeContacts(world.db, world.org.id, count);
  const { body } = await world.call('POST', '/api/outreach/enrollments', {
    body: { sequence_id: id, contact_ids },
  });
  return { id, enrollments: body.results.map((one: { enrollment_id: Uuid }) => one.enrollment_id) };
}

/** The first step said otherwise, published. */
async function publishAnother(id: Uuid): Promise<void> {
  const { body } = await world.call('GET', `${SEQUENCES}/${id}`);
  const [first, ...rest] = body.steps;
  const steps = [{ ...first, body_text: `${first.body_text} more` }, ...rest];
  expect((await world.call('PATCH', `${SEQUENCES}/${id}`, { body: { steps } })).status).toBe(200);
  expect((await world.call('POST', `${SEQUENCES}/${id}/publish`)).body.changed).toBe(true);
}

const move = (id: Uuid, body: object = {}): Promise<Reply> =>
  world.call('POST', `${SEQUENCES}/${id}/move-enrollments`, { body });

describe('POST /api/outreach/sequences/:id/move-enrollments', () => {
  test('[SEQ-1] one, many and all, and the versions say who is where', async () => {
    const { id, enrollments } = await enrolledIn(4);
    await publishAnother(id);
    const one = await move(id, { enrollment_id: enrollments[0] });
    expect(one).toMatchObject({
      status: 200,
      body: { from_version: null, to_version: 2, moved: 1, skipped: 0 },
    });
    expect((await move(id, { enrollment_id: enrollments[0] })).body).toMatchObject({ moved: 0, skipped: 1 });
    const many = await move(id, { from_version: 1, enrollment_ids: [enrollments[1], enrollments[0]] });
    expect(many.body.results).toEqual([
      { enrollment_id: enrollments[1], result: 'moved', reason: null },
      { enrollment_id: enrollments[0], result: 'skipped', reason: 'already_moved' },
    ]);
    const where = async () =>
      (await world.call('GET', `${SEQUENCES}/${id}/versions`)).body.items.map(
        (version: { number: number; current: boolean; active: number }) => [
          version.number,
          version.current,
          version.active,
        ],
      );
    expect(await where()).toEqual([
      [2, true, 2],
      [1, false, 2],
    ]);
    const all = await move(id);
    expect(all).toMatchObject({ status: 202, body: { status: 'queued', total: 2 } });
    expect(all.headers.get('location')).toBe(`${MOVES}/${all.body.move_id}`);
    const deps = { db: world.db, versions: world.deps.versions };
    await runVersionMove(deps, world.org.id, all.body.move_id, { worker: 'test:1' });
    expect((await world.call('GET', `${MOVES}/${all.body.move_id}`)).body).toMatchObject({
      status: 'completed',
      processed: 2,
      moved: 2,
    });
    expect(await where()).toEqual([
      [2, true, 4],
      [1, false, 0],
    ]);
    expect((await world.call('GET', MOVES)).body.items[0].move_id).toBe(all.body.move_id);
    expect(await world.call('POST', `${MOVES}/${all.body.move_id}/cancel`)).toMatchObject({ status: 409 });
    const events = (await world.call('GET', `/api/outreach/enrollments/${enrollments[0]}`)).body.events;
    expect(events.at(-1)).toMatchObject({ type: 'moved', data: { from_version: 1, to_version: 2 } });
  });

  test('[SEQ-1] what cannot be is refused and changes nothing', async () => {
    const { id, enrollments } = await enrolledIn(3);
    const [ended, live] = enrollments;
    const draft = await world.call('POST', SEQUENCES, { body: { name: 'Draft' } });
    expect(await move(draft.body.id)).toMatchObject({
      status: 409,
      body: { code: 'sequence_not_published' },
    });
    expect(await move(newId())).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await move(id, { to_version: 2 })).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await move(id, { from_version: 9 })).toMatchObject({ status: 404 });
    expect(await move(id, { from_version: 1 })).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', errors: [{ field: 'from_version', code: 'same_version' }] },
    });
    for (const body of [
      { to_version: 0 },
      { to_version: '1' },
      { enrollment_ids: [] },
      { enrollment_id: live, enrollment_ids: [live] },
      { enrollment_id: 'nobody' },
      { everybody: true },
    ])
      expect(await move(id, body), JSON.stringify(body)).toMatchObject({ status: 400 });
    await publishAnother(id);
    await publishAnother(id);
    await world.call('PATCH', `/api/outreach/enrollments/${ended}`, { body: { action: 'unenroll' } });
    const before = await world.call('GET', `/api/outreach/enrollments/${live}`);
    expect(await move(id, { enrollment_id: ended })).toMatchObject({
      status: 409,
      body: { code: 'illegal_transition' },
    });
    expect(await move(id, { enrollment_id: newId() })).toMatchObject({ status: 404 });
    expect(await move(id, { enrollment_id: live, from_version: 2 })).toMatchObject({
      status: 409,
      body: { code: 'conflict' },
    });
    await world.call('POST', `${SEQUENCES}/${id}/archive`);
    expect(await move(id, { enrollment_id: live })).toMatchObject({
      status: 409,
      body: { code: 'conflict' },
    });
    expect(await move(id)).toMatchObject({ status: 409 });
    expect((await world.call('GET', `/api/outreach/enrollments/${live}`)).body).toEqual(before.body);
  });

  test('[TEN-3] what is of another organization is not there, and the attempt is recorded', async () => {
    const { id, enrollments } = await enrolledIn(1);
    await publishAnother(id);
    const theirs = { key: world.other.key };
    const path = `${SEQUENCES}/${id}/move-enrollments`;
    expect(await world.call('POST', path, { body: {}, ...theirs })).toMatchObject({ status: 404 });
    expect(await world.call('GET', `${SEQUENCES}/${id}/versions`, theirs)).toMatchObject({ status: 404 });
    const job = await move(id);
    expect(await world.call('GET', `${MOVES}/${job.body.move_id}`, theirs)).toMatchObject({ status: 404 });
    expect(await world.call('POST', `${MOVES}/${job.body.move_id}/cancel`, theirs)).toMatchObject({
      status: 404,
    });
    expect((await world.call('GET', MOVES, theirs)).body.items).toEqual([]);
    const foreign = await world.call('POST', path, { body: { enrollment_ids: [newId(), enrollments[0]] } });
    expect(foreign.body).toMatchObject({ moved: 1, refused: 1 });
    expect(world.logs.filter((line) => line['security'] === true).length).toBeGreaterThan(4);
  });

  test('[TEN-7] who may only read may not move', async () => {
    const { id } = await enrolledIn(1);
    const { key } = await world.newKey(world.org, 'viewer');
    const path = `${SEQUENCES}/${id}/move-enrollments`;
    expect(await world.call('POST', path, { body: {}, key })).toMatchObject({ status: 403 });
    expect(await world.call('GET', MOVES, { key })).toMatchObject({ status: 200 });
  });
});

describe('cadenza sequences move', () => {
  test('[SEQ-1] some by id or file, then all, and `why` tells of it', async () => {
    const { id, enrollments } = await enrolledIn(5);
    const touch = (await world.call('GET', `/api/outreach/enrollments/${enrollments[0]}`)).body.live_touch;
    await publishAnother(id);
    const one = await cadenza('sequences', 'move', id, '--enrollments', enrollments[0]!, '--json');
    expect(one).toMatchObject({ code: 0, json: { moved: 1, to_version: 2 } });
    const file = join(dir, 'enrollments.txt');
    writeFileSync(file, `${enrollments.slice(0, 2).join('\n')}\n`);
    const two = await cadenza('sequences', 'move', id, '--file', file, '--from', 'v1', '--to', '2');
    expect(two.out).toContain('1 moved to version 2, 0 completed, 1 skipped, 0 refused');
    expect(two.out).toContain('already_moved');
    const all = await cadenza('sequences', 'move', id, '--json');
    expect(all).toMatchObject({ code: 0, json: { status: 'completed', total: 3, moved: 3 } });
    expect((await cadenza('sequences', 'move', id)).out).toContain('0 moved to version 2');
    const why = await cadenza('why', touch);
    expect(why.out).toContain('its enrollment was moved to another version of the sequence');
    const { live_touch } = (await world.call('GET', `/api/outreach/enrollments/${enrollments[0]}`)).body;
    expect((await cadenza('why', live_touch)).out).toContain('moved from version 1 to version 2');
  });

  test('exit codes mean something', async () => {
    const { id, enrollments } = await enrolledIn(1);
    expect((await cadenza('sequences', 'move', 'x')).code).toBe(2);
    expect((await cadenza('sequences', 'move', id, '--to', 'last')).code).toBe(2);
    expect((await cadenza('sequences', 'move', id, '--enrollments', 'x')).code).toBe(2);
    expect(
      (await cadenza('sequences', 'move', id, '--enrollments', enrollments[0]!, '--file', 'x')).code,
    ).toBe(2);
    expect((await cadenza('sequences', 'move', id, '--to', '7')).code).toBe(3);
  });
});
