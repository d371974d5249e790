/** One enrollment over several channels: each step through its channel's sender, and what people do left to people. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import type { Engine } from '../../src/dispatch/engine.ts';
import { untilNextDue } from '../../src/dispatch/lanes.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import type { Message, SmsMessage } from '../../src/kernel/message.ts';
import { runEnrollmentJob } from '../../src/plan/sequences/bulk-enroll.ts';
import { enrollContacts } from '../../src/plan/sequences/enroll.ts';
import { createEnrollmentJob } from '../../src/plan/sequences/enrollment-jobs.ts';
import { act } from '../../src/plan/sequences/enrollments.ts';
import { moveEnrollments } from '../../src/plan/sequences/move-enrollments.ts';
import { hold, releaseHeld, unsubscribe } from '../../src/plan/stop.ts';
import { addSender, people, wrote } from '../support/channels.ts';
import { deliverNow } from '../support/deliver-now.ts';
import { type EngineWorld, engineWorld, RecordingProvider } from '../support/engine.ts';
import { publishVersion } from '../support/outreach.ts';
import { enrollmentRow, story, touchRow, used } from '../support/touches.ts';

let world: EngineWorld;
let provider: RecordingProvider<Message>;
let engine: Engine;
beforeEach(async () => {
  world = await engineWorld();
  provider = new RecordingProvider<Message>('N');
  engine = world.newEngine({ provider });
});
afterEach(() => world.close());

const NOW = { amount: 0, unit: 'minutes' };
const email = { channel: 'email', subject: 'Hello {{ contact.first_name }}', body_text: 'One' };
const followUp = { channel: 'email', delay: NOW, body_text: 'Two' };
const sms = { channel: 'sms', delay: NOW, body_text: 'Hi {{ contact.first_name }}, {{ sender.name }} here' };
const call = { channel: 'call', delay: NOW, body_text: 'Ask {{ contact.first_name }} about Thursday' };

async function senderOf(enrollment: Uuid): Promise<Uuid | null> {
  return (await touchRow(world, (await enrollmentRow(world, enrollment)).live_touch)).sender_id;
}

const kinds = () => provider.calls.map(({ message }) => message.kind);

describe('[SEQ-1] an enrollment over several channels', () => {
  it('sends each step through its own channel, and an SMS is no part of the e-mail thread', async () => {
    const phone = await addSender(world, 'sms');
    const sequence = await world.sequence({
      sender_ids: [world.sender, phone],
      steps: [email, sms, followUp],
    });
    const [contact] = await people(world, 1);
    const [enrollment] = await world.enroll(sequence, [contact!]);
    await deliverNow(world, engine);
    expect(kinds()).toEqual(['email', 'sms', 'email']);
    expect(provider.calls[1]!.message).toEqual({
      kind: 'sms',
      from: '+14155550100',
      to: '+14155552001',
      text: 'Hi Person 1, The sms here',
      encoding: 'gsm7',
      segments: 1,
    });
    const [opening, , answer] = provider.calls.map(({ message }) => message);
    if (opening?.kind !== 'email' || answer?.kind !== 'email') throw new Error('two e-mails');
    expect(answer).toMatchObject({ subject: 'Re: Hello Person 1', references: [opening.message_id] });
    const row = await enrollmentRow(world, enrollment!);
    expect(row).toMatchObject({
      status: 'completed',
      thread: [`${provider.calls[0]!.touch_id}.1`, `${provider.calls[2]!.touch_id}.1`],
    });
    expect(Object.values(await used(world, phone))).toEqual([1]);
    expect(Object.values(await used(world))).toEqual([2]);
  });

  it('[SEQ-1] [EXE-7] goes on to the next channel for those too that waited for a free connection', async () => {
    const phone = await addSender(world, 'sms');
    const sequence = await world.sequence({
      sender_ids: [world.sender, phone],
      steps: [email, { ...sms, delay: { amount: 1, unit: 'days' } }],
    });
    provider.free = 5;
    const enrollments = await world.enroll(sequence, await people(world, 17));
    await deliverNow(world, engine);
    expect(kinds()).toEqual(Array(17).fill('email'));
    for (const enrollment of enrollments) {
      expect(await enrollmentRow(world, enrollment)).toMatchObject({ status: 'active' });
      expect(await senderOf(enrollment)).toBe(phone);
    }
  });

  it('uses one sender a channel, the same for every step and however the next touch is planned', async () => {
    const mails = [
      world.sender,
      await addSender(world, 'email', 'b@example.com'),
      await addSender(world, 'email', 'c@example.com'),
    ];
    const phones = [
      await addSender(world, 'sms', '+14155550101'),
      await addSender(world, 'sms', '+14155550102'),
    ];
    const steps = [email, sms, { ...followUp, subject: 'Once more' }, sms];
    const sequence = await world.sequence({ sender_ids: [phones[0], ...mails, phones[1]], steps });
    const contacts = await people(world, 40);
    const enrollments = await world.enroll(sequence, contacts);
    const { db, versions, ctx } = world;
    // Every way in which a next touch is planned, on a part of them each.
    for (const [i, id] of enrollments.entries()) {
      if (i % 4 === 1) await act(db, versions, ctx, id, 'advance');
      if (i % 4 === 2) {
        await act(db, versions, ctx, id, 'pause');
        await act(db, versions, ctx, id, 'resume');
      }
      if (i % 4 === 3) await act(db, versions, ctx, id, 'restart');
    }
    await deliverNow(world, engine);
    const rows = await world.owner.call<{ contact_id: Uuid; channel: string; senders: Uuid[] }>(sql`
      SELECT contact_id, channel, array_agg(DISTINCT sender_id) AS senders FROM touches GROUP BY 1, 2`);
    expect(rows).toHaveLength(80);
    for (const row of rows) expect(row.senders, row.channel).toHaveLength(1);
    const through = (channel: string) =>
      new Set(rows.filter((row) => row.channel === channel).map((row) => row.senders[0]));
    expect(through('email')).toEqual(new Set(mails));
    expect(through('sms')).toEqual(new Set(phones));
    const states = await world.owner.call(sql`SELECT DISTINCT status FROM enrollments`);
    expect(states).toEqual([{ status: 'completed' }]);
    // What is composed says the same: from the number that its touch names.
    const numbers = new Map(phones.map((id, i) => [id, `+1415555010${i + 1}`]));
    for (const { touch_id, message } of provider.calls)
      if (message.kind === 'sms')
        expect(message.from).toBe(numbers.get((await touchRow(world, touch_id)).sender_id));
  });

  it('keeps its sender of each channel when it is moved to another version, as long as that names it', async () => {
    const phones = await Promise.all([1, 2, 3].map((n) => addSender(world, 'sms', `+1415555010${n}`)));
    const steps = [email, sms, { ...followUp, subject: 'Once more' }, sms].map((step) => ({
      ...step,
      id: newId(),
    }));
    const sequence = await world.sequence({ sender_ids: [world.sender, ...phones], steps });
    const enrollments = await world.enroll(sequence, await people(world, 30));
    const first = new Map<Uuid, Uuid>();
    for (const id of enrollments) {
      const { kept_senders } = await enrollmentRow(world, id);
      expect(kept_senders).toHaveLength(1);
      first.set(id, kept_senders[0]);
    }
    const { db, org, versions, ctx } = world;
    // Some wait for their first e-mail, the others for their first SMS.
    for (const id of enrollments.slice(15)) await act(db, versions, ctx, id, 'advance');
    const move = async (sender_ids: Uuid[]) => {
      await publishVersion(db, org, sequence, world.sender, { sender_ids, steps });
      const { results } = await moveEnrollments(db, versions, ctx, {
        sequence_id: sequence,
        enrollment_ids: enrollments,
      });
      expect(new Set(results.map(({ result }) => result))).toEqual(new Set(['moved']));
    };
    const mail = await addSender(world, 'email', 'b@example.com');
    await move([phones[2]!, mail, phones[0]!, world.sender, phones[1]!]);
    await move([phones[1]!, world.sender, phones[2]!, mail]);
    await deliverNow(world, engine);
    const went = await world.owner.call<{ id: Uuid; mails: Uuid[]; phones: Uuid[] }>(sql`
      SELECT source_id AS id, array_agg(DISTINCT sender_id) FILTER (WHERE channel = 'email') AS mails,
             array_agg(DISTINCT sender_id) FILTER (WHERE channel = 'sms') AS phones
        FROM touches WHERE state = 'sent' GROUP BY 1`);
    expect(went).toHaveLength(30);
    for (const {
      id,
      mails,
      phones: [phone, ...others],
    } of went) {
      expect(mails).toEqual([world.sender]);
      expect(others).toEqual([]);
      // The first version's choice; whose number the last one does not name gets one of those that it does.
      if (first.get(id) === phones[0]) expect([phones[1], phones[2]]).toContain(phone);
      else expect(phone).toBe(first.get(id));
    }
  });

  it('a bulk enrolment, and a restart in one, take the sender of the first step', async () => {
    const phones = [
      await addSender(world, 'sms', '+14155550101'),
      await addSender(world, 'sms', '+14155550102'),
    ];
    const sequence = await world.sequence({
      sender_ids: [world.sender, ...phones],
      steps: [sms, followUp],
      reenroll: { policy: 'if_ended' },
    });
    const contacts = await people(world, 30);
    const first = await world.enroll(sequence, contacts.slice(0, 10));
    const before = await Promise.all(first.map(senderOf));
    const job = await createEnrollmentJob(world.db, world.versions, world.ctx, {
      sequence_id: sequence,
      contact_ids: contacts,
      policy: 'restart',
    });
    await runEnrollmentJob(world, world.org, job.job_id, { worker: 'test', logger: { warn() {} } });
    expect(await Promise.all(first.map(senderOf))).toEqual(before);
    const [counts] = await world.owner.call(sql`
      SELECT count(*)::int AS all, count(*) FILTER (WHERE sender_id = ANY (${phones}::uuid[]))::int AS by_phone FROM touches WHERE state = 'planned'`);
    expect(counts).toEqual({ all: 30, by_phone: 30 });
  });

  it('a contact enrolled by somebody else meanwhile costs the others of the batch nothing', async () => {
    const phone = await addSender(world, 'sms');
    const sequence = await world.sequence({ sender_ids: [phone], steps: [sms] });
    const contacts = await people(world, 12);
    const both = await Promise.all([
      world.contacts(0),
      ...[0, 1].map(() =>
        enrollContacts(world.db, world.versions, world.ctx, { sequence_id: sequence, contact_ids: contacts }),
      ),
    ]);
    const results = both.slice(1).flat() as { result: string }[];
    expect(results.filter(({ result }) => result === 'enrolled')).toHaveLength(12);
    const [counts] = await world.owner.call(
      sql`SELECT count(*)::int AS touches, count(DISTINCT contact_id)::int AS people FROM touches`,
    );
    expect(counts).toEqual({ touches: 12, people: 12 });
  });
});

describe('[SEQ-1] what people do', () => {
  it.each([
    ['a call', call],
    ['an e-mail that a person looks at first', { ...email, mode: 'human' }],
    ['a LinkedIn message', { channel: 'linkedin', body_text: 'Hi' }],
    ['a task', { channel: 'task', body_text: 'Look them up' }],
  ])('%s is planned, and no worker takes it', async (_, step) => {
    const sequence = await world.sequence({ steps: [step, followUp] });
    const [enrollment] = await world.enroll(sequence, await people(world, 1));
    await deliverNow(world, engine);
    expect(provider.calls).toEqual([]);
    const touch = await touchRow(world, (await enrollmentRow(world, enrollment!)).live_touch);
    expect(touch).toMatchObject({
      state: 'planned',
      mode: 'human',
      wake_at: null,
      sender_id: step.channel === 'email' ? world.sender : null,
    });
    expect(touch.not_before).toBeInstanceOf(Date);
    // Overdue or not, it keeps no lane busy and no worker awake.
    await world.owner.call(sql`UPDATE touches SET not_before = now() - interval '40 days'`);
    const taken = await world.db.call(sql`SELECT * FROM lane_take('test', ${newId()}::uuid, 1000)`);
    expect(taken).toEqual([]);
    expect(await untilNextDue(world.db)).toBeNull();
  });

  it('a step after an automatic one waits for its person; advancing past it goes on by itself', async () => {
    const phone = await addSender(world, 'sms');
    const sequence = await world.sequence({ sender_ids: [world.sender, phone], steps: [email, call, sms] });
    const [enrollment] = await world.enroll(sequence, await people(world, 1));
    await deliverNow(world, engine);
    expect(await story(world, enrollment!)).toEqual(['0.1 sent', '1.1 planned']);
    expect(await senderOf(enrollment!)).toBeNull();
    await act(world.db, world.versions, world.ctx, enrollment!, 'advance');
    await deliverNow(world, engine);
    expect(await story(world, enrollment!)).toEqual(['0.1 sent', '1.1 skipped', '2.1 sent']);
    expect(kinds()).toEqual(['email', 'sms']);
  });

  it('[SEQ-6] [SEQ-8] is cancelled by a pause and waits again after the resume, still for a person', async () => {
    const sequence = await world.sequence({ steps: [call, followUp] });
    const [enrollment] = await world.enroll(sequence, await people(world, 1));
    const { db, versions, ctx } = world;
    await act(db, versions, ctx, enrollment!, 'pause');
    expect(await story(world, enrollment!)).toEqual(['0.1 cancelled']);
    await act(db, versions, ctx, enrollment!, 'resume');
    await deliverNow(world, engine);
    expect(await story(world, enrollment!)).toEqual(['0.1 cancelled', '0.2 planned']);
    expect(provider.calls).toEqual([]);
    expect(await touchRow(world, (await enrollmentRow(world, enrollment!)).live_touch)).toMatchObject({
      mode: 'human',
      wake_at: null,
    });
  });

  it('[EXE-15] a switch that is thrown and thrown back does not hand it to a worker', async () => {
    const sequence = await world.sequence({ steps: [call] });
    const [enrollment] = await world.enroll(sequence, await people(world, 1));
    const target = { class: 'channel' as const, id: 'call' };
    await hold(world.db, world.ctx, { ...target, paused: true });
    await world.owner.call(sql`UPDATE touches SET held_by = 'channel'`);
    await hold(world.db, world.ctx, { ...target, paused: false });
    expect(await releaseHeld(world.db, { org: world.org, ...target, epoch: 2 })).toBe(1);
    await deliverNow(world, engine);
    expect(provider.calls).toEqual([]);
    expect(await touchRow(world, (await enrollmentRow(world, enrollment!)).live_touch)).toMatchObject({
      state: 'planned',
      held_by: null,
      wake_at: null,
    });
  });
});

describe('[SEQ-5] [CON-6] whom a channel may reach', () => {
  const steps = [email, sms];
  let sequence: Uuid;
  let contacts: Uuid[];
  beforeEach(async () => {
    sequence = await world.sequence({ sender_ids: [world.sender, await addSender(world, 'sms')], steps });
    contacts = await people(world, 5);
  });
  const enroll = async (ids: readonly Uuid[]) =>
    (
      await enrollContacts(world.db, world.versions, world.ctx, { sequence_id: sequence, contact_ids: ids })
    ).map(({ result, reason }) => reason ?? result);

  it('is asked for every channel that the sequence uses, when somebody is enrolled', async () => {
    await world.owner.call(sql`UPDATE contacts SET phone = NULL WHERE id = ${contacts[0]}::uuid`);
    await world.owner.call(sql`
      INSERT INTO suppressions (org_id, kind, address, reason, source) VALUES (${world.org}::uuid, 'phone', '+14155552002', 'manual', 'test'),
        (${world.org}::uuid, 'whatsapp', '+14155552004', 'manual', 'test')`);
    await unsubscribe(world.db, world.ctx, { contact_id: contacts[2]!, channel: 'sms', source: 'api' });
    await world.owner.call(sql`DELETE FROM suppressions WHERE address = '+14155552003'`);
    expect(await enroll(contacts)).toEqual(['no_address', 'suppressed', 'opted_out', 'enrolled', 'enrolled']);
  });

  it('[CON-2] needs a consent for the channels that the organization names, WhatsApp Lite under that of WhatsApp', async () => {
    await world.owner.call(
      sql`UPDATE organizations SET consent_required = '{sms,whatsapp}' WHERE org_id = ${world.org}::uuid`,
    );
    const consent = (contact: Uuid, channel: string) =>
      world.owner.call(sql`
      INSERT INTO consents (org_id, contact_id, channel, id, status, source, actor_type, actor_id)
      VALUES (${world.org}::uuid, ${contact}::uuid, ${channel}, ${newId()}::uuid, 'granted', 'test', 'system', 'test')`);
    await consent(contacts[0]!, 'sms');
    await consent(contacts[1]!, 'whatsapp');
    expect(await enroll(contacts.slice(0, 2))).toEqual(['enrolled', 'no_consent']);
    const lite = await addSender(world, 'whatsapp_lite');
    sequence = await world.sequence({
      sender_ids: [lite],
      steps: [{ channel: 'whatsapp_lite', body_text: 'Hi' }],
    });
    expect(await enroll(contacts.slice(0, 2))).toEqual(['no_consent', 'enrolled']);
    await wrote(world, [contacts[1]!], 'whatsapp_lite');
    await deliverNow(world, engine);
    expect(provider.calls.map(({ message }) => message.kind).sort()).toEqual([
      'email',
      'sms',
      'whatsapp_text',
    ]);
  });

  it('is looked at again at the gate, by the address of the touch at hand', async () => {
    const enrollments = await world.enroll(sequence, contacts.slice(0, 3));
    await world.owner.call(sql`
      INSERT INTO suppressions (org_id, kind, address, reason, source) VALUES (${world.org}::uuid, 'phone', '+14155552001', 'manual', 'test')`);
    await world.owner.call(
      sql`UPDATE contacts SET phone = NULL, version = version + 1 WHERE id = ${contacts[1]}::uuid`,
    );
    await deliverNow(world, engine);
    const rows = await Promise.all(enrollments.map((id) => enrollmentRow(world, id)));
    expect(rows.map((row) => [row.status, row.status_reason])).toEqual([
      ['unsubscribed', 'suppressed'],
      ['failed', 'no_address'],
      ['completed', 'last_step'],
    ]);
    expect(kinds().sort()).toEqual(['email', 'email', 'email', 'sms']);
  });

  it('[CON-4] opting out of SMS ends what has an SMS ahead, suppresses the number, and leaves e-mail alone', async () => {
    const mail = await world.sequence({ steps: [email] });
    const [both] = await world.enroll(sequence, [contacts[0]!]);
    const [only] = await world.enroll(mail, [contacts[0]!]);
    await unsubscribe(world.db, world.ctx, { contact_id: contacts[0]!, channel: 'sms', source: 'reply' });
    expect((await enrollmentRow(world, both!)).status).toBe('unsubscribed');
    expect((await enrollmentRow(world, only!)).status).toBe('active');
    expect(await world.owner.call(sql`SELECT kind, address, reason FROM suppressions`)).toEqual([
      { kind: 'phone', address: '+14155552001', reason: 'unsubscribe' },
    ]);
  });

  it.each([
    ['opted_out', 'unsubscribed', 'unsubscribe'],
    ['mailbox_unknown', 'bounced', 'hard_bounce'],
    ['not_reachable', 'failed', null],
  ] as const)('a provider that says %s ends the enrollment as %s', async (reason, status, suppressed) => {
    const [enrollment] = await world.enroll(sequence, [contacts[0]!]);
    provider.answer = ({ message }) =>
      message.kind === 'sms' ? { kind: 'refused', permanence: 'permanent', reason } : { kind: 'accepted' };
    await deliverNow(world, engine);
    expect((await enrollmentRow(world, enrollment!)).status).toBe(status);
    expect(await world.owner.call(sql`SELECT kind, address, reason FROM suppressions`)).toEqual(
      suppressed === null ? [] : [{ kind: 'phone', address: '+14155552001', reason: suppressed }],
    );
  });
});

describe('[EXE-10] a channel whose sender is gone', () => {
  it('ends the enrollment when its turn comes, and says so', async () => {
    const sequence = await world.sequence({ steps: [email, sms] });
    const [enrollment] = await world.enroll(sequence, await people(world, 1));
    await deliverNow(world, engine);
    expect(await enrollmentRow(world, enrollment!)).toMatchObject({
      status: 'failed',
      status_reason: 'no_sender',
    });
  });
});

const asSms = (message: Message): SmsMessage => {
  if (message.kind !== 'sms') throw new Error(`not an SMS but ${message.kind}`);
  return message;
};

describe('a text that no carrier takes', () => {
  it('[EXE-10] skips its own touch, and the others go', async () => {
    const phone = await addSender(world, 'sms');
    const long = `{{ contact.first_name }}{% if contact.first_name == 'Person 1' %}${'x'.repeat(1_700)}{% endif %}`;
    const sequence = await world.sequence({ sender_ids: [phone], steps: [{ ...sms, body_text: long }] });
    const enrollments = await world.enroll(sequence, await people(world, 2));
    await deliverNow(world, engine);
    expect(provider.calls.map(({ message }) => asSms(message).text)).toEqual(['Person 2']);
    expect(await enrollmentRow(world, enrollments[0]!)).toMatchObject({
      status: 'failed',
      status_reason: 'output_too_large',
    });
  });
});
