/** Nobody is written to at night, wherever they are, whatever the clock or the rules do [CON-7, SEQ-16, I10]. */
import { beforeEach, describe, expect, it } from 'vitest';
import { updateContact } from '../../src/contacts/save-contact.ts';
import { sql } from '../../src/db/sql.ts';
import { deliver } from '../../src/dispatch/deliver.ts';
import type { Engine, Failpoint } from '../../src/dispatch/engine.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { explainTouch } from '../../src/ledger/explain.ts';
import { runEnrollmentJob } from '../../src/plan/sequences/bulk-enroll.ts';
import { enrollContacts } from '../../src/plan/sequences/enroll.ts';
import { createEnrollmentJob } from '../../src/plan/sequences/enrollment-jobs.ts';
import { act } from '../../src/plan/sequences/enrollments.ts';
import { replaceHolidays } from '../../src/senders/holidays.ts';
import { updateSettings } from '../../src/tenancy/organizations.ts';
import type { EngineWorld } from '../support/engine.ts';
import { enrollmentRow, touchRow } from '../support/touches.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
beforeEach(async () => {
  world = worldOf();
  await updateSettings(world.db, world.ctx, { time_zone: 'Europe/Berlin', quiet_hours: NIGHT });
});

const NIGHT = { from: '21:00', to: '08:00', channels: ['email'] };
const HOUR = 3_600_000;
const email = (delay = 0, unit = 'days') => ({
  channel: 'email',
  subject: 'Hi',
  body_text: 'Text',
  delay: { amount: delay, unit },
});

interface Someone {
  time_zone?: string;
  phone?: string;
}

async function person({ time_zone, phone }: Someone): Promise<Uuid> {
  const [id] = await world.contacts(1);
  await world.owner.call(sql`
    UPDATE contacts SET time_zone = ${time_zone ?? null}, phone = ${phone ?? null} WHERE id = ${id}::uuid`);
  return id!;
}

/** A clock that only the test moves, an engine that lives by it, and what it sent when. */
function clockwork(start: string, failpoint?: (name: Failpoint) => Promise<void> | void) {
  const clock = { now: Date.parse(start) };
  const sent: { contact: Uuid; at: number }[] = [];
  const engine: Engine = {
    ...world.newEngine(failpoint ? { failpoint } : {}),
    now: () => new Date(clock.now),
  };
  const contactOf = new Map<string, Uuid>();
  world.provider.answer = (request) => {
    sent.push({ contact: contactOf.get(request.touch_id)!, at: clock.now });
    return { kind: 'accepted' };
  };
  const lane = { org: world.org, shard: 0, token: newId(), careful: false, suspect: null };
  return {
    clock,
    sent,
    async enroll(sequence: Uuid, contacts: readonly Uuid[]): Promise<Uuid[]> {
      const results = await enrollContacts(world.db, world.versions, world.ctx, {
        sequence_id: sequence,
        contact_ids: contacts,
        now: new Date(clock.now),
      });
      return results.map((result) => {
        if (result.result !== 'enrolled') throw new Error(JSON.stringify(result));
        return result.enrollment_id;
      });
    },
    async work(): Promise<void> {
      for (const row of await world.owner.call(
        sql`SELECT id, contact_id FROM touches WHERE org_id = ${world.org}::uuid`,
      ))
        contactOf.set(row.id, row.contact_id);
      await deliver(engine, lane, { stop: () => false, settled: () => undefined });
    },
    async nextDue(): Promise<number | null> {
      const [row] = await world.owner.call<{ at: Date | null }>(
        sql`SELECT min(wake_at) AS at FROM touches WHERE org_id = ${world.org}::uuid`,
      );
      return row?.at?.getTime() ?? null;
    },
  };
}

/** The hour on the wall, by the platform's own formatter. */
function wallHour(at: number, zone: string): number {
  const text = new Intl.DateTimeFormat('en-US', { timeZone: zone, hour: '2-digit', hourCycle: 'h23' }).format(
    at,
  );
  return Number(text);
}

