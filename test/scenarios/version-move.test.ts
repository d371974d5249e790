/** Live enrollments moved to another version: by the identity of their step, whatever they wait for. */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { resolveTouch } from '../../src/dispatch/resolve.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { explainTouch } from '../../src/ledger/explain.ts';
import { act, getEnrollment } from '../../src/plan/sequences/enrollments.ts';
import { Rotation } from '../../src/plan/sequences/rotation.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { ACCEPTED, AMBIGUOUS, answered, GREYLISTED, letGo, REFUSED } from '../support/flight.ts';
import { enrollmentRow, touchRow } from '../support/touches.ts';
import { expectSound, Lettered } from '../support/version-move.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
let steps: Lettered;
beforeEach(() => {
  world = worldOf();
  steps = new Lettered(world);
});

const DAY = 86_400_000;
const days = (amount: number) => ({ delay: { amount, unit: 'days' } });
const live = async (id: Uuid) => (await getEnrollment(world.db, world.org, id)).live_touch;
const doing = (id: Uuid, action: 'pause' | 'resume' | 'advance' | 'restart' | 'unenroll') =>
  act(world.db, world.versions, world.ctx, id, action);

/** One enrollment of a sequence, moved along by sending `sent` of its steps. */
async function enrolledAt(
  letters: string,
  sent = 0,
  more: Record<string, Record<string, unknown>> = {},
): Promise<Uuid> {
  await steps.start(letters, more);
  const [id] = await steps.enroll();
  for (let i = 0; i < sent; i++)
    await answered(world, await letGo(world, await live(id!), { soon: true }), ACCEPTED);
  return id!;
}

