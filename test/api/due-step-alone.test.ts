/** Steps of people: what a worker finds when they fall due, and two people at one step. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Database } from '../../src/db/database.ts';
import { type Sql, sql } from '../../src/db/sql.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import type { EmailMessage } from '../../src/kernel/message.ts';
import { releaseHeld } from '../../src/plan/stop.ts';
import { CALL, DUE, type DueWorld, dueWorld, EMAIL, FOLLOW_UP, TASK } from '../support/due.ts';
import { VIP } from '../support/waits.ts';

let world: DueWorld;
/** Somebody else of the same organization. */
let other: { id: string; key: string };
beforeAll(async () => {
  world = await dueWorld();
  other = await world.newKey(world.org, 'admin');
});
afterAll(() => world?.close());
beforeEach(() => {
  world.provider.calls.length = 0;
});

const does = (id: Uuid, action: string, body: unknown = {}) => world.post(`${DUE}/${id}/${action}`, body);
const otherDoes = (id: Uuid, action: string, body: unknown = {}) =>
  world.call('POST', `${DUE}/${id}/${action}`, { key: other.key, body });
const read = async (id: Uuid) => (await world.call('GET', `${DUE}/${id}`)).body;
const listed = async (sequence: Uuid): Promise<Uuid[]> =>
  (await world.call('GET', `${DUE}?sequence_id=${sequence}`)).body.items.map((item: { id: Uuid }) => item.id);
const tag = (contact: Uuid, change: object) =>
  world.post('/api/contacts/tags', { contact_ids: [contact], ...change });
const sent = () => world.provider.calls.map((call) => call.message as EmailMessage);
const events = (touch: Uuid) =>
  world.db.inOrg(world.org.id, (tx) =>
    tx.rows<{ type: string; actor: string; reason: string | null }>(
      sql`SELECT type, actor, reason FROM events WHERE org_id = ${world.org.id} AND touch_id = ${touch} ORDER BY at`,
    ),
  );
/** As if its time had come. */
const fallDue = (touch: Uuid) =>
  world.db.inOrg(world.org.id, (tx) =>
    tx.run(sql`
      UPDATE touches SET not_before = now(), wake_at = CASE WHEN wake_at IS NOT NULL THEN now() END
       WHERE org_id = ${world.org.id} AND id = ${touch}`),
  );
const IN_AN_HOUR = { amount: 60, unit: 'minutes' };