function wallDate(at: number, zone: string): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone: zone }).format(at);
}

async function liveTouch(enrollment: Uuid) {
  return touchRow(world, (await enrollmentRow(world, enrollment)).live_touch);
}

describe('[CON-7] [SEQ-16] contacts in several zones, over both changes of the clock', () => {
  const EVERYWHERE = ['America/St_Johns', 'America/New_York', 'America/Los_Angeles', 'Pacific/Honolulu'];
  // Each with the zones in which it must be day when a message comes.
  const people: [Someone, string[]][] = [
    [{ time_zone: 'America/New_York' }, ['America/New_York']],
    [{ time_zone: 'Asia/Kolkata' }, ['Asia/Kolkata']],
    [{ time_zone: 'Australia/Lord_Howe' }, ['Australia/Lord_Howe']],
    [{ time_zone: 'Pacific/Kiritimati', phone: '+12125550123' }, ['Pacific/Kiritimati']],
    [{ phone: '+12125550123' }, ['America/New_York']],
    [{ phone: '+18505550123' }, ['America/New_York', 'America/Chicago']],
    [{ phone: '+18005550123' }, EVERYWHERE],
    [{ phone: '+61412345678' }, ['Australia/Perth', 'Australia/Sydney']],
    [{ phone: '+79161234567' }, ['Europe/Kaliningrad', 'Asia/Kamchatka']],
    [{}, ['Europe/Berlin']],
  ];

  // Europe's clocks change on 2026-10-25, America's on 2026-11-01; and in March on the 14th and 28th.
  it.each([
    ['2026-10-24T15:00:00Z', 1],
    ['2026-10-31T03:10:00Z', 2],
    ['2027-03-13T20:00:00Z', 3],
    ['2027-03-27T11:00:00Z', 4],
  ])('[I10] from %s: nothing goes out at night, and everything goes out', async (start, seed) => {
    const steps = [email(), email(1), email(9, 'hours'), email(2, 'business_days')];
    const sequence = await world.sequence({ steps });
    const ids = await Promise.all(people.map(([someone]) => person(someone)));
    const zonesOf = new Map(ids.map((id, i) => [id, people[i]![1]]));
    const run = clockwork(start);
    await run.enroll(sequence, ids);
    let random = seed;
    for (let round = 0; round < 400; round++) {
      const due = await run.nextDue();
      if (due === null) break;
      // Workers are late, too: by minutes, or a night.
      random = (random * 48_271) % 2_147_483_647;
      const late = random % 3 === 0 ? (random % 30) * HOUR : random % 600_000;
      run.clock.now = Math.max(run.clock.now, due) + late;
      await run.work();
    }
    expect(run.sent).toHaveLength(ids.length * steps.length);
    for (const { contact, at } of run.sent) {
      for (const zone of zonesOf.get(contact)!) {
        const hour = wallHour(at, zone);
        expect([new Date(at).toISOString(), zone, hour >= 8 && hour < 21]).toEqual([
          new Date(at).toISOString(),
          zone,
          true,
        ]);
      }
    }
  });

  it('[CON-7] nothing goes out on a holiday of the organization or of the recipient’s country', async () => {
    const holidays = (...dates: string[]) => dates.map((date) => ({ date, name: 'Holiday' }));
    await replaceHolidays(world.db, world.ctx, null, holidays('2026-12-24'));
    await replaceHolidays(world.db, world.ctx, 'US', holidays('2026-12-25'));
    await replaceHolidays(world.db, world.ctx, 'IN', holidays('2026-12-26', '2026-12-28'));
    // The organization's own holiday is a day in the zone of the sequence.
    const steps = [email(), email(1, 'business_days')];
    const sequence = await world.sequence({ steps, time_zone: 'America/New_York' });
    const american = await person({ phone: '+12125550123' });
    const indian = await person({ time_zone: 'Asia/Kolkata' });
    const german = await person({});
    const run = clockwork('2026-12-24T10:00:00Z');
    await run.enroll(sequence, [american, indian, german]);
    for (let due = await run.nextDue(); due !== null; due = await run.nextDue()) {
      run.clock.now = due;
      await run.work();
    }
    const dates = (contact: Uuid, zone: string) =>
      run.sent.filter((one) => one.contact === contact).map(({ at }) => wallDate(at, zone));
    expect(dates(american, 'America/New_York')).toEqual(['2026-12-26', '2026-12-28']);
    expect(dates(indian, 'Asia/Kolkata')).toEqual(['2026-12-25', '2026-12-29']);
    expect(dates(german, 'Europe/Berlin')).toEqual(['2026-12-25', '2026-12-28']);
  });
});