describe('a planned message', () => {
  it('[SEQ-1] of a step that stays is planned again under the new version, at the same time', async () => {
    const id = await enrolledAt('AB', 0, { A: days(3) });
    const before = await touchRow(world, await live(id));
    await steps.publish('AB', { A: { ...days(3), body_text: 'Other words' } });
    expect(await steps.move([id])).toEqual([{ enrollment_id: id, result: 'moved', reason: null }]);
    expect(await steps.story(id)).toEqual(['A1 v1 cancelled', 'A2 v2 planned']);
    const after = await touchRow(world, await live(id));
    expect(after.not_before).toEqual(before.not_before);
    expect(await touchRow(world, before.id)).toMatchObject({ reason: 'moved' });
    expect(await steps.place(id)).toBe('active v2 A@0');
  });

  it('[SEQ-1] of a step that waits longer counts from when it was planned, and never into the past', async () => {
    const id = await enrolledAt('AB', 1, { B: days(3) });
    const before = await touchRow(world, await live(id));
    await steps.publish('AB', { B: days(5) });
    await steps.move([id]);
    const longer = await touchRow(world, await live(id));
    expect(longer.not_before.getTime()).toBe(before.created_at.getTime() + 5 * DAY);
    await steps.publish('AB', { B: days(9) });
    await steps.move([id]);
    const longest = await touchRow(world, await live(id));
    expect(longest.not_before.getTime()).toBe(before.created_at.getTime() + 9 * DAY);
    await world.owner.call(
      sql`UPDATE touches SET created_at = created_at - interval '4 days' WHERE source_id = ${id}::uuid`,
    );
    await steps.publish('AB', { B: days(2) });
    const since = Date.now() - 60_000;
    await steps.move([id]);
    const due = await touchRow(world, await live(id));
    expect(due.not_before.getTime()).toBeGreaterThan(since);
    expect(due.not_before.getTime()).toBeLessThan(Date.now() + 60_000);
    expect(await steps.story(id)).toEqual([
      'A1 v1 sent',
      'B1 v1 cancelled',
      'B2 v2 cancelled',
      'B3 v3 cancelled',
      'B4 v4 planned',
    ]);
  });

  it('[SEQ-1] of a step that is gone gives way to the next that is left, in the order it is left in', async () => {
    const id = await enrolledAt('ABCD', 1);
    await steps.publish('ADC');
    await steps.move([id]);
    expect(await steps.story(id)).toEqual(['A1 v1 sent', 'B1 v1 cancelled', 'C1 v2 planned']);
    expect(await steps.place(id)).toBe('active v2 C@2');
    await deliverNow(world);
    expect(await steps.sent(id)).toBe('C');
    expect(await enrollmentRow(world, id)).toMatchObject({ status: 'completed', status_reason: 'last_step' });
  });

  it('[SEQ-1] when no step is left, the enrollment completes and says why', async () => {
    const id = await enrolledAt('AB', 1);
    await steps.publish('A');
    expect(await steps.move([id])).toEqual([
      { enrollment_id: id, result: 'completed', reason: 'steps_removed' },
    ]);
    expect(await enrollmentRow(world, id)).toMatchObject({
      status: 'completed',
      status_reason: 'steps_removed',
    });
    expect(await steps.story(id)).toEqual(['A1 v1 sent', 'B1 v1 cancelled']);
    expect(await deliverNow(world)).toBe(0);
  });

  it('[SEQ-1] steps that were had are not had again, however the versions order them', async () => {
    const id = await enrolledAt('ABC', 1);
    await steps.publish('BCA');
    await steps.move([id]);
    expect(await steps.place(id)).toBe('active v2 B@0');
    await deliverNow(world);
    expect(await steps.sent(id)).toBe('BC');
    expect(await steps.place(id)).toBe('completed v2 C@1');
    expect(await expectSound(world, steps.sequence)).toEqual([]);
  });

  it('[SEQ-1] a step that was planned, taken out and put back further on is planned under a number of its own', async () => {
    const id = await enrolledAt('ABC', 1);
    await steps.publish('AC');
    await steps.move([id]);
    expect(await steps.place(id)).toBe('active v2 C@1');
    await steps.publish('ACB');
    await steps.move([id]);
    await deliverNow(world);
    expect(await steps.story(id)).toEqual([
      'A1 v1 sent',
      'B1 v1 cancelled',
      'C1 v2 cancelled',
      'C2 v3 sent',
      'B2 v3 sent',
    ]);
  });

  it('[SEQ-1] goes through a sender that the new version has', async () => {
    const id = await enrolledAt('A');
    const other = await world.another();
    const [sender] = await world.owner.call<{ id: Uuid }>(sql`
      INSERT INTO senders (org_id, id, channel, provider, name, from_address)
      VALUES (${world.org}::uuid, ${other.org}::uuid, 'email', 'test', 'New', 'new@example.com') RETURNING id`);
    await steps.publish('A', {}, { sender_ids: [sender!.id] });
    await steps.move([id]);
    expect(await touchRow(world, await live(id))).toMatchObject({ sender_id: sender!.id });
    await world.owner.call(sql`UPDATE senders SET status = 'archived' WHERE id = ${world.sender}::uuid`);
    expect(await steps.move([id], { to_version: 1 })).toEqual([
      { enrollment_id: id, result: 'refused', reason: 'no_sender' },
    ]);
    expect(await steps.place(id)).toBe('active v2 A@0');
  });

  it('[SEQ-1] goes on from who has written before, though the new version would choose another', async () => {
    const id = await enrolledAt('AB', 1, { B: days(1), C: days(1) });
    const { contact_id } = await enrollmentRow(world, id);
    // Where the rule of the new version does not look for this contact.
    const usual = { daily_limit: null, hourly_limit: null, ramp: null, status: 'active' };
    const chosenOf = (ids: Uuid[]) =>
      new Rotation(new Map([['email', ids]]), new Map(ids.map((one) => [one, usual]))).on(
        'email',
        contact_id,
      );
    let added = [newId(), newId()];
    while (chosenOf([world.sender, ...added]) === world.sender) added = [newId(), newId()];
    for (const sender of added)
      await world.owner.call(sql`
        INSERT INTO senders (org_id, id, channel, provider, name, from_address)
        VALUES (${world.org}::uuid, ${sender}::uuid, 'email', 'test', 'New', 'new@example.com')`);
    const sender_ids = [world.sender, ...added];
    await steps.publish('ABC', { B: days(2), C: days(1) }, { sender_ids });
    await steps.move([id]);
    expect((await enrollmentRow(world, id)).kept_senders).toEqual([world.sender]);
    expect(await touchRow(world, await live(id))).toMatchObject({ sender_id: world.sender });
    await answered(world, await letGo(world, await live(id)), ACCEPTED);
    expect(await touchRow(world, await live(id))).toMatchObject({ step_no: 2, sender_id: world.sender });
    await doing(id, 'pause');
    await doing(id, 'resume');
    expect(await touchRow(world, await live(id))).toMatchObject({ step_no: 2, sender_id: world.sender });
    // From the beginning it is the new version's own choice.
    await doing(id, 'restart');
    const [chosen] = [(await touchRow(world, await live(id))).sender_id];
    expect(added).toContain(chosen);
  });
});

