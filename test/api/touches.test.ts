import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Row } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import {
  ACCEPTED,
  AMBIGUOUS,
  answered,
  type Flight,
  GREYLISTED,
  letGo,
  NOT_STARTED,
  type Runway,
} from '../support/flight.ts';
import { makeContacts, makeSender, makeSequence, oneStep } from '../support/outreach.ts';
import { setup, type World } from './world.ts';

let world: World;
let sender: Uuid;
let runway: Runway;

beforeAll(async () => {
  world = await setup();
  sender = await makeSender(world.db, world.org.id);
  runway = { db: world.db, versions: world.deps.versions, org: world.org.id };
});
afterAll(() => world?.close());

async function planned(definition = {}): Promise<{ enrollment: Uuid; touch: Uuid; sequence: Uuid }> {
  const [contact_id] = await makeContacts(world.db, world.org.id, 1);
  const sequence = await makeSequence(world.db, world.org.id, sender, definition);
  const { body } = await world.call('POST', '/api/outreach/enrollments', {
    body: { sequence_id: sequence, contact_id },
  });
  return { enrollment: body.enrollment.id, touch: body.enrollment.live_touch, sequence };
}

/** A touch that nobody knows the outcome of. */
async function unknown(definition = {}): Promise<Flight & { enrollment: Uuid }> {
  const { touch, enrollment } = await planned(definition);
  const flight = await letGo(runway, touch, { soon: true });
  expect(await answered(runway, flight, AMBIGUOUS)).toBe('settled');
  return { ...flight, enrollment };
}

const explain = async (id: Uuid) => (await world.call('GET', `/api/touches/${id}`)).body;
const resolve = (id: Uuid, body: object) => world.call('POST', `/api/touches/${id}/resolve`, { body });
const act = (id: Uuid, action: string) =>
  world.call('PATCH', `/api/outreach/enrollments/${id}`, { body: { action } });
const enrollmentOf = async (id: Uuid) => (await world.call('GET', `/api/outreach/enrollments/${id}`)).body;

/** All that this sender has used, over all days. */
async function used(): Promise<number> {
  const row: Row = await world.db.inOrg(world.org.id, (tx) =>
    tx.one(
      sql`SELECT coalesce(sum(used), 0)::int AS n FROM sender_usage WHERE org_id = ${world.org.id} AND sender_id = ${sender}`,
    ),
  );
  return row.n;
}

describe('[EXE-14] a touch explains itself', () => {
  test('planned: when, by whom, under which version, step and window, and when it is due', async () => {
    const window = {
      days: ['mon', 'tue', 'wed', 'thu', 'fri'],
      from: '09:00',
      to: '17:00',
      time_zone: 'Europe/Berlin',
    };
    const { touch, enrollment, sequence } = await planned({ window });
    const told = await explain(touch);
    expect(told.planned).toMatchObject({
      enrollment_id: enrollment,
      sequence: { id: sequence, name: 'Test', version: 1 },
      step: { no: 0, channel: 'email', mode: 'automatic', delay: { amount: 0, unit: 'minutes' } },
      sequence_window: window,
      sender_window: null,
    });
    expect(told.planned.by).toMatch(/^api_key:/);
    expect(told.planned.plan_key).toBe(`${enrollment}.1.${told.touch.step_id}.1`);
    expect(told.decisions).toEqual([]);
    expect(told.next).toMatchObject({ kind: 'due', at: told.touch.due_at });
  });

  test('each decision with its rules, each attempt with its outcome, and the next try', async () => {
    const { touch } = await planned();
    const first = await letGo(runway, touch);
    await answered(runway, first, GREYLISTED);
    const second = await letGo(runway, touch);
    const flying = await explain(touch);
    expect(flying.next).toMatchObject({ kind: 'outcome', at: flying.decisions[1].lease_until });
    await answered(runway, second, ACCEPTED);
    const told = await explain(touch);
    expect(told.decisions).toMatchObject([
      { token: first.token, worker: 'test:1', attempt: 1, outcome: 'retry', reason: 'greylisted' },
      { token: second.token, attempt: 2, outcome: 'sent', reason: null },
    ]);
    expect(told.decisions[0].rules).toMatchObject({ policy_version: 1 });
    expect(told.decisions[0].values).toEqual({ $subject: 'Hello' });
    expect(told.decisions[0].rules.sender_day).toMatch(/^d\d{4}-\d\d-\d\d$/);
    expect(told.events.map((event: Row) => event.type)).toEqual(['enrolled', 'retry', 'sent']);
    expect(told.provider).toMatchObject({ name: 'test', provider_id: 'p-1', said: '250 queued' });
    expect(told.next.kind).toBe('next_touch');
    expect(told.next.touch_id).not.toBe(touch);
  });

  test('what stops it, in words, and what was cancelled', async () => {
    const { touch, enrollment, sequence } = await planned();
    await world.call('POST', `/api/outreach/sequences/${sequence}/pause`, { body: {} });
    expect((await explain(touch)).next).toMatchObject({
      kind: 'held',
      says: expect.stringContaining('sequence is paused'),
    });
    await act(enrollment, 'unenroll');
    const ended = await explain(touch);
    expect(ended.state).toMatchObject({ state: 'cancelled', reason: 'unenroll' });
    expect(ended.next).toMatchObject({ kind: 'ended', says: expect.stringContaining('unenrolled') });
  });

  test('a gate that let it go and never called is told too', async () => {
    const { touch } = await planned();
    await answered(runway, await letGo(runway, touch), NOT_STARTED);
    const told = await explain(touch);
    expect(told.touch).toMatchObject({ state: 'planned', attempt: 0 });
    expect(told.decisions).toMatchObject([{ outcome: 'not_started', reason: 'budget_passed' }]);
  });
});

