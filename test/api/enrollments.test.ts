import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { ACCEPTED, AMBIGUOUS, answered, letGo, type Runway } from '../support/flight.ts';
import { enrollmentRow, makeContacts, makeSender, makeSequence, oneStep } from '../support/outreach.ts';
import { type Reply, setup, type World } from './world.ts';

const PATH = '/api/outreach/enrollments';

let world: World;
let sender: Uuid;
let runway: Runway;

beforeAll(async () => {
  world = await setup();
  sender = await makeSender(world.db, world.org.id);
  runway = { db: world.db, versions: world.deps.versions, org: world.org.id };
});
afterAll(() => world?.close());

const contacts = (count: number) => makeContacts(world.db, world.org.id, count);
const sequence = (definition = {}) => makeSequence(world.db, world.org.id, sender, definition);

function enroll(body: Record<string, unknown>): Promise<Reply> {
  return world.call('POST', PATH, { body });
}

function patch(id: Uuid, body: Record<string, unknown>, query = ''): Promise<Reply> {
  return world.call('PATCH', `${PATH}/${id}${query}`, { body });
}

/** As if it had ended so long ago. */
async function endedBefore(id: Uuid, ago: string): Promise<void> {
  await world.db.inOrg(world.org.id, (tx) =>
    tx.run(
      sql`UPDATE enrollments SET ended_at = now() - ${ago}::interval WHERE org_id = ${world.org.id} AND id = ${id}`,
    ),
  );
}

/** A new enrollment of a new contact. */
async function enrolled(definition = {}): Promise<{ id: Uuid; touch: Uuid; contact: Uuid; sequence: Uuid }> {
  const [contact] = await contacts(1);
  const sequence_id = await sequence(definition);
  const { body } = await enroll({ sequence_id, contact_id: contact });
  return {
    id: body.enrollment.id,
    touch: body.enrollment.live_touch,
    contact: contact!,
    sequence: sequence_id,
  };
}

