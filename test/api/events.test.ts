/** Events and records over HTTP: told, answered, read back with what they led to. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/kernel/ids.ts';
import { reactTask } from '../../src/plan/sequences/react.ts';
import { makeContacts, makeSender, makeSequence, oneStep } from '../support/outreach.ts';
import { setup, type World } from './world.ts';

let world: World;
let contact: string;
let sender: string;
beforeAll(async () => {
  world = await setup();
  sender = await makeSender(world.db, world.org.id);
  [contact] = (await makeContacts(world.db, world.org.id, 1)) as [string];
});
afterAll(() => world.close());

const tell = (body: unknown, key = world.org.key) => world.call('POST', '/api/events', { body, key });
const record = (body: unknown, key = world.org.key) => world.call('POST', '/api/records', { body, key });

async function freshContact(): Promise<string> {
  return (await makeContacts(world.db, world.org.id, 1))[0]!;
}

async function enrolled(definition: Record<string, unknown>, contact_id: string) {
  const sequence = await makeSequence(world.db, world.org.id, sender, { ...oneStep(2), ...definition });
  const made = await world.call('POST', '/api/outreach/enrollments', {
    body: { sequence_id: sequence, contact_id },
  });
  expect(made.status).toBe(201);
  return { sequence, enrollment: made.body.enrollment_id as string };
}

async function statusOf(enrollment: string) {
  const { body } = await world.call('GET', `/api/outreach/enrollments/${enrollment}`);
  return body;
}

describe('telling an event', () => {
  it('[SEQ-11] it is stored, listed and read; told again it is the same one', async () => {
    const body = {
      contact_id: contact,
      name: 'webinar.joined',
      external_id: 'w-1',
      properties: { topic: 'A' },
    };
    const first = await tell(body);
    expect(first.status).toBe(201);
    expect(first.body).toMatchObject({
      contact_id: contact,
      name: 'webinar.joined',
      source: 'api',
      reactions: [],
    });
    expect(first.body.reacted_at).not.toBeNull();
    expect(first.headers.get('location')).toBe(`/api/events/${first.body.id}`);
    const again = await tell({ ...body, properties: { topic: 'B' } });
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({ id: first.body.id, properties: { topic: 'A' } });
    const list = await world.call('GET', `/api/events?contact_id=${contact}&name=webinar.joined`);
    expect(list.body.items.map((one: { id: string }) => one.id)).toEqual([first.body.id]);
    expect((await world.call('GET', `/api/events/${first.body.id}`)).body).toEqual(first.body);
  });

  it('[SEQ-11] the contact may be named by external id or address, in any case', async () => {
    const made = await world.call('POST', '/api/contacts', {
      body: { external_id: 'crm-7', email: 'seven@example.com' },
    });
    const byId = await tell({ contact_external_id: 'crm-7', name: 'a' });
    const byEmail = await tell({ email: ' Seven@Example.COM', name: 'b' });
    expect([byId.body.contact_id, byEmail.body.contact_id]).toEqual([made.body.id, made.body.id]);
  });

  it('[TEN-1] [TEN-3] another organization’s contact, touch, event and record are not there', async () => {
    const strange = await tell({ contact_id: contact, name: 'a' }, world.other.key);
    expect(strange.status).toBe(404);
    const mine = await tell({ contact_id: contact, name: 'private' });
    const kept = await record({ kind: 'deal', external_id: 'secret', contact_id: contact });
    for (const path of [`/api/events/${mine.body.id}`, `/api/records/${kept.body.record.id}`])
      expect((await world.call('GET', path, { key: world.other.key })).status).toBe(404);
    for (const path of ['/api/events', '/api/records'])
      expect((await world.call('GET', path, { key: world.other.key })).body.items).toEqual([]);
    const { enrollment } = await enrolled({}, await freshContact());
    const { live_touch } = await statusOf(enrollment);
    const foreign = await tell({ touch_id: live_touch, name: 'opened' }, world.other.key);
    expect(foreign.status).toBe(404);
  });

  it('many are told at once; each entry is answered, and a bad one refuses itself alone', async () => {
    const events = [
      { contact_id: contact, name: 'many', external_id: 'm-1' },
      { contact_id: newId(), name: 'many' },
      { contact_id: contact, name: 'many', external_id: 'm-1' },
      { contact_id: contact, name: 'many', at: new Date(Date.now() + 3_600_000).toISOString() },
      { contact_id: contact, name: 'many', touch_id: newId() },
    ];
    const { status, body } = await tell({ events });
    expect(status).toBe(200);
    expect(body).toMatchObject({ recorded: 1, duplicates: 1, refused: 3 });
    expect(body.results.map((one: { result: string; reason: string }) => one.reason ?? one.result)).toEqual([
      'recorded',
      'unknown_contact',
      'duplicate',
      'in_the_future',
      'unknown_touch',
    ]);
    expect(body.results[2].event_id).toBe(body.results[0].event_id);
  });

  it('[OPS-6] names, properties and sizes have limits, and two names for a contact are refused', async () => {
    const wrong = [
      { contact_id: contact, name: 'Upper' },
      { contact_id: contact, name: '' },
      { contact_id: contact, name: 'x', properties: { big: 'x'.repeat(17_000) } },
      {
        contact_id: contact,
        name: 'x',
        properties: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [i, 1])),
      },
      { contact_id: contact, email: 'a@example.com', name: 'x' },
      { contact_id: contact, name: 'x', at: 'yesterday' },
      { events: [] },
    ];
    for (const body of wrong) expect([body, (await tell(body)).status]).toEqual([body, 400]);
  });

  it('[OPS-6] a time outside the years that can be kept is refused by its field, with any offset', async () => {
    const refusal = { status: 400, fields: ['at'] };
    const answer = ({ status, body }: Awaited<ReturnType<typeof tell>>) => ({
      status,
      fields: body.errors?.map((one: { field: string }) => one.field),
    });
    for (const at of ['0000-01-01T00:00:00Z', '0001-01-01T00:00:00+23:59', '9999-12-31T23:59:59-23:59']) {
      expect([at, answer(await tell({ contact_id: contact, name: 'x', at }))]).toEqual([at, refusal]);
      const deal = { kind: 'deal', external_id: 'when', contact_id: contact };
      expect([at, answer(await record({ ...deal, at }))]).toEqual([at, refusal]);
      for (const field of ['starts_at', 'ends_at'])
        expect(answer(await record({ ...deal, [field]: at }))).toEqual({ status: 400, fields: [field] });
    }
    expect((await tell({ contact_id: contact, name: 'x', at: 'yesterday' })).body.errors).toHaveLength(1);
    expect((await tell({ contact_id: contact, name: 'x', at: '1900-01-01T00:00:00Z' })).status).toBe(201);
  });

  it('[SEQ-11] an external id holds one event: another contact or name under it is refused, not swallowed', async () => {
    const told = await tell({ contact_id: contact, name: 'paid', external_id: 'o-1' });
    expect(told.status).toBe(201);
    const others = [
      { contact_id: contact, name: 'refunded', external_id: 'o-1' },
      { contact_id: await freshContact(), name: 'paid', external_id: 'o-1' },
    ];
    for (const other of others)
      expect(await tell(other)).toMatchObject({
        status: 409,
        body: { code: 'conflict', errors: [{ field: 'external_id', code: 'other_event' }] },
      });
    const many = [
      { contact_id: contact, name: 'paid', external_id: 'o-2' },
      { contact_id: contact, name: 'refunded', external_id: 'o-2' },
      ...others,
      { contact_id: contact, name: 'paid', external_id: 'o-1' },
    ];
    const { body } = await tell({ events: many });
    expect(body).toMatchObject({ recorded: 1, duplicates: 1, refused: 3 });
    expect(body.results.map((one: { result: string; reason: string }) => one.reason ?? one.result)).toEqual([
      'recorded',
      'other_event',
      'other_event',
      'other_event',
      'duplicate',
    ]);
    expect(body.results[4].event_id).toBe(told.body.id);
  });

  it('[INB-4] [CON-2] an opt-out of a channel in any case is of that channel, of an unknown one refused', async () => {
    const who = await freshContact();
    const consents = async () =>
      (await world.call('GET', `/api/contacts/${who}/consents`)).body.items.map(
        (one: { channel: string }) => one.channel,
      );
    for (const channel of ['fax', 5, null, '', ['sms']])
      expect(await tell({ contact_id: who, name: 'unsubscribed', properties: { channel } })).toMatchObject({
        status: 400,
        body: { errors: [{ field: 'properties.channel' }] },
      });
    const entry = await tell({
      events: [{ contact_id: who, name: 'unsubscribed', properties: { channel: 'fax' } }],
    });
    expect(entry.body.results[0]).toMatchObject({ result: 'refused', reason: 'unknown_channel' });
    expect(await consents()).toEqual([]);
    const told = await tell({ contact_id: who, name: 'unsubscribed', properties: { channel: 'SMS' } });
    expect(told).toMatchObject({ status: 201, body: { properties: { channel: 'sms' } } });
    expect(await consents()).toEqual(['sms']);
    expect((await tell({ contact_id: who, name: 'unsubscribed' })).status).toBe(201);
    expect((await consents()).sort()).toEqual(['email', 'sms']);
    expect((await tell({ contact_id: who, name: 'plan', properties: { channel: 'fax' } })).status).toBe(201);
  });

  it('[INB-4] a bounce is hard in any case, and refused when it is neither hard nor soft', async () => {
    const who = await freshContact();
    const bounce = (permanence: unknown) =>
      tell({ contact_id: who, name: 'bounced', properties: { permanence } });
    for (const wrong of ['permanent', 5, null])
      expect(await bounce(wrong)).toMatchObject({
        status: 400,
        body: { errors: [{ field: 'properties.permanence', code: 'unknown_permanence' }] },
      });
    const told = await bounce('HARD');
    expect(told.status).toBe(201);
    expect(told.body.reactions).toMatchObject([
      { reaction: 'suppress', reason: 'hard_bounce', result: 'done' },
    ]);
  });

  it('[OPS-6] what does not fit is refused by its field, of one event and of many', async () => {
    const cases: [unknown, string[]][] = [
      [{}, ['name']],
      [{ name: 5 }, ['name']],
      [{ events: 5 }, ['events']],
      [{ events: [5] }, ['events[0]']],
      [
        { events: [{ contact_id: contact, name: 'x', at: 5, colour: 'red' }] },
        ['events[0].at', 'events[0].colour'],
      ],
      [{ events: [], colour: 'red' }, ['events', 'colour']],
      [{ name: 'a' }, ['contact_id']],
      [{ name: 'a', email: 'a@example.com', contact_id: contact }, ['contact_id']],
    ];
    for (const [body, fields] of cases) {
      const answer = await tell(body);
      expect([body, answer.status]).toEqual([body, 400]);
      expect(answer.body.errors.map((one: { field: string }) => one.field).sort()).toEqual(
        [...fields].sort(),
      );
    }
    const nobody = await tell({ name: 'a' });
    expect(nobody.body.detail).toBe(
      'name the contact by one of contact_id, contact_external_id, email or touch_id',
    );
    const entry = await tell({ events: [{ name: 'a' }] });
    expect(entry.body.results).toMatchObject([{ result: 'refused', reason: 'no_contact' }]);
  });

  it('lists are walked by cursor', async () => {
    const who = await freshContact();
    await tell({ events: Array.from({ length: 7 }, (_, i) => ({ contact_id: who, name: `n${i}` })) });
    const seen: string[] = [];
    let cursor = '';
    for (let i = 0; i < 4; i++) {
      const { body } = await world.call('GET', `/api/events?contact_id=${who}&limit=3${cursor}`);
      seen.push(...body.items.map((one: { name: string }) => one.name));
      if (body.next_cursor === null) break;
      cursor = `&cursor=${body.next_cursor}`;
    }
    expect(seen.sort()).toEqual(['n0', 'n1', 'n2', 'n3', 'n4', 'n5', 'n6']);
  });
});

describe('records', () => {
  it('[SEQ-11] a change that has not happened yet is refused; what it is about may lie ahead', async () => {
    const ahead = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();
    const visit = { kind: 'appointment', external_id: 'ahead', contact_id: contact };
    const refused = await record({ ...visit, at: ahead(10) });
    expect(refused).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'at', code: 'in_the_future' }] },
    });
    expect((await world.call('GET', '/api/records?external_id=ahead')).body.items).toEqual([]);
    const made = await record({ ...visit, at: ahead(2), starts_at: ahead(600), ends_at: ahead(660) });
    expect(made.status).toBe(201);
  });

  const namesOf = async (ids: string[]) =>
    Promise.all(ids.map(async (id) => (await world.call('GET', `/api/events/${id}`)).body.name));

  it('[SEQ-11] a deal is made, changed and unchanged, and each change is an event', async () => {
    const who = await freshContact();
    const made = await record({
      kind: 'deal',
      external_id: 'd-1',
      contact_id: who,
      stage: 'Qualified',
      amount: 10.005,
    });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      change: 'created',
      record: { stage: 'Qualified', status: 'Qualified', version: 1 },
    });
    expect(await namesOf(made.body.event_ids)).toEqual(['deal.created', 'deal.stage.qualified']);
    const same = await record({ kind: 'deal', external_id: 'd-1', stage: 'Qualified', amount: 10.005 });
    expect([same.status, same.body.change, same.body.event_ids]).toEqual([200, 'unchanged', []]);
    const won = await record({
      kind: 'deal',
      external_id: 'd-1',
      stage: 'Closed – Won',
      properties: { owner: 'Ada' },
    });
    expect(won.body).toMatchObject({ change: 'updated', record: { version: 2, contact_id: who } });
    expect(await namesOf(won.body.event_ids)).toEqual(['deal.stage.closed_won']);
    const event = await world.call('GET', `/api/events/${won.body.event_ids[0]}`);
    expect(event.body).toMatchObject({
      source: 'record',
      properties: {
        stage: 'Closed – Won',
        previous_stage: 'Qualified',
        owner: 'Ada',
        record_external_id: 'd-1',
      },
    });
    const noted = await record({ kind: 'deal', external_id: 'd-1', title: 'Big' });
    expect([noted.body.change, noted.body.event_ids]).toEqual(['updated', []]);
  });

  it('[SEQ-11] an appointment is booked, moved and cancelled; a service job completed', async () => {
    const who = await freshContact();
    const at = (hour: number) => `2030-05-01T${hour}:00:00Z`;
    const appointment = { kind: 'appointment', external_id: 'a-1', contact_id: who };
    const told: string[] = [];
    for (const change of [
      { starts_at: at(10), ends_at: at(11) },
      { starts_at: at(12), ends_at: at(13) },
      { status: 'cancelled' },
      { status: 'booked' },
    ])
      told.push(...(await namesOf((await record({ ...appointment, ...change })).body.event_ids)));
    expect(told).toEqual([
      'appointment.booked',
      'appointment.rescheduled',
      'appointment.cancelled',
      'appointment.booked',
    ]);
    const job = { kind: 'service_job', external_id: 'j-1', contact_id: who };
    expect(await namesOf((await record(job)).body.event_ids)).toEqual([
      'service_job.created',
      'service_job.scheduled',
    ]);
    expect(await namesOf((await record({ ...job, status: 'completed' })).body.event_ids)).toEqual([
      'service_job.completed',
    ]);
  });

  it('what cannot be is refused by field, and nothing is kept', async () => {
    const wrong: [Record<string, unknown>, number][] = [
      [{ kind: 'deal', external_id: 'bad' }, 400],
      [{ kind: 'deal', external_id: 'bad', contact_id: newId() }, 404],
      [{ kind: 'appointment', external_id: 'bad', contact_id: contact, status: 'maybe' }, 400],
      [{ kind: 'appointment', external_id: 'bad', contact_id: contact, stage: 'x' }, 400],
      [{ kind: 'invoice', external_id: 'bad', contact_id: contact }, 400],
      [
        {
          kind: 'appointment',
          external_id: 'bad',
          contact_id: contact,
          starts_at: '2030-01-02T00:00:00Z',
          ends_at: '2030-01-01T00:00:00Z',
        },
        400,
      ],
    ];
    for (const [body, status] of wrong) expect([body, (await record(body)).status]).toEqual([body, status]);
    expect((await world.call('GET', '/api/records?external_id=bad')).body.items).toEqual([]);
  });

  it('two who tell the same new record at once make one, and its events once', async () => {
    const who = await freshContact();
    const body = { kind: 'deal', external_id: 'race', contact_id: who, stage: 'won' };
    const answers = await Promise.all(Array.from({ length: 6 }, () => record(body)));
    expect(answers.map((one) => one.body.change).sort()).toEqual(['created', ...Array(5).fill('unchanged')]);
    const { body: list } = await world.call('GET', `/api/events?contact_id=${who}`);
    expect(list.items.map((one: { name: string }) => one.name).sort()).toEqual([
      'deal.created',
      'deal.stage.won',
    ]);
  });

  it('deleted it is gone, and its events stay', async () => {
    const who = await freshContact();
    const made = await record({ kind: 'deal', external_id: 'gone', contact_id: who });
    const path = `/api/records/${made.body.record.id}`;
    expect((await world.call('DELETE', path)).status).toBe(204);
    expect((await world.call('GET', path)).status).toBe(404);
    expect((await world.call('DELETE', path)).status).toBe(404);
    const { body } = await world.call('GET', `/api/events?contact_id=${who}`);
    expect(body.items.map((one: { name: string }) => one.name)).toContain('deal.deleted');
  });
});

describe('what events lead to', () => {
  it('[SEQ-11] a goal ends the enrollment at once, names itself, and counts as converted', async () => {
    const who = await freshContact();
    const goals = [{ event: 'deal.stage.*', stages: ['won'], name: 'Closed' }];
    const { sequence, enrollment } = await enrolled({ goals }, who);
    await record({ kind: 'deal', external_id: 'goal', contact_id: who, stage: 'Open' });
    expect(await statusOf(enrollment)).toMatchObject({ status: 'active' });
    const won = await record({ kind: 'deal', external_id: 'goal', contact_id: who, stage: 'Won' });
    expect(await statusOf(enrollment)).toMatchObject({ status: 'exited', status_reason: 'goal:Closed' });
    const { body: event } = await world.call('GET', `/api/events/${won.body.event_ids[0]}`);
    expect(event.reactions).toMatchObject([
      {
        reaction: 'exit',
        reason: 'goal:Closed',
        result: 'done',
        enrollment_id: enrollment,
        sequence_id: sequence,
      },
    ]);
    const receipt = await world.call('GET', `/api/receipts/${event.reactions[0].receipt_id}`);
    expect(receipt.body).toMatchObject({ status: 'exited', not_started: 1, drained: true });
    const { body: stats } = await world.call('GET', `/api/outreach/sequences/${sequence}/stats`);
    expect(stats).toMatchObject({
      enrollments: { exited: 1, total: 1 },
      touches: { cancelled: 1, waiting: 0, total: 1 },
      conversions: { total: 1, contacts: 1, goals: [{ goal: 'Closed', count: 1 }] },
    });
  });

  it('[INB-1] a reaction that fails makes neither an event nor a record fail; the job carries it out', async () => {
    const who = await freshContact();
    const { enrollment } = await enrolled({ goals: [{ event: 'deal.created' }] }, who);
    const { versions } = world.deps;
    const get = versions.get;
    versions.get = () => Promise.reject(new Error('planted'));
    try {
      const told = await tell({ contact_id: who, name: 'anything' });
      expect([told.status, told.body.reacted_at]).toEqual([201, null]);
      const made = await record({ kind: 'deal', external_id: 'fails', contact_id: who });
      expect(made.status).toBe(201);
    } finally {
      versions.get = get;
    }
    expect(await statusOf(enrollment)).toMatchObject({ status: 'active' });
    await reactTask.run({ ...world.deps, log: world.deps.logger }, { org: world.org.id });
    expect(await statusOf(enrollment)).toMatchObject({
      status: 'exited',
      status_reason: 'goal:deal.created',
    });
  });

  it('[SEQ-11] an exit ends it without counting', async () => {
    const who = await freshContact();
    const { sequence, enrollment } = await enrolled(
      { exits: [{ event: 'churned', where: { plan: ['a', 'b'] } }] },
      who,
    );
    await tell({ contact_id: who, name: 'churned', properties: { plan: 'c' } });
    expect(await statusOf(enrollment)).toMatchObject({ status: 'active' });
    await tell({ contact_id: who, name: 'churned', properties: { plan: 'B' } });
    expect(await statusOf(enrollment)).toMatchObject({ status: 'exited', status_reason: 'exit:churned' });
    const { body: stats } = await world.call('GET', `/api/outreach/sequences/${sequence}/stats`);
    expect(stats.conversions).toEqual({ total: 0, contacts: 0, goals: [] });
  });

  it('[SEQ-10] a trigger enrols through the ordinary way, and says why not', async () => {
    const enroll_on = [{ event: 'trial.started', where: { seats: { min: 5 } } }];
    const sequence = await makeSequence(world.db, world.org.id, sender, { ...oneStep(), enroll_on });
    const who = await freshContact();
    const [unreachable] = await makeContacts(world.db, world.org.id, 1, { email: null });
    const few = await tell({ contact_id: who, name: 'trial.started', properties: { seats: 4 } });
    expect(few.body.reactions).toEqual([]);
    const told = await tell({ contact_id: who, name: 'trial.started', properties: { seats: 5 } });
    expect(told.body.reactions).toMatchObject([
      { reaction: 'enroll', result: 'done', sequence_id: sequence, reason: 'trial.started' },
    ]);
    const { enrollment_id } = told.body.reactions[0];
    expect(await statusOf(enrollment_id)).toMatchObject({
      contact_id: who,
      status: 'active',
      sequence_id: sequence,
    });
    const again = await tell({ contact_id: who, name: 'trial.started', properties: { seats: 9 } });
    expect(again.body.reactions).toMatchObject([
      { result: 'skipped', detail: 'already_enrolled', enrollment_id },
    ]);
    const none = await tell({ contact_id: unreachable, name: 'trial.started', properties: { seats: 9 } });
    expect(none.body.reactions).toMatchObject([
      { result: 'refused', detail: 'no_address', enrollment_id: null },
    ]);
    const old = await tell({
      contact_id: await freshContact(),
      name: 'trial.started',
      at: '2020-01-01T00:00:00Z',
      properties: { seats: 9 },
    });
    expect(old.body.reactions).toMatchObject([{ result: 'skipped', detail: 'event_too_old' }]);
  });

  it('[SEQ-11] settings are part of the draft, published, shown and taken back', async () => {
    const made = await world.call('POST', '/api/outreach/sequences', {
      body: {
        name: 'With goals',
        sender_ids: [sender],
        ...oneStep(),
        goals: [{ event: 'deal.created' }],
        enroll_on: [{ event: 'lead.new' }],
        on_reply: 'exit',
        on_reply_scope: 'company',
      },
    });
    expect(made.body).toMatchObject({ goals: [{ event: 'deal.created' }], exits: [], on_reply: 'exit' });
    const path = `/api/outreach/sequences/${made.body.id}`;
    expect((await world.call('POST', `${path}/publish`)).status).toBe(200);
    const who = await freshContact();
    expect((await tell({ contact_id: who, name: 'lead.new' })).body.reactions).toMatchObject([
      { reaction: 'enroll', result: 'done' },
    ]);
    const changed = await world.call('PATCH', path, {
      body: { enroll_on: [], on_reply: 'ignore', on_reply_scope: 'contact' },
    });
    expect(changed.body).toMatchObject({
      enroll_on: [],
      on_reply: 'ignore',
      goals: [{ event: 'deal.created' }],
    });
    expect((await world.call('POST', `${path}/publish`)).status).toBe(200);
    expect((await tell({ contact_id: await freshContact(), name: 'lead.new' })).body.reactions).toEqual([]);
    const bad = await world.call('PATCH', path, { body: { goals: [{ event: 'Deal Created' }] } });
    expect(bad.status).toBe(400);
  });
});