describe('a person’s word on an unknown touch', () => {
  test('sent: the enrollment moves on, counted from when it went', async () => {
    const { touch, enrollment } = await unknown();
    const { status, body } = await resolve(touch.id, { outcome: 'sent', note: 'the customer answered' });
    expect(status).toBe(200);
    expect(body.state).toMatchObject({ state: 'sent', reason: 'resolved_sent' });
    expect(body.touch.settled_at).toBe(body.touch.gated_at);
    expect(body.events.map((event: Row) => event.type)).toEqual(['enrolled', 'unknown', 'sent', 'resolved']);
    const after = await enrollmentOf(enrollment);
    expect(after).toMatchObject({ status: 'active', step_no: 1, touch_state: 'planned' });
    expect(Date.parse(after.due_at)).toBeGreaterThanOrEqual(Date.parse(body.touch.gated_at) + 86_400_000);
    const { thread_subject } = await world.db.inOrg(world.org.id, (tx) =>
      tx.one(
        sql`SELECT thread_subject FROM enrollments WHERE org_id = ${world.org.id} AND id = ${enrollment}`,
      ),
    );
    expect(thread_subject).toBe('Hello');
  });

  test('[EXE-8] not sent: it failed, its enrollment too, and its quota is given back', async () => {
    const before = await used();
    const { touch, enrollment } = await unknown();
    expect(await used()).toBe(before + 1);
    const { body } = await resolve(touch.id, { outcome: 'not_sent' });
    expect(body.state).toMatchObject({ state: 'failed', reason: 'resolved_not_sent' });
    expect(await enrollmentOf(enrollment)).toMatchObject({
      status: 'failed',
      status_reason: 'resolved_not_sent',
    });
    expect(await used()).toBe(before);
  });

  test('[EXE-6] resend: planned again under the next key, its quota free until it goes', async () => {
    const before = await used();
    const { touch } = await unknown();
    const { body } = await resolve(touch.id, { outcome: 'resend' });
    expect(body.touch).toMatchObject({ id: touch.id, state: 'planned', needs_review: false });
    expect(body.provider.idempotency_key).toBe(`${touch.id}.2`);
    expect(await used()).toBe(before);
    const again = await letGo(runway, touch.id);
    expect(again.verdict).toBe('go');
    expect(await answered(runway, again, ACCEPTED)).toBe('settled');
    expect(await used()).toBe(before + 1);
  });

  test('[EXE-3] after a pause: the truth is recorded and nothing moves', async () => {
    for (const [outcome, state] of [
      ['sent', 'sent'],
      ['not_sent', 'failed'],
      ['resend', 'cancelled'],
    ]) {
      const { touch, enrollment } = await unknown();
      await act(enrollment, 'pause');
      const { body } = await resolve(touch.id, { outcome });
      expect(body.touch.state).toBe(state);
      expect(await enrollmentOf(enrollment)).toMatchObject({
        status: 'paused',
        step_no: 0,
        live_touch: touch.id,
      });
    }
  });

  test('the last step’s touch completes its enrollment', async () => {
    const { touch, enrollment } = await unknown(oneStep());
    await resolve(touch.id, { outcome: 'sent' });
    expect(await enrollmentOf(enrollment)).toMatchObject({ status: 'completed' });
  });

  test('[EXE-2] in any other state it is a 409 and nothing changes', async () => {
    const { touch: plannedTouch } = await planned();
    const { touch: sendingTouch } = await planned();
    await letGo(runway, sendingTouch);
    const { touch: sentTouch } = await planned();
    await answered(runway, await letGo(runway, sentTouch), ACCEPTED);
    for (const id of [plannedTouch, sendingTouch, sentTouch]) {
      const before = await explain(id);
      for (const outcome of ['sent', 'not_sent', 'resend']) {
        const refused = await resolve(id, { outcome });
        expect(refused.status).toBe(409);
        expect(refused.body).toMatchObject({ code: 'illegal_transition', state: before.touch.state });
      }
      expect(await explain(id)).toEqual(before);
    }
  });

  test('[TEN-5] of two people one is heard; who it was and why is in the audit trail', async () => {
    const { touch } = await unknown();
    const replies = await Promise.all([
      resolve(touch.id, { outcome: 'sent', note: 'seen in the outbox' }),
      resolve(touch.id, { outcome: 'sent', note: 'seen in the outbox' }),
    ]);
    expect(replies.map((reply) => reply.status).sort()).toEqual([200, 409]);
    const { body } = await world.call('GET', `/api/audit?subject_id=${touch.id}`);
    expect(body.items).toHaveLength(1);
    expect(body.items[0]).toMatchObject({
      action: 'touch.resolve',
      data: { outcome: 'sent', note: 'seen in the outbox', result: 'settled' },
    });
  });
});