describe('enrolling one contact', () => {
  test('[SEQ-3] answers with the enrollment, which waits for its first touch', async () => {
    const [contact] = await contacts(1);
    const sequence_id = await sequence();
    const made = await enroll({ sequence_id, contact_id: contact });
    expect(made.status).toBe(201);
    expect(made.headers.get('location')).toBe(`${PATH}/${made.body.enrollment.id}`);
    expect(made.body).toMatchObject({
      result: 'enrolled',
      contact_id: contact,
      enrollment_id: made.body.enrollment.id,
      enrollment: { status: 'active', status_reason: 'enrolled', step_no: 0, touch_state: 'planned' },
    });
    const read = await world.call('GET', `${PATH}/${made.body.enrollment.id}`);
    expect(read.body.touches).toHaveLength(1);
    expect(read.body.touches[0]).toMatchObject({ id: read.body.live_touch, state: 'planned', n: 1 });
    expect(read.body.events.map((event: { type: string }) => event.type)).toEqual(['enrolled']);
  });

  test('[SEQ-4] a second time is a 409 with the enrollment there is', async () => {
    const { id, contact, sequence } = await enrolled();
    const again = await enroll({ sequence_id: sequence, contact_id: contact });
    expect(again.status).toBe(409);
    expect(again.body).toMatchObject({ code: 'already_enrolled', enrollment_id: id });
  });

  test('[SEQ-4] the rule of the sequence holds for those that ended, unless the request says otherwise', async () => {
    const { id, contact, sequence } = await enrolled();
    await patch(id, { action: 'unenroll' });
    const never = await enroll({ sequence_id: sequence, contact_id: contact });
    expect(never.body).toMatchObject({ code: 'already_enrolled', reason: 'enrolled_before' });
    const anew = await enroll({ sequence_id: sequence, contact_id: contact, policy: 'if_ended' });
    expect(anew.status).toBe(201);
    expect(anew.body.enrollment.id).not.toBe(id);
  });

  test('[SEQ-4] after so many days since it ended, not before, and never over what there is', async () => {
    const { id, contact, sequence } = await enrolled({ reenroll: { policy: 'after_days', days: 5 } });
    const again = (more = {}) => enroll({ sequence_id: sequence, contact_id: contact, ...more });
    expect((await again()).body).toMatchObject({
      status: 409,
      reason: 'already_enrolled',
      enrollment_id: id,
    });
    await patch(id, { action: 'unenroll' });
    expect((await again()).body).toMatchObject({
      status: 409,
      reason: 'enrolled_recently',
      enrollment_id: id,
    });
    await endedBefore(id, '4 days 23 hours 59 minutes');
    expect((await again()).body).toMatchObject({ reason: 'enrolled_recently' });
    expect((await again({ policy: 'never' })).body).toMatchObject({ reason: 'enrolled_before' });
    await endedBefore(id, '5 days 1 minute');
    const before = await enrollmentRow(world.db, world.org.id, id);
    const anew = await again();
    expect(anew.status).toBe(201);
    expect(anew.body.enrollment).toMatchObject({ status: 'active', generation: 1 });
    expect(anew.body.enrollment_id).not.toBe(id);
    expect(await enrollmentRow(world.db, world.org.id, id)).toEqual(before);
    expect((await again()).body).toMatchObject({ reason: 'already_enrolled' });
  });

  test('[SEQ-4] the days count from what ended last, which need not be what was enrolled last', async () => {
    const { id, contact, sequence } = await enrolled({ reenroll: { policy: 'after_days', days: 5 } });
    const again = () => enroll({ sequence_id: sequence, contact_id: contact });
    await patch(id, { action: 'unenroll' });
    await endedBefore(id, '30 days');
    const second = (await again()).body.enrollment_id;
    await patch(second, { action: 'unenroll' });
    await endedBefore(second, '20 days');
    expect((await patch(id, { action: 'restart' })).status).toBe(200);
    await patch(id, { action: 'unenroll' });
    expect((await again()).body).toMatchObject({ reason: 'enrolled_recently', enrollment_id: id });
    await endedBefore(id, '6 days');
    expect((await again()).status).toBe(201);
  });

  test.each([['active'], ['paused'], ['unenrolled']])(
    '[SEQ-4] `restart` begins again what is %s',
    async (status) => {
      const { id, contact, sequence, touch } = await enrolled();
      if (status !== 'active') await patch(id, { action: status === 'paused' ? 'pause' : 'unenroll' });
      const restarted = await enroll({ sequence_id: sequence, contact_id: contact, policy: 'restart' });
      expect(restarted.status).toBe(201);
      expect(restarted.body).toMatchObject({
        reason: 'restarted',
        enrollment: {
          id,
          status: 'active',
          generation: 2,
          step_no: 0,
          touch_state: 'planned',
          ended_at: null,
        },
      });
      expect(restarted.body.enrollment.live_touch).not.toBe(touch);
      const old = await world.call('GET', `/api/touches/${touch}`);
      expect(old.body.touch.state).toBe('cancelled');
    },
  );

  test('[SEQ-5] [CON-6] says why it refuses', async () => {
    const sequence_id = await sequence();
    const [noAddress] = await makeContacts(world.db, world.org.id, 1, { email: null });
    expect((await enroll({ sequence_id, contact_id: noAddress })).body).toMatchObject({
      status: 422,
      code: 'enrollment_refused',
      reason: 'no_address',
    });
    const [gone, moved, listed] = await contacts(3);
    const leaves = (id: Uuid) => world.call('POST', `/api/contacts/${id}/unsubscribe`, { body: {} });
    expect([(await leaves(gone!)).status, (await leaves(moved!)).status]).toEqual([200, 200]);
    // At another address nothing is suppressed; who opted out is the same person.
    await world.call('PATCH', `/api/contacts/${moved}`, { body: { email: `${newId()}@example.com` } });
    const { email } = (await world.call('GET', `/api/contacts/${listed}`)).body;
    await world.call('POST', '/api/suppressions', { body: { kind: 'email', address: email } });
    const reasons = [];
    for (const contact_id of [gone, moved, listed]) {
      const refused = await enroll({ sequence_id, contact_id });
      reasons.push([refused.status, refused.body.reason]);
    }
    expect(reasons).toEqual([
      [422, 'suppressed'],
      [422, 'opted_out'],
      [422, 'suppressed'],
    ]);
    expect((await world.call('GET', `${PATH}?sequence_id=${sequence_id}`)).body.items).toEqual([]);
  });

  test('[SEQ-5] asks for consent where the organization requires it', async () => {
    const sequence_id = await sequence();
    const [silent, willing] = await contacts(2);
    const body = { channel: 'email', source: 'form', evidence: 'signed on paper' };
    expect((await world.call('POST', `/api/contacts/${willing}/consents`, { body })).status).toBe(201);
    const require = (consent_required: string[]) =>
      world.call('PATCH', '/api/organization', { body: { consent_required } });
    expect((await require(['email'])).status).toBe(200);
    try {
      const { body } = await enroll({ sequence_id, contact_ids: [silent, willing] });
      expect(body.results).toMatchObject([
        { result: 'refused', reason: 'no_consent' },
        { result: 'enrolled', reason: null },
      ]);
    } finally {
      await require([]);
    }
    expect((await enroll({ sequence_id, contact_id: silent })).status).toBe(201);
  });

  test('[TEN-3] another organization’s contact and sequence are not there, and the attempt is recorded', async () => {
    const theirSender = await makeSender(world.db, world.other.id);
    const theirSequence = await makeSequence(world.db, world.other.id, theirSender);
    const [theirs] = await makeContacts(world.db, world.other.id, 1);
    const [ours] = await contacts(1);
    const sequence_id = await sequence();
    for (const body of [
      { sequence_id: theirSequence, contact_id: ours },
      { sequence_id, contact_id: theirs },
    ]) {
      const reply = await enroll(body);
      const nobody = await enroll({
        ...body,
        ...(body.contact_id === ours ? { sequence_id: newId() } : { contact_id: newId() }),
      });
      expect(reply.status).toBe(404);
      expect({ ...reply.body, request_id: 0 }).toEqual({ ...nobody.body, request_id: 0 });
    }
    const bulk = await enroll({ sequence_id, contact_ids: [ours, theirs] });
    expect(bulk.body.results[1]).toMatchObject({ result: 'refused', reason: 'unknown_contact' });
    const { body } = await world.call('GET', '/api/security-events?kind=unknown_id&limit=200');
    const ids = JSON.stringify(body.items);
    expect(ids).toContain(theirSequence);
    expect(ids).toContain(theirs);
  });
});