describe('a condition, when the step falls due', () => {
  test.each([
    ['a call', CALL],
    ['a task', TASK],
    ['a message', EMAIL],
  ])(
    '[SEQ-14] [DUE-1] that does not hold takes %s off the list, and the enrollment goes on',
    async (_what, step) => {
      const { touch, enrollment, sequence } = await world.waiting([{ ...step, when: VIP }, FOLLOW_UP]);
      expect(await listed(sequence)).toEqual([touch]);
      await world.work();
      expect(await world.touch(touch)).toMatchObject({ state: 'skipped', reason: 'condition_false' });
      expect((await events(touch)).at(-1)).toMatchObject({
        type: 'skipped',
        reason: 'condition_false',
        actor: expect.stringMatching(/^worker:/),
      });
      expect(await listed(sequence)).toEqual([]);
      expect(sent().map((message) => message.subject)).toEqual(['Once more']);
      expect(await world.enrollment(enrollment)).toMatchObject({ status: 'completed' });
    },
  );

  test('[SEQ-14] [DUE-1] that holds leaves it to its person, and no worker takes or sends it, or looks again', async () => {
    const sequence = await world.sequence([{ ...EMAIL, when: VIP }, FOLLOW_UP]);
    const contact = await world.contact();
    await tag(contact, { add: ['vip'] });
    const { touch } = await world.enroll(sequence, contact);
    expect(await world.touch(touch)).toMatchObject({ wake_at: expect.any(Date) });
    await world.work();
    expect(await world.touch(touch)).toMatchObject({ state: 'planned', wake_at: null, attempt: 0 });
    await tag(contact, { remove: ['vip'] });
    await world.work();
    expect(await world.touch(touch)).toMatchObject({ state: 'planned', token: null });
    expect(sent()).toEqual([]);
    expect(await does(touch, 'execute')).toMatchObject({ status: 409, body: { reason: 'condition_false' } });
    expect(await world.touch(touch)).toMatchObject({ state: 'skipped' });
  });

  test('[DUE-2] is nothing that a process reads which does not know how to leave it to people', async () => {
    const { touch } = await world.waiting([EMAIL]);
    const read = (more: Sql) =>
      world.db.call(sql`SELECT id FROM lane_read(${world.org.id}::uuid, 500, '{}', NULL, NULL${more})`);
    expect((await read(sql``)).map((row) => row.id)).not.toContain(touch);
    expect((await read(sql`, true`)).map((row) => row.id)).toContain(touch);
  });

  test('[SEQ-14] [DUE-1] is not looked at before its time; a step that is put off is looked at when it falls due again', async () => {
    const { touch, contact } = await world.waiting([{ ...CALL, delay: IN_AN_HOUR, when: VIP }]);
    await world.work();
    expect(await world.touch(touch)).toMatchObject({ state: 'planned', wake_at: expect.any(Date) });
    await tag(contact, { add: ['vip'] });
    await fallDue(touch);
    await world.work();
    expect(await world.touch(touch)).toMatchObject({ state: 'planned', wake_at: null });
    await tag(contact, { remove: ['vip'] });
    const until = new Date(Date.now() + 3_600_000);
    expect((await does(touch, 'snooze', { until: until.toISOString() })).status).toBe(200);
    await world.work();
    expect(await world.touch(touch)).toMatchObject({ state: 'planned', wake_at: until });
    await fallDue(touch);
    await world.work();
    expect(await world.touch(touch)).toMatchObject({ state: 'skipped', reason: 'condition_false' });
  });

  test('[SEQ-14] [EXE-3] is looked at after a pause of the sequence, not during it', async () => {
    const { touch, sequence } = await world.waiting([{ ...CALL, when: VIP }]);
    await world.post(`/api/outreach/sequences/${sequence}/pause`);
    await world.work();
    expect(await world.touch(touch)).toMatchObject({
      state: 'planned',
      held_by: 'sequence',
      wake_at: null,
    });
    await world.post(`/api/outreach/sequences/${sequence}/resume`);
    const { epoch } = await world.db.inOrg(world.org.id, (tx) =>
      tx.one(sql`SELECT epoch FROM sequences WHERE org_id = ${world.org.id} AND id = ${sequence}`),
    );
    await releaseHeld(world.db, { org: world.org.id, class: 'sequence', id: sequence, epoch });
    await world.work();
    expect(await world.touch(touch)).toMatchObject({ state: 'skipped', reason: 'condition_false' });
  });

  test('[DUE-2] a call that somebody took up stands in no worker’s way, however long it lasts', async () => {
    const { touch } = await world.waiting([{ ...CALL, delay: IN_AN_HOUR }]);
    expect((await does(touch, 'start')).status).toBe(200);
    expect(await world.touch(touch)).toMatchObject({ state: 'sending', wake_at: null });
    const direct = await world.waiting([CALL]);
    await does(direct.touch, 'start');
    expect(await world.touch(direct.touch)).toMatchObject({ state: 'sending', wake_at: null });
  });
});

/** Both have read that it is not done yet before either settles it. */
async function together<T>(both: () => Promise<T>[]): Promise<T[]> {
  const { engine } = world.deps;
  let arrived = 0;
  let letGo = () => {};
  const all = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  engine.failpoint = async (name) => {
    if (name !== 'before_settle') return;
    arrived += 1;
    if (arrived === 2) letGo();
    await all;
  };
  try {
    return await Promise.all(both());
  } finally {
    delete engine.failpoint;
  }
}

