/** Opting out of a channel, in sequences that skip its steps instead of ending (CON-4). */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Row } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { explainTouch } from '../../src/ledger/explain.ts';
import { act, getEnrollment } from '../../src/plan/sequences/enrollments.ts';
import { moveEnrollments } from '../../src/plan/sequences/move-enrollments.ts';
import { readSkips } from '../../src/plan/sequences/skip-channel.ts';
import { unsubscribe } from '../../src/plan/stop.ts';
import { addSender, people } from '../support/channels.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { ACCEPTED, AMBIGUOUS, answered, type Flight, GREYLISTED, letGo } from '../support/flight.ts';
import { happened } from '../support/happenings.ts';
import { connection, holder, untilWaiting } from '../support/interleave.ts';
import { publishVersion } from '../support/outreach.ts';
import { enrollmentRow, passGate, story, touchRow } from '../support/touches.ts';
import { expectSound } from '../support/version-move.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
let sender_ids: Uuid[];
beforeEach(async () => {
  world = worldOf();
  sender_ids = [world.sender, await addSender(world, 'sms')];
  // Text messages wait for the morning otherwise.
  await world.owner.call(sql`UPDATE organizations SET quiet_hours = NULL WHERE org_id = ${world.org}::uuid`);
});

const DAY = 86_400_000;
const days = (amount: number) => ({ amount, unit: 'days' });
const email = (delay = days(0)) => ({ channel: 'email', subject: 'Hello', body_text: 'Text', delay });
const sms = (delay = days(2)) => ({ channel: 'sms', body_text: 'Text', delay });

interface Person {
  sequence: Uuid;
  contact: Uuid;
  id: Uuid;
}

async function person(steps: object[], on_unsubscribe = 'skip_steps'): Promise<Person> {
  const sequence = await world.sequence({ sender_ids, steps, on_unsubscribe });
  const [contact] = await people(world, 1, '+4930555');
  const [id] = await world.enroll(sequence, [contact!]);
  return { sequence, contact: contact!, id: id! };
}

const live = async (id: Uuid) => (await getEnrollment(world.db, world.org, id)).live_touch;
async function fly(id: Uuid, soon = true): Promise<Flight> {
  const flight = await letGo(world, await live(id), { soon });
  expect(flight.verdict).toBe('go');
  return flight;
}
const leave = (contact: Uuid, options = {}) =>
  unsubscribe(world.db, world.ctx, { contact_id: contact, channel: 'email', source: 'page' }, options);

async function told(id: Uuid): Promise<string[]> {
  const rows = await world.owner.call(sql`
    SELECT v.type || coalesce(' ' || v.reason, '') || CASE WHEN v.touch_id IS NULL THEN '' ELSE ' of a touch' END AS text
      FROM events v WHERE v.source_id = ${id}::uuid ORDER BY v.at`);
  return rows.map((row) => row.text);
}

async function ledgers(contact: Uuid): Promise<Row> {
  const [row] = await world.owner.call(sql`
    SELECT (SELECT count(*)::int FROM suppressions s WHERE s.contact_id = ${contact}::uuid AND s.reason = 'unsubscribe') AS suppressed,
           (SELECT count(*)::int FROM consents k WHERE k.contact_id = ${contact}::uuid AND k.status = 'revoked') AS revoked`);
  return row!;
}