describe('enrolling many', () => {
  test('[SEQ-4] [SEQ-10] answers for each contact, in the order of the request', async () => {
    const sequence_id = await sequence();
    const [a, b, c] = await contacts(3);
    await enroll({ sequence_id, contact_id: b });
    const [noAddress] = await makeContacts(world.db, world.org.id, 1, { email: null });
    const reply = await enroll({ sequence_id, contact_ids: [c, a, b, noAddress, a] });
    expect(reply.status).toBe(200);
    expect(reply.body).toMatchObject({ enrolled: 2, skipped: 2, refused: 1 });
    expect(
      reply.body.results.map((one: Record<string, string>) => [one.contact_id, one.result, one.reason]),
    ).toEqual([
      [c, 'enrolled', null],
      [a, 'enrolled', null],
      [b, 'skipped', 'already_enrolled'],
      [noAddress, 'refused', 'no_address'],
      [a, 'skipped', 'duplicate'],
    ]);
  });

  test('[SEQ-4] each by the rule of the sequence, or by the policy of this request', async () => {
    const sequence_id = await sequence({ reenroll: { policy: 'after_days', days: 5 } });
    const people = await contacts(4);
    const [fresh, live, recent, longAgo] = people;
    const first = await enroll({ sequence_id, contact_ids: [live, recent, longAgo] });
    const ids = first.body.results.map((one: { enrollment_id: Uuid }) => one.enrollment_id);
    for (const id of ids.slice(1)) await patch(id, { action: 'unenroll' });
    await endedBefore(ids[1], '4 days');
    await endedBefore(ids[2], '6 days');
    const rows = (reply: Reply) =>
      reply.body.results.map((one: Record<string, string>) => [one.contact_id, one.result, one.reason]);
    expect(rows(await enroll({ sequence_id, contact_ids: people, policy: 'never' }))).toEqual([
      [fresh, 'enrolled', null],
      [live, 'skipped', 'already_enrolled'],
      [recent, 'skipped', 'enrolled_before'],
      [longAgo, 'skipped', 'enrolled_before'],
    ]);
    expect(rows(await enroll({ sequence_id, contact_ids: people }))).toEqual([
      [fresh, 'skipped', 'already_enrolled'],
      [live, 'skipped', 'already_enrolled'],
      [recent, 'skipped', 'enrolled_recently'],
      [longAgo, 'enrolled', null],
    ]);
    const restarted = await enroll({ sequence_id, contact_ids: people, policy: 'restart' });
    expect(rows(restarted)).toEqual(people.map((contact) => [contact, 'enrolled', 'restarted']));
    const byContact = new Map(
      restarted.body.results.map((one: Record<string, string>) => [one.contact_id, one.enrollment_id]),
    );
    expect([byContact.get(live!), byContact.get(recent!)]).toEqual(ids.slice(0, 2));
    const { body } = await world.call('GET', `${PATH}?sequence_id=${sequence_id}&status=active`);
    expect(body.items.map((one: { contact_id: Uuid }) => one.contact_id).sort()).toEqual([...people].sort());
  });

  test('[TEN-5] one audit record says who enrolled how many', async () => {
    const sequence_id = await sequence();
    await enroll({ sequence_id, contact_ids: await contacts(3) });
    const { body } = await world.call('GET', `/api/audit?subject_id=${sequence_id}`);
    expect(body.items).toHaveLength(1);
    expect(body.items[0]).toMatchObject({
      action: 'enrollment.enroll',
      actor_type: 'api_key',
      data: { enrolled: 3 },
    });
  });

  test('exactly one of contact_id, contact_ids and tag', async () => {
    const sequence_id = await sequence();
    const [contact] = await contacts(1);
    for (const body of [
      {},
      { contact_id: contact, tag: 'x' },
      { contact_ids: [contact], contact_id: contact },
    ])
      expect((await enroll({ sequence_id, ...body })).body).toMatchObject({
        status: 400,
        errors: [{ field: 'contact_ids' }],
      });
  });
});