describe('[I10] what was planned under other rules is looked at again', () => {
  const ONE = { steps: [email()] };
  const NEW_YORK = { time_zone: 'America/New_York' };

  /** Enrolled at noon in New York: due at once. */
  async function dueAtNoon(failpoint?: (name: Failpoint) => Promise<void> | void) {
    const contact = await person(NEW_YORK);
    const run = clockwork('2026-11-20T17:00:00Z', failpoint);
    const [enrollment] = await run.enroll(await world.sequence(ONE), [contact]);
    expect((await liveTouch(enrollment!)).not_before.getTime()).toBe(run.clock.now);
    return { run, contact, touch: async () => liveTouch(enrollment!) };
  }

  it('[CON-7] the contact has moved to where it is night', async () => {
    const { run, contact, touch } = await dueAtNoon();
    await updateContact(world.db, world.ctx, contact, { time_zone: 'Asia/Tokyo' });
    await run.work();
    expect(run.sent).toEqual([]);
    expect(await touch()).toMatchObject({ state: 'planned', reason: 'quiet_hours' });
    expect((await touch()).not_before.toISOString()).toBe('2026-11-20T23:00:00.000Z');
    run.clock.now = (await run.nextDue())!;
    await run.work();
    expect(run.sent).toHaveLength(1);
  });

  it('[CON-7] quiet hours, holidays or windows have changed', async () => {
    const { run, touch } = await dueAtNoon();
    await updateSettings(world.db, world.ctx, { quiet_hours: { ...NIGHT, from: '11:00', to: '13:00' } });
    await run.work();
    expect(await touch()).toMatchObject({ state: 'planned', reason: 'quiet_hours' });
    expect((await touch()).not_before.toISOString()).toBe('2026-11-20T18:00:00.000Z');
    await replaceHolidays(world.db, world.ctx, 'US', [{ date: '2026-11-20', name: 'Today' }]);
    run.clock.now = (await run.nextDue())!;
    await run.work();
    expect(await touch()).toMatchObject({ state: 'planned', reason: 'holiday' });
    expect((await touch()).not_before.toISOString()).toBe('2026-11-21T05:00:00.000Z');
    await world.owner.call(sql`
      UPDATE senders SET version = version + 1, sending_window = ${JSON.stringify({ days: ['mon'], from: '09:00', to: '17:00' })}::jsonb
       WHERE id = ${world.sender}::uuid`);
    run.clock.now = (await run.nextDue())!;
    await run.work();
    expect(await touch()).toMatchObject({ state: 'planned', reason: 'window_closed' });
    expect((await touch()).not_before.toISOString()).toBe('2026-11-23T08:00:00.000Z');
    expect(run.sent).toEqual([]);
  });

  it('[CON-7] between that look and the gate, too', async () => {
    let change: () => Promise<unknown> = async () => undefined;
    const { run, contact, touch } = await dueAtNoon(async (name) => {
      if (name !== 'before_gate') return;
      await change();
      change = async () => undefined;
    });
    change = () => updateContact(world.db, world.ctx, contact, { time_zone: 'Asia/Tokyo' });
    await run.work();
    expect(run.sent).toEqual([]);
    expect(await touch()).toMatchObject({ state: 'planned', reason: 'quiet_hours' });
  });

  it.each([['when it was planned'], ['only since']])(
    '[I10] a worker that is late for quiet hours known %s sends nothing',
    async (since) => {
      let tick = () => {};
      const planned = since === 'when it was planned' ? NIGHT : null;
      await updateSettings(world.db, world.ctx, { quiet_hours: planned });
      const { run, touch } = await dueAtNoon((name) => {
        if (name === 'before_gate') tick();
      });
      await updateSettings(world.db, world.ctx, { quiet_hours: NIGHT });
      run.clock.now = Date.parse('2026-11-21T01:59:50Z');
      tick = () => {
        run.clock.now = Date.parse('2026-11-21T01:59:59Z');
      };
      await run.work();
      expect(run.sent).toEqual([]);
      expect((await touch()).not_before.toISOString()).toBe('2026-11-21T13:00:00.000Z');
      expect((await touch()).not_after.toISOString()).toBe('2026-11-22T02:00:00.000Z');
    },
  );

  it('[I10] a zone that does not exist blocks and says so', async () => {
    const { run, contact, touch } = await dueAtNoon();
    const setZone = () =>
      world.owner.call(
        sql`UPDATE contacts SET time_zone = 'Mars/Olympus', version = version + 1 WHERE id = ${contact}::uuid`,
      );
    await setZone();
    const before = await touch();
    await run.work();
    expect(run.sent).toEqual([]);
    expect(await touchRow(world, before.id)).toMatchObject({
      state: 'skipped',
      reason: 'bad_schedule',
      detail: 'There is no time zone "Mars/Olympus"',
    });
    const results = await enrollContacts(world.db, world.versions, world.ctx, {
      sequence_id: await world.sequence(ONE),
      contact_ids: [contact],
    });
    expect(results).toMatchObject([{ result: 'refused', reason: 'bad_schedule' }]);
  });

  it('[SEQ-16] a time does not move because it is looked at, or because something else changes', async () => {
    const contact = await person(NEW_YORK);
    const run = clockwork('2026-11-20T03:00:00Z');
    const [enrollment] = await run.enroll(await world.sequence(ONE), [contact]);
    const before = await liveTouch(enrollment!);
    expect(before.not_before.toISOString()).toBe('2026-11-20T13:00:00.000Z');
    const told = await explainTouch(world.db, world.org, before.id);
    expect(told.recipient).toMatchObject({
      time_zones: ['America/New_York'],
      known_by: 'time_zone',
      quiet_hours: [{ from: '21:00', to: '08:00', source: 'organization' }],
    });
    await run.work();
    await updateContact(world.db, world.ctx, contact, { first_name: 'Ada' });
    run.clock.now += HOUR;
    await run.work();
    expect(await liveTouch(enrollment!)).toEqual(before);
  });
});