describe('an unsubscribe, where the sequence skips steps', () => {
  it('[CON-4] skips the steps of the channel and goes on with the next of another one, at its own delay', async () => {
    const { id, contact, sequence } = await person([
      email(days(1)),
      email(days(9)),
      sms(days(2)),
      email(days(1)),
    ]);
    const waiting = await live(id);
    const since = Date.now();
    const receipt = await leave(contact);
    expect(receipt).toMatchObject({ not_started: 1, in_flight_count: 0, drained: true });
    expect(await enrollmentRow(world, id)).toMatchObject({
      status: 'active',
      step_no: 2,
      skip_channels: ['email'],
    });
    expect(await touchRow(world, waiting)).toMatchObject({
      state: 'skipped',
      reason: 'opted_out',
      live: false,
    });
    const next = await touchRow(world, await live(id));
    expect(next).toMatchObject({ channel: 'sms', state: 'planned', step_no: 2, n: 1 });
    expect(next.not_before.getTime()).toBeGreaterThanOrEqual(since + 2 * DAY);
    expect(next.not_before.getTime()).toBeLessThan(Date.now() + 2 * DAY + 1_000);
    expect(await ledgers(contact)).toEqual({ suppressed: 1, revoked: 1 });
    expect(await told(id)).toEqual(['enrolled of a touch', 'skipped opted_out of a touch']);
    expect((await explainTouch(world.db, world.org, waiting)).state.says).toBe(
      'the contact has revoked consent',
    );
    expect(await expectSound(world, sequence)).toEqual([]);
  });

  it('[CON-4] skips every channel that the consent covers, and goes on through the sender of the next one', async () => {
    const lite = await addSender(world, 'whatsapp_lite');
    sender_ids = [...sender_ids, lite];
    const chat = { channel: 'whatsapp_lite', body_text: 'Text', delay: days(1) };
    const { id, contact } = await person([chat, chat, sms(days(2)), chat]);
    expect(await touchRow(world, await live(id))).toMatchObject({ sender_id: lite });
    await unsubscribe(world.db, world.ctx, { contact_id: contact, channel: 'whatsapp', source: 'reply' });
    expect(await enrollmentRow(world, id)).toMatchObject({ status: 'active', skip_channels: ['whatsapp'] });
    expect(await story(world, id)).toEqual(['0.1 skipped', '2.1 planned']);
    const next = await touchRow(world, await live(id));
    expect(next).toMatchObject({ channel: 'sms', mode: 'automatic', sender_id: sender_ids[1] });
    await asIfSent(id);
    expect(await enrollmentRow(world, id)).toMatchObject({ status: 'completed' });
  });

  it('[CON-4] a step of people comes next as one of people', async () => {
    const { id, contact } = await person([email(), { channel: 'task', body_text: 'Look' }, email()]);
    await leave(contact);
    const next = await touchRow(world, await live(id));
    expect(next).toMatchObject({
      channel: 'task',
      mode: 'human',
      sender_id: null,
      wake_at: expect.any(Date),
      step_no: 1,
    });
  });

  it('[CON-4] completes, and says why, when no step of another channel is left', async () => {
    const { id, contact } = await person([email(days(1)), email()]);
    await leave(contact);
    expect(await enrollmentRow(world, id)).toMatchObject({
      status: 'completed',
      status_reason: 'steps_skipped',
    });
    expect(await story(world, id)).toEqual(['0.1 skipped']);
    expect(await told(id)).toContain('completed steps_skipped');
    expect(await deliverNow(world)).toBe(0);
  });

  it('[CON-4] ends it as unsubscribed by default, and when the sequence says so', async () => {
    const plain = await world.sequence({ sender_ids, steps: [email(days(1)), sms()] });
    const { id, contact } = await person([email(days(1)), sms()], 'end');
    const [other] = await world.enroll(plain, [contact]);
    const passing = await world.sequence({
      sender_ids,
      steps: [email(days(1)), sms()],
      on_unsubscribe: 'skip_steps',
    });
    const [skipping] = await world.enroll(passing, [contact]);
    const receipt = await leave(contact);
    expect(receipt.not_started).toBe(3);
    for (const one of [id, other!])
      expect(await enrollmentRow(world, one)).toMatchObject({
        status: 'unsubscribed',
        status_reason: 'unsubscribe_page',
        skip_channels: null,
      });
    expect(await enrollmentRow(world, skipping!)).toMatchObject({ status: 'active', step_no: 1 });
  });

  it.each([
    ['complained', {}, 'unsubscribed', 'unsubscribe_complaint', 'complaint'],
    ['bounced', { permanence: 'hard' }, 'bounced', 'hard_bounce', 'hard_bounce'],
  ] as const)(
    '[CON-4] [INB-4] %s, told by a provider, ends it all the same',
    async (name, properties, status, status_reason, reason) => {
      const { id, contact, sequence } = await person([email(), email(), sms(), email()]);
      const first = await fly(id);
      await answered(world, first, ACCEPTED);
      await happened(world, { name, touch_id: first.touch.id, properties });
      expect(await enrollmentRow(world, id)).toMatchObject({ status, status_reason, skip_channels: null });
      expect(await story(world, id)).toEqual(['0.1 sent', '1.1 cancelled']);
      const suppressed = await world.owner.call(
        sql`SELECT reason FROM suppressions WHERE contact_id = ${contact}::uuid`,
      );
      expect(suppressed).toEqual([{ reason }]);
      expect(await expectSound(world, sequence)).toEqual([]);
    },
  );

  it('[CON-4] [INB-4] a complaint ends what an opt-out has let go on, and what is enrolled while it is carried out', async () => {
    const gone = await person([email(days(1)), sms(), email()]);
    await leave(gone.contact);
    expect(await enrollmentRow(world, gone.id)).toMatchObject({ status: 'active', step_no: 1 });
    await happened(world, { name: 'complained', contact_id: gone.contact });
    expect(await enrollmentRow(world, gone.id)).toMatchObject({ status: 'unsubscribed' });

    const { contact } = await person([email(days(1)), sms()]);
    const other = await world.sequence({ sender_ids, steps: [email(), sms()], on_unsubscribe: 'skip_steps' });
    let beside: Uuid;
    await unsubscribe(
      world.db,
      world.ctx,
      { contact_id: contact, channel: 'email', source: 'complaint' },
      {
        failpoint: async (at) => {
          if (at === 'after_flag') beside = await enrolledAnyway(other, contact);
        },
      },
    );
    expect(await enrollmentRow(world, beside!)).toMatchObject({ status: 'unsubscribed' });
    expect(await deliverNow(world)).toBe(0);
  });

  it('[CON-4] leaves an enrollment alone that waits for another channel, and skips when its turn comes', async () => {
    const { id, contact } = await person([sms(days(0)), email(), sms(days(3))]);
    const waiting = await live(id);
    expect(await leave(contact)).toMatchObject({ not_started: 0 });
    expect(await live(id)).toBe(waiting);
    const flight = await asIfSent(id);
    expect(await story(world, id)).toEqual(['0.1 sent', '2.1 planned']);
    const next = await touchRow(world, await live(id));
    expect(next.not_before.getTime()).toBe(Math.floor(flight) + 3 * DAY);
    await asIfSent(id);
    expect(await enrollmentRow(world, id)).toMatchObject({ status: 'completed', status_reason: 'last_step' });
  });

  it('[CON-4] [EXE-3] lists a message in flight; its outcome leads past the steps of the channel', async () => {
    const { id, contact } = await person([email(), email(), sms()]);
    const flight = await fly(id);
    expect(await leave(contact)).toMatchObject({ not_started: 0, in_flight: [{ touch: flight.touch.id }] });
    expect(await answered(world, flight, ACCEPTED)).toBe('settled');
    expect(await story(world, id)).toEqual(['0.1 sent', '2.1 planned']);

    const last = await person([sms(days(0)), email(), email()]);
    await asIfSent(last.id);
    const second = await fly(last.id, false);
    expect(await leave(last.contact)).toMatchObject({ not_started: 0, in_flight_count: 1 });
    await answered(world, second, ACCEPTED);
    expect(await enrollmentRow(world, last.id)).toMatchObject({
      status: 'completed',
      status_reason: 'last_step',
    });
  });

  it('[CON-4] [EXE-10] what was in flight and is refused for now is passed over at the gate', async () => {
    const { id, contact, sequence } = await person([email(), sms()]);
    const flight = await fly(id);
    await leave(contact);
    await answered(world, flight, GREYLISTED);
    expect(await story(world, id)).toEqual(['0.1 planned']);
    await world.owner.call(
      sql`UPDATE touches SET wake_at = now(), not_before = now() WHERE id = ${flight.touch.id}::uuid`,
    );
    await deliverNow(world);
    expect(world.provider.calls).toEqual([]);
    expect(await story(world, id)).toEqual(['0.1 skipped', '1.1 planned']);
    expect(await touchRow(world, flight.touch.id)).toMatchObject({ state: 'skipped', reason: 'suppressed' });
    expect(await expectSound(world, sequence)).toEqual([]);
  });

  it('[CON-4] a paused enrollment stays paused, and resumes with the next step of another channel', async () => {
    const { id, contact } = await person([email(days(1)), email(), sms()]);
    await act(world.db, world.versions, world.ctx, id, 'pause');
    await leave(contact);
    expect(await enrollmentRow(world, id)).toMatchObject({ status: 'paused', skip_channels: ['email'] });
    await act(world.db, world.versions, world.ctx, id, 'resume');
    expect(await story(world, id)).toEqual(['0.1 cancelled', '2.1 planned']);

    const alone = await person([email(days(1))]);
    await act(world.db, world.versions, world.ctx, alone.id, 'pause');
    await leave(alone.contact);
    await act(world.db, world.versions, world.ctx, alone.id, 'resume');
    expect(await enrollmentRow(world, alone.id)).toMatchObject({ status: 'completed' });
  });

  it('[CON-4] [SEQ-1] moved to another version it goes on passing the channel over', async () => {
    const text = { ...sms(), id: newId() };
    const { id, contact, sequence } = await person([email(days(1)), text]);
    await leave(contact);
    await publishVersion(world.db, world.org, sequence, world.sender, {
      sender_ids,
      steps: [text, email(), sms(days(1))],
      on_unsubscribe: 'skip_steps',
    });
    await moveEnrollments(world.db, world.versions, world.ctx, {
      sequence_id: sequence,
      enrollment_ids: [id],
    });
    await asIfSent(id);
    expect((await touchRow(world, await live(id))).step_no).toBe(2);
    await act(world.db, world.versions, world.ctx, id, 'pause');
    await world.owner.call(sql`DELETE FROM suppressions WHERE contact_id = ${contact}::uuid`);
    await world.owner.call(sql`DELETE FROM consents WHERE contact_id = ${contact}::uuid`);
    await act(world.db, world.versions, world.ctx, id, 'restart');
    expect(await enrollmentRow(world, id)).toMatchObject({
      status: 'active',
      step_no: 0,
      skip_channels: null,
    });
  });

  it('[CON-4] pressed again it changes nothing', async () => {
    const { id, contact } = await person([email(days(1)), sms()]);
    await leave(contact);
    const before = [await enrollmentRow(world, id), await ledgers(contact), await told(id)];
    expect(await leave(contact)).toMatchObject({ not_started: 0 });
    expect([await enrollmentRow(world, id), await ledgers(contact), await told(id)]).toEqual(before);
  });
});