describe('acting on an enrollment', () => {
  test('[SEQ-6] [SEQ-7] [EXE-1] pause and unenroll cancel what is planned and say so in a receipt', async () => {
    for (const [action, status] of [
      ['pause', 'paused'],
      ['unenroll', 'unenrolled'],
    ] as const) {
      const { id, touch } = await enrolled();
      const { status: code, body } = await patch(id, { action, reason: 'asked by phone' });
      expect(code).toBe(200);
      expect(body.enrollment).toMatchObject({
        status,
        status_reason: 'asked by phone',
        due_at: null,
        touch_state: 'cancelled',
      });
      expect(body.receipt).toMatchObject({ status, not_started: 1, in_flight: [], drained: true });
      expect((await letGo(runway, touch)).verdict).toBe('gone');
      const kept = await world.call('GET', `/api/receipts/${body.receipt.id}`);
      expect(kept.body).toEqual(body.receipt);
    }
  });

  test('[EXE-1] what is in flight stands in the receipt, and `wait` tells its true outcome', async () => {
    const { id, touch } = await enrolled();
    const flight = await letGo(runway, touch);
    expect(flight.verdict).toBe('go');
    const first = await patch(id, { action: 'pause' });
    expect(first.body.receipt).toMatchObject({
      drained: false,
      not_started: 0,
      in_flight: [{ touch, state: 'sending' }],
    });
    const waiting = world.call('GET', `/api/receipts/${first.body.receipt.id}?wait=20s`);
    expect(await answered(runway, flight, ACCEPTED)).toBe('late');
    const { body } = await waiting;
    expect(body).toMatchObject({ drained: true, in_flight: [{ touch, state: 'sent' }] });
    const after = await world.call('GET', `${PATH}/${id}`);
    expect(after.body).toMatchObject({ status: 'paused', step_no: 0, touch_state: 'sent' });
  });

  test('[EXE-1] `wait` is bounded', async () => {
    const { id, touch } = await enrolled();
    await letGo(runway, touch);
    const { body } = await patch(id, { action: 'pause' }, '?wait=100ms');
    expect(body.receipt.drained).toBe(false);
    expect((await patch(id, { action: 'resume' }, '?wait=61s')).status).toBe(400);
  });

  test('[SEQ-8] resumed it is due now plus the whole delay of its step, however long it was paused, then in the window', async () => {
    const HOUR = 3_600_000;
    const clock = (ms: number) => new Date(ms).toISOString().slice(11, 16);
    const opens = Math.floor(Date.now() / 60_000) * 60_000 + 5 * HOUR;
    const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
    const window = { days, from: clock(opens), to: clock(opens + HOUR), time_zone: 'UTC' };
    const steps = [
      { channel: 'email', subject: 'Hi', body_text: 'Text', delay: { amount: 3, unit: 'hours' } },
    ];
    for (const [more, from, until] of [
      [{}, Date.now() + 3 * HOUR, Date.now() + 3 * HOUR + 60_000],
      [{ window }, opens, opens],
    ] as const) {
      const { id } = await enrolled({ steps, ...more });
      // Most of its delay was over when it was paused, two days ago.
      await world.db.inOrg(world.org.id, (tx) =>
        tx.run(sql`UPDATE touches SET created_at = now() - interval '50 hours', not_before = now() - interval '47 hours'
          WHERE org_id = ${world.org.id} AND source_id = ${id}`),
      );
      await patch(id, { action: 'pause' });
      const { body } = await patch(id, { action: 'resume' });
      const due = Date.parse(body.enrollment.due_at);
      expect(due).toBeGreaterThanOrEqual(from);
      expect(due).toBeLessThanOrEqual(until);
    }
  });

  test('[SEQ-8] resuming after the current step was sent meanwhile plans the next one', async () => {
    const { id, touch } = await enrolled();
    const flight = await letGo(runway, touch);
    await patch(id, { action: 'pause' });
    await answered(runway, flight, ACCEPTED);
    const { body } = await patch(id, { action: 'resume' });
    expect(body.enrollment).toMatchObject({ status: 'active', step_no: 1, touch_state: 'planned' });
    const due = Date.parse(body.enrollment.due_at) - Date.now();
    expect(due).toBeGreaterThan(86_400_000 - 60_000);
    expect(due).toBeLessThan(86_400_000 + 60_000);
  });

  test('[SEQ-8] resuming while the touch is in flight plans nothing and takes it back as the live one', async () => {
    const { id, touch } = await enrolled();
    const flight = await letGo(runway, touch);
    await patch(id, { action: 'pause' });
    const { body } = await patch(id, { action: 'resume' });
    expect(body.enrollment).toMatchObject({ status: 'active', live_touch: touch, touch_state: 'sending' });
    expect(body.receipt.in_flight).toHaveLength(1);
    expect(await answered(runway, flight, ACCEPTED)).toBe('settled');
    const after = await world.call('GET', `${PATH}/${id}`);
    expect(after.body).toMatchObject({ status: 'active', step_no: 1 });
    expect(after.body.touches).toHaveLength(2);
  });

  test('[SEQ-9] advance skips the current touch and plans the next, all or nothing', async () => {
    const { id, touch } = await enrolled();
    const { body } = await patch(id, { action: 'advance' });
    expect(body.enrollment).toMatchObject({ status: 'active', step_no: 1, touch_state: 'planned' });
    const { body: detail } = await world.call('GET', `${PATH}/${id}`);
    expect(detail.touches.map((one: { id: string; state: string }) => [one.id, one.state])).toEqual([
      [touch, 'skipped'],
      [detail.live_touch, 'planned'],
    ]);
    const last = await patch(id, { action: 'advance' });
    expect(last.body.enrollment).toMatchObject({ status: 'completed', status_reason: 'last_step' });
    expect(last.body.enrollment.ended_at).not.toBeNull();
    const states = await readFile('docs/states.md', 'utf8');
    expect(states).toContain('advance → `active` (with no step left: `completed`)');
  });

  test.each(['advance', 'restart'])(
    '[SEQ-9] [EXE-2] %s while a message is in flight is a 409 with the receipt and changes nothing',
    async (action) => {
      const { id, touch } = await enrolled();
      const flight = await letGo(runway, touch);
      const before = await enrollmentRow(world.db, world.org.id, id);
      const refused = await patch(id, { action });
      expect(refused.status).toBe(409);
      expect(refused.body).toMatchObject({ code: 'touch_in_flight', receipt: { in_flight: [{ touch }] } });
      expect(await enrollmentRow(world.db, world.org.id, id)).toEqual(before);
      await answered(runway, flight, AMBIGUOUS);
      expect((await patch(id, { action })).body.code).toBe('touch_in_flight');
    },
  );

  test('[SEQ-4] restart of an ended one is refused while another of the contact is live', async () => {
    const { id, contact, sequence } = await enrolled();
    await patch(id, { action: 'unenroll' });
    const anew = await enroll({ sequence_id: sequence, contact_id: contact, policy: 'if_ended' });
    const refused = await patch(id, { action: 'restart' });
    expect(refused.status).toBe(409);
    expect(refused.body).toMatchObject({ code: 'already_enrolled', enrollment_id: anew.body.enrollment.id });
  });

  test('[TEN-5] each action is audited with its reason and receipt', async () => {
    const { id } = await enrolled();
    const { body: paused } = await patch(id, { action: 'pause', reason: 'holiday' });
    await patch(id, { action: 'resume' });
    await patch(id, { action: 'restart' });
    const { body } = await world.call('GET', `/api/audit?subject_id=${id}`);
    expect(body.items.map((one: { action: string }) => one.action)).toEqual([
      'enrollment.restart',
      'enrollment.resume',
      'enrollment.pause',
    ]);
    expect(body.items[2]).toMatchObject({
      actor_type: 'api_key',
      data: { reason: 'holiday', receipt: paused.receipt.id, was: 'active' },
    });
  });

  test('[TEN-3] another organization’s enrollment, touch and receipt answer 404', async () => {
    const { id, touch } = await enrolled();
    const { body } = await patch(id, { action: 'pause' });
    const key = world.other.key;
    for (const [method, path, content] of [
      ['GET', `${PATH}/${id}`],
      ['PATCH', `${PATH}/${id}`, { action: 'resume' }],
      ['GET', `/api/touches/${touch}`],
      ['POST', `/api/touches/${touch}/resolve`, { outcome: 'sent' }],
      ['GET', `/api/receipts/${body.receipt.id}`],
    ] as const)
      expect(
        (await world.call(method, path, { key, ...(content ? { body: content } : {}) })).status,
        path,
      ).toBe(404);
    const seen = await world.call('GET', '/api/security-events?kind=unknown_id&limit=200', { key });
    for (const one of [id, touch, body.receipt.id]) expect(JSON.stringify(seen.body.items)).toContain(one);
  });
});