describe('[DUE-2] two people at one step', () => {
  test('who complete it in one instant with different words: one is told it is done, the other who did it, when and how', async () => {
    const { touch } = await world.waiting([CALL, FOLLOW_UP]);
    await does(touch, 'start');
    const words = [
      { outcome: 'connected', note: 'Call in May' },
      { outcome: 'voicemail', note: 'Nobody there' },
    ];
    const replies = await together(() => [
      does(touch, 'complete', words[0]),
      otherDoes(touch, 'complete', words[1]),
    ]);
    expect(replies.map((reply) => reply.status).sort()).toEqual([200, 409]);
    const first = replies.findIndex((reply) => reply.status === 200);
    const kept = await read(touch);
    expect(kept).toMatchObject({ state: 'sent', ...words[first] });
    expect(kept.done_by === `api_key:${other.id}`).toBe(first === 1);
    expect(replies[1 - first]!.body).toMatchObject({
      code: 'step_refused',
      reason: 'already_completed',
      ...words[first],
      done_by: kept.done_by,
      done_at: kept.done_at,
    });
    const told = (await events(touch)).filter((event) => event.type === 'done');
    expect(told).toHaveLength(1);
    const { body } = await world.call('GET', `/api/audit?subject_type=touch&subject_id=${touch}`);
    const completed = body.items.filter((item: { action: string }) => item.action === 'due_step.complete');
    expect(completed).toHaveLength(1);
  });

  test('with the same words both are told that it is done', async () => {
    const { touch } = await world.waiting([TASK]);
    await does(touch, 'start');
    const same = { outcome: 'done', note: 'Looked up' };
    const replies = await together(() => [does(touch, 'complete', same), does(touch, 'complete', same)]);
    expect(replies.map((reply) => reply.status)).toEqual([200, 200]);
  });

  test('a draft that is saved between another’s execute and its gate is not what the step says has gone', async () => {
    const { touch, contact } = await world.waiting([EMAIL, FOLLOW_UP]);
    const { engine } = world.deps;
    let saved = 0;
    engine.failpoint = async (name) => {
      if (name !== 'before_gate' || saved > 0) return;
      saved = (await otherDoes(touch, 'draft', { content: { subject: 'Theirs', text: 'Too late' } })).status;
    };
    try {
      await does(touch, 'execute', { content: { subject: 'Mine', text: 'In time' } });
    } finally {
      delete engine.failpoint;
    }
    expect(saved).toBe(200);
    expect(sent()[0]).toMatchObject({ subject: 'Mine', text: expect.stringContaining('In time') });
    const went = { subject: 'Mine', text: 'In time', source: 'person' };
    expect((await read(touch)).draft).toMatchObject(went);
    await world.call('PATCH', `/api/contacts/${contact}`, { body: { company: 'Another' } });
    expect((await read(touch)).draft).toMatchObject(went);
  });

  test('a template shows what went, also after its contact has changed; what was not let go shows what would go', async () => {
    const { touch, contact } = await world.waiting([EMAIL]);
    world.provider.answer = () => ({ kind: 'refused', reason: 'throttled', permanence: 'transient' });
    expect((await does(touch, 'execute')).status).toBe(409);
    await world.call('PATCH', `/api/contacts/${contact}`, { body: { company: 'Between' } });
    expect((await read(touch)).draft.text).toBe('You work at Between.');
    world.provider.answer = () => ({ kind: 'accepted' });
    expect((await does(touch, 'execute')).status).toBe(200);
    await world.call('PATCH', `/api/contacts/${contact}`, { body: { company: 'Later' } });
    expect((await read(touch)).draft).toMatchObject({ text: 'You work at Between.', source: 'template' });
    expect(sent().at(-1)!.text).toContain('You work at Between.');
  });

  test.each([
    ['skip', {}],
    ['snooze', { until: new Date(Date.now() + 86_400_000).toISOString() }],
  ])('[TEN-8] a %s that cannot be written down in the audit trail has not happened', async (action, body) => {
    const { touch } = await world.waiting([CALL]);
    const before = await world.touch(touch);
    const owner = new Database({ url: world.ownerUrl, max: 1 });
    try {
      await owner.call(
        sql`ALTER TABLE audit_log ADD CONSTRAINT full_disk CHECK (action NOT LIKE 'due_step.s%') NOT VALID`,
      );
      expect((await does(touch, action, body)).status).toBe(500);
      expect(await world.touch(touch)).toEqual(before);
      expect((await events(touch)).map((event) => event.type)).toEqual(['enrolled']);
    } finally {
      await owner.call(sql`ALTER TABLE audit_log DROP CONSTRAINT IF EXISTS full_disk`);
      await owner.close();
    }
    expect((await does(touch, action, body)).status).toBe(200);
  });
});