describe('an unsubscribe that skips steps, with somebody in between', () => {
  it('[CON-4] [EXE-2] a gate that was first sends, is listed, and leads past the channel', async () => {
    const { id, contact } = await person([email(), email(), sms()]);
    const touch = await live(id);
    const row = await holder(world, 'SELECT FROM enrollments WHERE id = $1 FOR UPDATE', [id]);
    const leaving = unsubscribe(connection(world, 'leave'), world.ctx, {
      contact_id: contact,
      channel: 'email',
      source: 'page',
    });
    await untilWaiting(world, 'leave');
    const flight = await letGo(world, touch, { soon: true });
    expect(flight.verdict).toBe('go');
    await row.rollback();
    expect(await leaving).toMatchObject({ not_started: 0, in_flight: [{ touch }] });
    expect(await enrollmentRow(world, id)).toMatchObject({ skip_channels: ['email'], status: 'active' });
    await answered(world, flight, AMBIGUOUS);
    expect(await story(world, id)).toEqual(['0.1 unknown']);
  });

  it('[CON-4] [EXE-1] a pause that was first leaves a paused enrollment that passes the channel over', async () => {
    const { id, contact } = await person([email(days(1)), sms()]);
    const row = await holder(world, 'SELECT FROM enrollments WHERE id = $1 FOR UPDATE', [id]);
    const leaving = unsubscribe(connection(world, 'leave'), world.ctx, {
      contact_id: contact,
      channel: 'email',
      source: 'page',
    });
    await untilWaiting(world, 'leave');
    await row.query("UPDATE enrollments SET status = 'paused', epoch = epoch + 1 WHERE id = $1", [id]);
    await row.commit();
    await leaving;
    expect(await enrollmentRow(world, id)).toMatchObject({
      status: 'paused',
      skip_channels: ['email'],
      step_no: 0,
    });
    expect(await ledgers(contact)).toEqual({ suppressed: 1, revoked: 1 });
  });

  it('[CON-4] who is enrolled beside it is passed over at the gate, never sent', async () => {
    const { contact } = await person([email(), sms()]);
    await leave(contact);
    const other = await world.sequence({
      sender_ids,
      steps: [email(), email(), sms()],
      on_unsubscribe: 'skip_steps',
    });
    const late = await enrolledAnyway(other, contact);
    expect(await passGate(world, [await live(late)])).toEqual(['suppressed']);
    await deliverNow(world);
    expect(world.provider.calls).toEqual([]);
    expect(await story(world, late)).toEqual(['0.1 skipped', '2.1 planned']);
    expect(await expectSound(world, other)).toEqual([]);
  });

  it.each([
    ['hard_bounce', 'address_bounced', 'bounced'],
    ['complaint', 'address_complained', 'unsubscribed'],
  ] as const)(
    '[CON-4] [CON-6] an address suppressed for a %s is no opt-out: the gate ends it',
    async (why, reason, status) => {
      const { id, contact, sequence } = await person([email(), sms()]);
      const other = await person([email(), sms()]);
      const suppress = (whom: Uuid, because: string) =>
        world.owner.call(sql`
        INSERT INTO suppressions (org_id, kind, address, reason, source)
        SELECT c.org_id, 'email', c.email, ${because}, 'test' FROM contacts c WHERE c.id = ${whom}::uuid`);
      await suppress(contact, why);
      await suppress(other.contact, 'manual');
      await deliverNow(world);
      expect(world.provider.calls).toEqual([]);
      expect(await story(world, id)).toEqual(['0.1 skipped']);
      expect(await enrollmentRow(world, id)).toMatchObject({ status, status_reason: reason });
      expect(await story(world, other.id)).toEqual(['0.1 skipped', '1.1 planned']);
      expect(await expectSound(world, sequence)).toEqual([]);
    },
  );

  it('[CON-4] one that keeps changing never keeps the contact subscribed', async () => {
    const { id, contact } = await person([email(days(1)), sms()]);
    const seen = await readSkips(world.db, world.org, contact, 'email');
    const strange = seen.map((skip) => ({ ...skip, touch: newId() }));
    const flag = (strict: boolean) =>
      world.db.call(sql`
        SELECT * FROM unsubscribe_flag(${world.org}::uuid, ${contact}::uuid, 'email', 'page', NULL, NULL, ${newId()}::uuid, 'system', 'test',
          ${JSON.stringify({ id: newId(), actor_type: 'system', actor_id: 'test', actor_name: 'test', action: 'x', subject_type: 'contact', subject_id: contact })}::jsonb,
          NULL, ${JSON.stringify(strange)}::jsonb, ${strict})`);
    await expect(flag(true)).rejects.toMatchObject({ code: '40001' });
    expect(await ledgers(contact)).toEqual({ suppressed: 0, revoked: 0 });
    expect(await enrollmentRow(world, id)).toMatchObject({ skip_channels: null });
    await flag(false);
    expect(await ledgers(contact)).toEqual({ suppressed: 1, revoked: 1 });
    expect(await story(world, id)).toEqual(['0.1 planned']);
    await world.owner.call(
      sql`UPDATE touches SET wake_at = now(), not_before = now() WHERE source_id = ${id}::uuid`,
    );
    await deliverNow(world);
    expect(await story(world, id)).toEqual(['0.1 skipped', '1.1 planned']);
    expect(world.provider.calls).toEqual([]);
  });
});