describe('lists', () => {
  test('enrollments by sequence, contact and status, page by page', async () => {
    const sequence_id = await sequence(oneStep());
    const people = await contacts(7);
    await enroll({ sequence_id, contact_ids: people });
    const all = await listed(`${PATH}?sequence_id=${sequence_id}&limit=3`);
    expect(all).toHaveLength(7);
    expect([...all].sort().reverse()).toEqual(all);
    await patch(all[0]!, { action: 'pause' });
    expect(await listed(`${PATH}?sequence_id=${sequence_id}&status=paused&limit=3`)).toEqual([all[0]]);
    expect(await listed(`${PATH}?sequence_id=${sequence_id}&status=active&limit=3`)).toEqual(all.slice(1));
    expect(await listed(`${PATH}?contact_id=${people[2]}`)).toHaveLength(1);
    expect(await listed(`${PATH}?status=paused&limit=200`)).toContain(all[0]);
    expect((await listed(`${PATH}?limit=200`)).slice(0, 7)).toEqual(all);
  });

  test('touches by enrollment, contact, sequence, state and need of review', async () => {
    const { id, touch, contact, sequence } = await enrolled();
    await patch(id, { action: 'pause' });
    await patch(id, { action: 'resume' });
    const { body } = await world.call('GET', `${PATH}/${id}`);
    const both = [touch, body.live_touch].sort().reverse();
    expect(await listed(`/api/touches?enrollment_id=${id}&limit=1`)).toEqual(both);
    expect(await listed(`/api/touches?contact_id=${contact}&limit=1`)).toEqual(both);
    expect(await listed(`/api/touches?sequence_id=${sequence}&limit=1`)).toEqual(both);
    expect(await listed(`/api/touches?enrollment_id=${id}&state=cancelled`)).toEqual([touch]);
    const flight = await letGo(runway, body.live_touch);
    expect(await listed(`/api/touches?state=sending&sequence_id=${sequence}&sender_id=${sender}`)).toEqual([
      body.live_touch,
    ]);
    await answered(runway, flight, AMBIGUOUS);
    expect(await listed(`/api/touches?state=unknown&sequence_id=${sequence}`)).toEqual([body.live_touch]);
    expect(await listed(`/api/touches?needs_review=true&sequence_id=${sequence}`)).toEqual([]);
    expect(await listed('/api/touches?limit=200')).toContain(touch);
  });

  test.each(['sender_id=ID', 'sender_id=ID&state=sent', 'sequence_id=ID&sender_id=ID', 'needs_review=false'])(
    '[OPS-2] a filter that no index serves is refused: %s',
    async (query) => {
      const reply = await world.call('GET', `/api/touches?${query.replaceAll('ID', sender)}`);
      expect(reply.status).toBe(400);
      expect(reply.body.errors[0].code).toBe('not_served');
    },
  );

  async function listed(path: string): Promise<Uuid[]> {
    const ids: Uuid[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { status, body }: Reply = await world.call(
        'GET',
        cursor === '' ? path : `${path}&cursor=${cursor}`,
      );
      expect(status).toBe(200);
      ids.push(...body.items.map((one: { id: Uuid }) => one.id));
      cursor = body.next_cursor;
    }
    return ids;
  }
});

test('[SEQ-3] no orphan: of many enrolled at once by several callers each contact has one enrollment and one touch', async () => {
  const sequence_id = await sequence(oneStep());
  const people = await contacts(200);
  const replies = await Promise.all(
    Array.from({ length: 6 }, (_, i) =>
      enroll({ sequence_id, contact_ids: i % 2 === 0 ? people : [...people].reverse() }),
    ),
  );
  expect(replies.reduce((sum, { body }) => sum + body.enrolled, 0)).toBe(200);
  for (const { body } of replies)
    for (const one of body.results) expect(one.enrollment_id, JSON.stringify(one)).not.toBeNull();
  const [counts] = await world.db.inOrg(world.org.id, (tx) =>
    tx.rows(sql`
      SELECT count(*)::int AS enrollments, count(t.id)::int AS touches, count(DISTINCT e.contact_id)::int AS contacts
        FROM enrollments e LEFT JOIN touches t ON t.org_id = e.org_id AND t.id = e.live_touch AND t.state = 'planned'
       WHERE e.org_id = ${world.org.id} AND e.sequence_id = ${sequence_id}`),
  );
  expect(counts).toEqual({ enrollments: 200, touches: 200, contacts: 200 });
});