describe('a message in flight', () => {
  it('[SEQ-1] finishes under its version, and what follows it is of the new one', async () => {
    const id = await enrolledAt('ABC');
    await steps.publish('AXC');
    world.provider.answer = async (request) => {
      if (world.provider.calls.length === 1)
        expect(await steps.move([id])).toEqual([
          { enrollment_id: id, result: 'moved', reason: 'touch_in_flight' },
        ]);
      expect(request.touch_id).toBe(await live(id));
      return { kind: 'accepted' };
    };
    await deliverNow(world);
    expect(await steps.story(id)).toEqual(['A1 v1 sent', 'X1 v2 sent', 'C1 v2 sent']);
    expect(await steps.place(id)).toBe('completed v2 C@2');
  });

  it('[SEQ-1] of a step that is gone leads to the next that is left, or to the end', async () => {
    const id = await enrolledAt('ABC', 1);
    const flight = await letGo(world, await live(id), { soon: true });
    await steps.publish('CA');
    await steps.move([id]);
    expect(await steps.place(id)).toBe('active v2 B@0');
    world.provider.accepted.add(flight.touch.id);
    await settleByEngine(flight, ACCEPTED);
    expect(await steps.story(id)).toEqual(['A1 v1 sent', 'B1 v1 sent', 'C1 v2 planned']);
    const last = await letGo(world, await live(id), { soon: true });
    await steps.publish('A');
    await steps.move([id]);
    await settleByEngine(last, ACCEPTED);
    expect(await enrollmentRow(world, id)).toMatchObject({ status: 'completed' });
    expect(await expectSound(world, steps.sequence)).toEqual([]);
  });

  it('[SEQ-1] [SEQ-12] refused for now tries again under its version, then goes on under the new one', async () => {
    const id = await enrolledAt('AB');
    const flight = await letGo(world, await live(id), { soon: true });
    await steps.publish('CB');
    await steps.move([id]);
    await settleByEngine(flight, GREYLISTED);
    expect(await steps.story(id)).toEqual(['A1 v1 planned']);
    expect(await steps.move([id])).toMatchObject([{ result: 'skipped', reason: 'already_moved' }]);
    const again = await letGo(world, flight.touch.id);
    expect(again.attempt).toBe(2);
    await settleByEngine(again, ACCEPTED);
    expect(await steps.story(id)).toEqual(['A1 v1 sent', 'B1 v2 planned']);
  });

  it('[SEQ-1] refused for good ends the enrollment as ever', async () => {
    const id = await enrolledAt('AB');
    const flight = await letGo(world, await live(id), { soon: true });
    await steps.publish('BA');
    await steps.move([id]);
    await settleByEngine(flight, REFUSED);
    expect(await enrollmentRow(world, id)).toMatchObject({
      status: 'failed',
      status_reason: 'content_rejected',
    });
  });

  it('[SEQ-1] nobody knows the outcome of: the word of a person leads on under the new version', async () => {
    const id = await enrolledAt('ABC');
    const flight = await letGo(world, await live(id), { soon: true });
    await settleByEngine(flight, AMBIGUOUS);
    await steps.publish('XC', { C: days(2) });
    expect(await steps.move([id])).toMatchObject([{ reason: 'touch_in_flight' }]);
    await resolveTouch(world.db, world.versions, world.ctx, flight.touch.id, { outcome: 'sent' });
    expect(await steps.story(id)).toEqual(['A1 v1 sent', 'C1 v2 planned']);
    const { gated_at } = await touchRow(world, flight.touch.id);
    const next = await touchRow(world, await live(id));
    expect(next.not_before.getTime()).toBe(gated_at.getTime() + 2 * DAY);
  });

  it('[SEQ-1] [EXE-5] found at its provider later leads on under the new version', async () => {
    const id = await enrolledAt('AB');
    const flight = await letGo(world, await live(id), { soon: true, lease_ms: 1 });
    world.provider.accepted.add(flight.touch.id);
    await steps.publish('AC');
    await steps.move([id]);
    await world.owner.call(
      sql`UPDATE gates SET lease_until = now() - interval '1 s' WHERE token = ${flight.token}::uuid`,
    );
    await world.db.call(sql`SELECT gate_expire(${world.org}::uuid, 'worker:test', 1000)`);
    await deliverNow(world);
    expect(await steps.story(id)).toEqual(['A1 v1 sent', 'C1 v2 sent']);
  });
});