/** The step it waits for went out, through whatever channel: let go by hand, and settled. Returns when, Unix milliseconds. */
async function asIfSent(id: Uuid): Promise<number> {
  // What is suppressed is the e-mail address, which is not the one this step writes to.
  await world.owner.call(sql`DELETE FROM suppressions WHERE org_id = ${world.org}::uuid`);
  await world.owner.call(sql`UPDATE touches SET not_before = now() WHERE source_id = ${id}::uuid AND live`);
  const flight = await fly(id, false);
  expect(await answered(world, flight, ACCEPTED)).toBe('settled');
  return flight.planning.now;
}

/** Enrolled by somebody who did not see the opt-out. */
async function enrolledAnyway(sequence: Uuid, contact: Uuid): Promise<Uuid> {
  const kept = await world.owner.call(
    sql`DELETE FROM suppressions WHERE contact_id = ${contact}::uuid RETURNING *`,
  );
  const consents = await world.owner.call(
    sql`DELETE FROM consents WHERE contact_id = ${contact}::uuid RETURNING *`,
  );
  const [id] = await world.enroll(sequence, [contact]);
  await world.owner.call(
    sql`INSERT INTO suppressions SELECT * FROM json_populate_recordset(NULL::suppressions, ${JSON.stringify(kept)}::json)`,
  );
  await world.owner.call(
    sql`INSERT INTO consents SELECT * FROM json_populate_recordset(NULL::consents, ${JSON.stringify(consents)}::json)`,
  );
  return id!;
}
