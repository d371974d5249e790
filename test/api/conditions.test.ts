/** Waits, branches and conditions over HTTP: what publishing refuses, what a preview shows, what people are told. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Uuid } from '../../src/kernel/ids.ts';
import { CALL, DUE, type DueWorld, dueWorld, EMAIL, FOLLOW_UP } from '../support/due.ts';
import { branch, days, email, VIP, waitFor } from '../support/waits.ts';

const PATH = '/api/outreach/sequences';

let world: DueWorld;
beforeAll(async () => {
  world = await dueWorld();
});
afterAll(() => world?.close());

async function draft(...steps: object[]): Promise<Uuid> {
  const body = { name: 'Roads', sender_ids: [world.sender], steps };
  const reply = await world.call('POST', PATH, { body });
  expect(reply.status, reply.text).toBe(201);
  return reply.body.id;
}

async function problems(...steps: object[]): Promise<string[]> {
  const { body } = await world.call('POST', `${PATH}/${await draft(...steps)}/publish`);
  return (body.errors ?? []).map((error: { field: string; code: string }) => `${error.field} ${error.code}`);
}

const tagged = (contact: Uuid, tag: string) =>
  world.post('/api/contacts/tags', { contact_ids: [contact], add: [tag] });

describe('publishing', () => {
  test('[SEQ-14] takes waits and branches, and gives back what was written', async () => {
    const steps = [
      waitFor({ event: 'deal.created', within_days: 9 }, 5),
      branch([[VIP, 'call']], { otherwise: 'end' }),
      { ...CALL, key: 'call', when: { not: { tag: 'busy' } } },
    ];
    const id = await draft(...steps);
    const reply = await world.call('POST', `${PATH}/${id}/publish`);
    expect(reply.status, reply.text).toBe(200);
    const { body } = await world.call('GET', `${PATH}/${id}`);
    expect(body.steps).toMatchObject(steps);
    expect(body.steps[0]).toMatchObject({ mode: 'automatic', channel: 'wait' });
  });

  test('[SEQ-14] names every mistake of waits and jumps at its place', async () => {
    expect(
      await problems(
        { channel: 'wait' },
        { channel: 'wait', until: VIP },
        {
          channel: 'wait',
          mode: 'human',
          at_most: days(1),
          branches: [{ when: VIP, go_to: 'nobody' }],
          next: 'end',
        },
        email({ until: VIP, otherwise: 'end' }),
      ),
    ).toEqual(
      [
        'steps[0].until required',
        'steps[1].at_most required',
        'steps[2].mode never_human',
        'steps[2].at_most without_until',
        'steps[2].branches branches_and_next',
        'steps[3].until not_for_channel',
        'steps[3].otherwise not_for_channel',
        'steps[2].branches[0].go_to unknown_step',
      ].map((text) => text.replace('steps[2].branches branches_and_next', 'steps[2].next branches_and_next')),
    );
    expect(await problems(email({ next: 'last' }), email(), email({ key: 'last' }))).toEqual([
      'steps[1] unreachable_step',
    ]);
  });

  test('[SEQ-14] names what a condition asks that is not there', async () => {
    const [first, later] = [crypto.randomUUID(), crypto.randomUUID()];
    expect(
      await problems(
        email({ id: first, when: { attribute: 'shoe_size', op: 'is', value: 42 } }),
        waitFor({ event: 'opened', of: `step:${later}` }, 1),
        branch([[{ event: 'opened', of: `step:${first}` }, 'end']]),
        email({ id: later, when: { field: 'company', op: 'before', value: '2026-01-01' } }),
        email({ key: 'asks', when: { event: 'opened', of: 'step:later' } }),
        email({ key: 'later', when: { not: { event: 'opened', of: 'step:asks' } } }),
      ),
    ).toEqual([
      'steps[0].when.attribute unknown_attribute',
      'steps[1].until.of wrong_scope',
      'steps[3].when.op wrong_operator',
      'steps[4].when.of wrong_scope',
    ]);
    const wrong = await world.call('POST', PATH, { body: { name: 'X', steps: [waitFor({ all: [] }, 1)] } });
    expect(wrong).toMatchObject({ status: 400, body: { errors: [{ field: 'steps[0].until.all' }] } });
  });
});

describe('a preview', () => {
  test('[TEN-4] [SEQ-14] shows every arm, the way of this contact, and when it would come where', async () => {
    const id = await draft(
      email({ key: 'hello' }),
      branch([[VIP, 'vip']], { delay: days(1), otherwise: 'others' }),
      email({ key: 'vip', delay: days(1), next: 'end' }),
      waitFor({ event: 'deal.created' }, 4, { key: 'others' }),
      email({ delay: days(1), when: { tag: 'never' } }),
    );
    const contact = await world.contact();
    await tagged(contact, 'vip');
    const preview = async () => {
      const { status, body } = await world.post(`${PATH}/${id}/preview`, { contact_id: contact });
      expect(status).toBe(200);
      return body.steps;
    };
    const steps = await preview();
    const start = new Date(steps[0].at).getTime();
    const after = (step: { at: string }) =>
      Math.round((new Date(step.at).getTime() - start) / 3_600_000) / 24;
    expect(steps.map(after)).toEqual([0, 1, 2, 1, 6]);
    expect(steps.map((step: { on_way: boolean }) => step.on_way)).toEqual([true, true, true, false, false]);
    expect(steps[1]).toMatchObject({
      arm: 1,
      leads_to: 2,
      may_lead_to: [2, 3],
      holds: null,
      message: null,
      problem: null,
    });
    expect(steps[2]).toMatchObject({ key: 'vip', leads_to: null, may_lead_to: [5] });
    expect(steps[3]).toMatchObject({ holds: false, channel: 'wait' });
    expect(steps[4]).toMatchObject({ holds: false });
    expect(new Date(steps[3].until).getTime() - new Date(steps[3].at).getTime()).toBe(4 * 86_400_000);
    await world.post('/api/contacts/tags', { contact_ids: [contact], remove: ['vip'] });
    const others = await preview();
    expect(others.map((step: { on_way: boolean }) => step.on_way)).toEqual([true, true, false, true, true]);
    expect(others[1]).toMatchObject({ arm: 0, leads_to: 3 });
  });
});

describe('a step for people with a condition', () => {
  test('[DUE-2] [SEQ-14] says that it does not hold, refuses to go, and its enrollment goes on', async () => {
    const { touch, enrollment, contact } = await world.waiting([{ ...EMAIL, when: VIP }, FOLLOW_UP]);
    expect((await world.call('GET', `${DUE}/${touch}`)).body.draft.problem).toMatchObject({
      code: 'condition_false',
    });
    await tagged(contact, 'vip');
    expect((await world.call('GET', `${DUE}/${touch}`)).body.draft.problem).toBeNull();
    await world.post('/api/contacts/tags', { contact_ids: [contact], remove: ['vip'] });
    const refused = await world.post(`${DUE}/${touch}/execute`, {});
    expect(refused).toMatchObject({ status: 409, body: { code: 'step_refused', reason: 'condition_false' } });
    expect(await world.touch(touch)).toMatchObject({ state: 'skipped', reason: 'condition_false' });
    expect(await world.enrollment(enrollment)).toMatchObject({ status: 'active', step_no: 1 });
    expect(world.provider.calls).toEqual([]);
  });

  test('[DUE-2] [SEQ-14] refuses one that comes before its time, and leaves it', async () => {
    const { touch } = await world.waiting([{ ...CALL, when: VIP, delay: days(2) }]);
    const refused = await world.post(`${DUE}/${touch}/start`, {});
    expect(refused).toMatchObject({ status: 409, body: { reason: 'condition_false' } });
    expect(await world.touch(touch)).toMatchObject({ state: 'planned' });
  });

  test('[DUE-2] [SEQ-14] goes as any other where it holds', async () => {
    const { touch, contact } = await world.waiting([{ ...CALL, when: VIP }]);
    await tagged(contact, 'vip');
    expect(await world.post(`${DUE}/${touch}/execute`, {})).toMatchObject({
      status: 200,
      body: { result: 'done' },
    });
  });
});

test('[EXE-14] a touch that waits says until when, and what it asks', async () => {
  const { touch } = await world.waiting([waitFor(VIP, 3), FOLLOW_UP]);
  await world.work();
  const { body } = await world.call('GET', `/api/touches/${touch}`);
  expect(body.planned.step.asks).toEqual({ until: VIP, at_most: days(3) });
  expect(body.touch).toMatchObject({ channel: 'wait', sender_id: null, due_at: body.touch.not_after });
  expect(body.next).toMatchObject({ kind: 'wait', at: body.touch.not_after });
  expect(body.next.says).toContain('until its condition holds');
});

test('[SEQ-14] a wait is no channel that can be switched off', async () => {
  const body = { class: 'channel', id: 'wait', paused: true };
  expect(await world.post('/api/switches', body)).toMatchObject({ status: 400 });
  expect(await world.post('/api/switches', { ...body, id: 'sms' })).toMatchObject({ status: 200 });
});