describe('a paused enrollment', () => {
  it('[SEQ-1] [SEQ-8] moves, stays paused, and resumes under the new version', async () => {
    const id = await enrolledAt('ABC', 1);
    await doing(id, 'pause');
    const { epoch } = await enrollmentRow(world, id);
    await steps.publish('AYBC');
    expect(await steps.move([id])).toMatchObject([{ result: 'moved', reason: null }]);
    expect(await steps.place(id)).toBe('paused v2 B@2');
    expect((await enrollmentRow(world, id)).epoch).toBe(epoch);
    expect(await deliverNow(world)).toBe(0);
    await doing(id, 'resume');
    await deliverNow(world);
    expect(await steps.story(id)).toEqual(['A1 v1 sent', 'B1 v1 cancelled', 'B2 v2 sent', 'C1 v2 sent']);
  });

  it('[SEQ-1] [SEQ-8] at a step that is gone resumes at the next that is left, or completes', async () => {
    const id = await enrolledAt('ABC', 1);
    await doing(id, 'pause');
    await steps.publish('CA');
    await steps.move([id]);
    expect(await steps.place(id)).toBe('paused v2 B@0');
    await doing(id, 'resume');
    expect(await steps.story(id)).toEqual(['A1 v1 sent', 'B1 v1 cancelled', 'C1 v2 planned']);
    await doing(id, 'pause');
    await steps.publish('A');
    await steps.move([id]);
    expect(await steps.place(id)).toBe('paused v3 C@1');
    await doing(id, 'resume');
    expect(await enrollmentRow(world, id)).toMatchObject({ status: 'completed' });
  });

  it('[SEQ-1] [EXE-3] whose message is sent late resumes with the step after it, of the new version', async () => {
    const id = await enrolledAt('ABC');
    const flight = await letGo(world, await live(id), { soon: true });
    await doing(id, 'pause');
    await steps.publish('XBC');
    await steps.move([id]);
    await settleByEngine(flight, ACCEPTED);
    expect(await steps.place(id)).toBe('paused v2 A@1');
    await doing(id, 'resume');
    expect(await steps.story(id)).toEqual(['A1 v1 sent', 'B1 v2 planned']);
  });

  it('[SEQ-1] [SEQ-8] resumed while its message is in flight goes on under the new version', async () => {
    const id = await enrolledAt('AB');
    const flight = await letGo(world, await live(id), { soon: true });
    await doing(id, 'pause');
    await steps.publish('AC');
    await steps.move([id]);
    await doing(id, 'resume');
    await settleByEngine(flight, ACCEPTED);
    expect(await steps.story(id)).toEqual(['A1 v1 sent', 'C1 v2 planned']);
  });
});