describe('[CON-7] every planner asks where the recipient is', () => {
  const hhmm = (ms: number) => new Date(ms).toISOString().slice(11, 16);
  const TOKYO = { time_zone: 'Asia/Tokyo' };
  const STEPS = { steps: [email(), email(1, 'minutes')] };

  /** It is night in Tokyo now, and day where the organization is. */
  async function nightInTokyo(): Promise<number> {
    const there = Date.now() + 9 * HOUR;
    const quiet_hours = { from: hhmm(there - HOUR), to: hhmm(there + HOUR), channels: ['email'] };
    await updateSettings(world.db, world.ctx, { quiet_hours });
    return Math.floor((Date.now() + HOUR) / 60_000) * 60_000;
  }

  async function enrolledByDay(): Promise<Uuid> {
    await updateSettings(world.db, world.ctx, { quiet_hours: null });
    const [enrollment] = await world.enroll(await world.sequence(STEPS), [await person(TOKYO)]);
    return enrollment!;
  }

  const planned = async (enrollment: Uuid) => (await liveTouch(enrollment)).not_before.getTime();

  it.each(['resume', 'advance', 'restart'] as const)('%s', async (action) => {
    const enrollment = await enrolledByDay();
    if (action === 'resume') await act(world.db, world.versions, world.ctx, enrollment, 'pause');
    const morning = await nightInTokyo();
    await act(world.db, world.versions, world.ctx, enrollment, action);
    expect(await planned(enrollment)).toBe(morning);
  });

  it.each([
    ['the step after one that was sent', { kind: 'accepted' } as const],
    ['a retry', { kind: 'refused', permanence: 'transient', reason: 'greylisted' } as const],
  ])('%s', async (_, answer) => {
    await updateSettings(world.db, world.ctx, { quiet_hours: NIGHT });
    // The last quarter of a minute of the day in Tokyo.
    const run = clockwork('2026-11-20T11:59:45Z');
    const [enrollment] = await run.enroll(await world.sequence(STEPS), [await person(TOKYO)]);
    world.provider.answer = () => answer;
    await run.work();
    expect(world.provider.calls).toHaveLength(1);
    run.clock.now += HOUR;
    await run.work();
    const touch = await liveTouch(enrollment!);
    expect(touch.state).toBe('planned');
    expect(touch.wake_at.toISOString()).toBe('2026-11-20T23:00:00.000Z');
    expect(touch.not_after.toISOString()).toBe('2026-11-21T12:00:00.000Z');
    expect(world.provider.calls).toHaveLength(1);
  });

  it('enrolling many at once, directly and as a job', async () => {
    const morning = await nightInTokyo();
    const people = await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        person(i % 3 === 0 ? TOKYO : { phone: i % 3 === 1 ? '+4930901820' : '+12125550123' }),
      ),
    );
    const expectTimes = async (sequence: Uuid) => {
      const rows = await world.owner.call<{ contact_id: Uuid; not_before: Date; sender_id: Uuid }>(sql`
        SELECT contact_id, not_before, sender_id FROM touches WHERE org_id = ${world.org}::uuid AND sequence_id = ${sequence}::uuid`);
      expect(rows).toHaveLength(people.length);
      for (const { contact_id, not_before, sender_id } of rows) {
        expect(sender_id).toBe(world.sender);
        const isTokyo = people.indexOf(contact_id) % 3 === 0;
        if (isTokyo) expect(not_before.getTime()).toBe(morning);
        else expect(not_before.getTime()).toBeLessThanOrEqual(Date.now());
      }
    };
    const direct = await world.sequence(STEPS);
    await world.enroll(direct, people);
    await expectTimes(direct);
    const bulk = await world.sequence(STEPS);
    const job = await createEnrollmentJob(world.db, world.versions, world.ctx, {
      sequence_id: bulk,
      contact_ids: people,
      chunk: 7,
    });
    await runEnrollmentJob({ db: world.db, versions: world.versions }, world.org, job.job_id, {
      worker: 'test:1',
      logger: { warn() {} },
    });
    await expectTimes(bulk);
  });

  it('a day that is full: each on the sender’s next day, when it is day where it is', async () => {
    await updateSettings(world.db, world.ctx, { quiet_hours: NIGHT });
    await world.owner.call(
      sql`UPDATE senders SET daily_limit = 2, version = version + 1 WHERE id = ${world.sender}::uuid`,
    );
    const people = await Promise.all(
      Array.from({ length: 8 }, (_, i) => person(i % 2 === 0 ? TOKYO : { phone: '+12125550123' })),
    );
    // 22:30 in Tokyo is night; 08:30 in New York is day, and 14:30 in Berlin.
    const run = clockwork('2026-11-20T13:30:00Z');
    await run.enroll(await world.sequence({ steps: [email()] }), people);
    for (let due = await run.nextDue(); due !== null; due = await run.nextDue()) {
      run.clock.now = Math.max(run.clock.now, due);
      await run.work();
    }
    expect(run.sent).toHaveLength(8);
    const byDay = new Map<string, number>();
    for (const { contact, at } of run.sent) {
      const hour = wallHour(at, people.indexOf(contact) % 2 === 0 ? 'Asia/Tokyo' : 'America/New_York');
      expect(hour >= 8 && hour < 21).toBe(true);
      const day = wallDate(at, 'Europe/Berlin');
      byDay.set(day, (byDay.get(day) ?? 0) + 1);
    }
    expect([...byDay.values()]).toEqual([2, 2, 2, 2]);
  });
});