describe('afterwards', () => {
  it('[SEQ-1] [SEQ-9] an advance goes on in the new version, past what was had', async () => {
    const id = await enrolledAt('ABC', 1);
    await steps.publish('BAC');
    await steps.move([id]);
    await doing(id, 'advance');
    expect(await steps.story(id)).toEqual([
      'A1 v1 sent',
      'B1 v1 cancelled',
      'B2 v2 skipped',
      'C1 v2 planned',
    ]);
    await doing(id, 'restart');
    expect(await steps.place(id)).toBe('active v2 B@0');
    expect((await enrollmentRow(world, id)).had_steps).toBeNull();
  });

  it('[SEQ-1] moving again changes nothing; only what is asked for moves', async () => {
    await steps.start('AB');
    const people = await steps.enroll(4);
    await steps.publish('AB');
    await steps.move(people.slice(0, 2));
    await steps.publish('A');
    await doing(people[3]!, 'unenroll');
    const before = await Promise.all(people.map((id) => enrollmentRow(world, id)));
    const foreign = await new Lettered(world).start('Z');
    const [stranger] = await world.enroll(foreign, await world.contacts(1));
    expect(await steps.move([...people, people[0]!, stranger!], { from_version: 2, to_version: 3 })).toEqual(
      [
        [people[0], 'moved', null],
        [people[1], 'moved', null],
        [people[2], 'skipped', 'other_version'],
        [people[3], 'skipped', 'ended'],
        [people[0], 'skipped', 'duplicate'],
        [stranger, 'refused', 'unknown_enrollment'],
      ].map(([enrollment_id, result, reason]) => ({ enrollment_id, result, reason })),
    );
    const again = await steps.move(people.slice(0, 2));
    expect(again.map((one) => one.reason)).toEqual(['already_moved', 'already_moved']);
    expect(await steps.story(people[0]!)).toHaveLength(3);
    expect(await enrollmentRow(world, people[2]!)).toEqual(before[2]);
    expect(await enrollmentRow(world, people[3]!)).toEqual(before[3]);
  });

  it('[SEQ-1] [TEN-5] [EXE-14] the audit trail, the events and each touch tell of it', async () => {
    const id = await enrolledAt('AB');
    const old = await live(id);
    await steps.publish('AB');
    await steps.move([id]);
    const fresh = await live(id);
    const [entry] = await world.owner.call(
      sql`SELECT actor_id, subject_id, data FROM audit_log WHERE org_id = ${world.org}::uuid AND action = 'enrollment.move'`,
    );
    expect(entry).toMatchObject({
      actor_id: 'test',
      subject_id: steps.sequence,
      data: { to_version: 2, enrollments: [id] },
    });
    const before = await explainTouch(world.db, world.org, old);
    expect(before.state).toMatchObject({
      state: 'cancelled',
      reason: 'moved',
      says: 'its enrollment was moved to another version of the sequence',
    });
    expect(before.next).toMatchObject({ kind: 'next_touch', touch_id: fresh });
    const after = await explainTouch(world.db, world.org, fresh);
    expect(after.planned).toMatchObject({ by: 'system:test', sequence: { version: 2 } });
    expect(after.events).toMatchObject([
      {
        type: 'moved',
        data: { from_version: 1, to_version: 2 },
        says: 'its enrollment was moved from version 1 to version 2 of the sequence',
      },
    ]);
  });
});

/** Settled as a worker does, which plans again what a move has overtaken. */
async function settleByEngine(
  flight: Awaited<ReturnType<typeof letGo>>,
  outcome: Parameters<typeof answered>[2],
): Promise<void> {
  const { settlementOf } = await import('../../src/dispatch/outcomes.ts');
  const { settleAll } = await import('../../src/dispatch/settle.ts');
  const settlement = settlementOf({ ...flight, at: flight.planning.now }, outcome, 'Hello');
  expect(await settleAll(world.engine, world.org, flight.token, [settlement])).toBe(1);
}
