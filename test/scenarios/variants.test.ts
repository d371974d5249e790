/** A step in several arms: who gets which, what is kept of it, and that it never changes under a message that went. */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import { explainTouch } from '../../src/ledger/explain.ts';
import { previewSequence } from '../../src/plan/sequences/preview.ts';
import { sequenceStats } from '../../src/plan/sequences/stats.ts';
import { sayWinner } from '../../src/plan/sequences/variants/decide.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { enrolled, enrollmentRow, touchRow } from '../support/touches.ts';
import { AB, armFor, contactsByArm, republish, stepIds, varied } from '../support/variants.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds('K');
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

const UNSUBSCRIBE = 'https://example.com/u/preview';

async function arms(step: Uuid): Promise<Map<Uuid, string>> {
  const rows = await world.owner.call<{ touch_id: Uuid; variant: string }>(
    sql`SELECT touch_id, variant FROM touch_variants WHERE step_id = ${step}::uuid`,
  );
  return new Map(rows.map((row) => [row.touch_id, row.variant]));
}

async function due(touch: Uuid): Promise<void> {
  await world.owner.call(
    sql`UPDATE touches SET wake_at = now(), not_before = least(not_before, now()) WHERE id = ${touch}::uuid`,
  );
}

/** One person enrolled, with the arm that is theirs and the other one. */
async function one(more: Record<string, unknown> = {}) {
  const { sequence, contacts, enrollments, touches } = await enrolled(world, 1, varied(more));
  const [step] = (await stepIds(world, sequence)) as [Uuid];
  const own = armFor(step, contacts[0]!);
  return {
    ...{ sequence, step, own, other: own === 'a' ? 'b' : 'a' },
    ...{ contact: contacts[0]!, enrollment: enrollments[0]!, touch: touches[0]! },
  };
}

describe('the arm of a message', () => {
  it('[SEQ-14] is the one of its contact, and is kept with the message; steps without arms keep nothing', async () => {
    const { sequence, contacts, touches } = await enrolled(world, 60, varied());
    const [first, second] = (await stepIds(world, sequence)) as [Uuid, Uuid];
    await deliverNow(world);
    expect(world.provider.calls).toHaveLength(60);
    const kept = await arms(first);
    const expected = new Map(touches.map((touch, i) => [touch, armFor(first, contacts[i]!)]));
    expect(kept).toEqual(expected);
    expect(new Set(kept.values())).toEqual(new Set(['a', 'b']));
    for (const { touch_id, message } of world.provider.calls) {
      const arm = expected.get(touch_id)!;
      expect(message.subject).toMatch(new RegExp(`^Arm ${arm} for Person`));
      expect(message.text).toContain(`Text of ${arm}`);
    }
    const follow = await world.owner.call<{ id: Uuid }>(
      sql`UPDATE touches SET wake_at = now(), not_before = now() WHERE step_id = ${second}::uuid RETURNING id`,
    );
    expect(follow).toHaveLength(60);
    await deliverNow(world);
    expect(world.provider.calls).toHaveLength(120);
    expect((await arms(second)).size).toBe(0);
  });

  it('[SEQ-14] a follow-up answers the subject of the arm that was sent', async () => {
    const { sequence, touches, contacts } = await enrolled(world, 12, varied());
    const [first, second] = (await stepIds(world, sequence)) as [Uuid, Uuid];
    await deliverNow(world);
    await world.owner.call(
      sql`UPDATE touches SET wake_at = now(), not_before = now() WHERE step_id = ${second}::uuid`,
    );
    await deliverNow(world);
    const subjects = world.provider.calls.slice(12).map(({ message }) => message);
    expect(subjects).toHaveLength(12);
    for (const { subject, in_reply_to } of subjects) {
      const i = touches.findIndex((touch) => in_reply_to?.startsWith(touch));
      expect(subject).toMatch(new RegExp(`^Re: Arm ${armFor(first, contacts[i]!)} for Person`));
    }
  });

  it('[SEQ-14] new weights move only those that must, and messages that went keep theirs', async () => {
    const { sequence, touches } = await enrolled(world, 40, varied());
    const [step] = (await stepIds(world, sequence)) as [Uuid];
    await deliverNow(world);
    const before = await arms(step);
    const weighted = [AB[0]!, { ...AB[1]!, weight: 3 }];
    await republish(world, sequence, [
      { channel: 'email', variants: weighted },
      { channel: 'email', body_text: 'Two' },
    ]);
    const contacts = await world.contacts(40);
    const enrollments = await world.enroll(sequence, contacts);
    await deliverNow(world);
    const after = await arms(step);
    for (const touch of touches) expect(after.get(touch)).toBe(before.get(touch));
    for (const [i, enrollment] of enrollments.entries()) {
      const [row] = await world.owner.call<{ id: Uuid }>(
        sql`SELECT id FROM touches WHERE source_id = ${enrollment}::uuid AND step_id = ${step}::uuid`,
      );
      const arm = after.get(row!.id);
      expect(arm).toBe(armFor(step, contacts[i]!, weighted));
      // nobody leaves the arm that gained
      if (armFor(step, contacts[i]!) === 'b') expect(arm).toBe('b');
    }
  });
});

describe('a winner', () => {
  it('[SEQ-14] is what newly composed messages take, also of contacts of the other arm', async () => {
    const sequence = await world.sequence(varied());
    const [step] = (await stepIds(world, sequence)) as [Uuid];
    const { a } = await contactsByArm(world, step, 6);
    await world.enroll(sequence, a.slice(0, 3));
    await deliverNow(world);
    await sayWinner(world.db, world.ctx, { sequence, step }, { variant: 'b' });
    await world.enroll(sequence, a.slice(3));
    await deliverNow(world);
    expect(world.provider.calls.map(({ message }) => message.subject.slice(0, 5))).toEqual([
      ...Array(3).fill('Arm a'),
      ...Array(3).fill('Arm b'),
    ]);
    await sayWinner(world.db, world.ctx, { sequence, step }, { variant: null });
    const { a: later } = await contactsByArm(world, step, 1);
    await world.enroll(sequence, later);
    await deliverNow(world);
    expect(world.provider.calls.at(-1)!.message.subject).toMatch(/^Arm a/);
  });

  it('[SEQ-14] [EXE-7] a retry keeps the arm it went with first', async () => {
    const { sequence, step, own, other, touch } = await one();
    world.provider.answer = () => ({ kind: 'refused', permanence: 'transient', reason: 'greylisted' });
    await deliverNow(world);
    expect(await touchRow(world, touch)).toMatchObject({ state: 'planned', attempt: 1 });
    await sayWinner(world.db, world.ctx, { sequence, step }, { variant: other });
    world.provider.answer = () => ({ kind: 'accepted' });
    await due(touch);
    await deliverNow(world);
    const [first, second] = world.provider.calls;
    expect(second!.message).toEqual(first!.message);
    expect(second!.idempotency_key).toBe(first!.idempotency_key);
    expect(await arms(step)).toEqual(new Map([[touch, own]]));
  });

  it('[SEQ-14] [I2] what may have happened goes again as the same bytes under the same key', async () => {
    const { sequence, step, other, touch } = await one();
    world.provider.answer = () => ({ kind: 'ambiguous', reason: 'timeout' });
    let gates = 0;
    const engine = world.newEngine({
      failpoint(name) {
        if (name === 'after_gate') gates++;
      },
      limits: { lookup_gap_ms: 3_600_000 },
    });
    await deliverNow(world, engine);
    expect(gates).toBeGreaterThan(0);
    expect(await touchRow(world, touch)).toMatchObject({ state: 'unknown' });
    const called = world.provider.calls.length;
    await sayWinner(world.db, world.ctx, { sequence, step }, { variant: other });
    world.provider.answer = () => ({ kind: 'accepted' });
    await due(touch);
    await deliverNow(world);
    expect(await touchRow(world, touch)).toMatchObject({ state: 'sent' });
    expect(world.provider.calls.length).toBeGreaterThan(called);
    const [first] = world.provider.calls;
    for (const call of world.provider.calls) {
      expect(call.message).toEqual(first!.message);
      expect(call.idempotency_key).toBe(first!.idempotency_key);
    }
    expect(await enrollmentRow(world, (await touchRow(world, touch)).source_id)).toMatchObject({
      thread_subject: first!.message.subject,
    });
  });

  it('[SEQ-14] a winner whose arm a later version no longer has is none', async () => {
    const { sequence, step, own, other } = await one();
    await sayWinner(world.db, world.ctx, { sequence, step }, { variant: other });
    const kept = [AB.find(({ key }) => key === own)!, { ...AB[0]!, key: 'c' }];
    await republish(world, sequence, [
      { channel: 'email', variants: kept },
      { channel: 'email', body_text: 'Two' },
    ]);
    const contacts = await world.contacts(10);
    await world.enroll(sequence, contacts);
    await deliverNow(world);
    const [stats] = (await sequenceStats(world.db, world.ctx, sequence)).steps.filter(
      (one) => one.step_id === step,
    );
    expect(stats!.variants).toMatchObject({ winner: null });
    const sent = Object.fromEntries(stats!.variants!.arms.map((arm) => [arm.key, arm.touches.sent]));
    const expected = contacts.filter((contact) => armFor(step, contact, kept) === 'c').length;
    expect(sent).toMatchObject({ c: expected });
  });
});

describe('who looks at it', () => {
  it('[SEQ-14] [TEN-4] the preview shows the arm that the contact gets, another on request, and writes nothing', async () => {
    const { sequence, step, own, other, contact } = await one();
    const look = (variant?: string) =>
      previewSequence(world.db, world.versions, world.ctx, sequence, {
        contact_id: contact,
        unsubscribe_url: UNSUBSCRIBE,
        variant,
      });
    expect((await look()).steps).toMatchObject([
      { variant: own, subject: expect.stringMatching(new RegExp(`^Arm ${own}`)) },
      { variant: null, subject: expect.stringMatching(new RegExp(`^Re: Arm ${own}`)) },
    ]);
    expect((await look(other)).steps).toMatchObject([
      { variant: other, subject: expect.stringMatching(new RegExp(`^Arm ${other}`)) },
      { variant: null, subject: expect.stringMatching(new RegExp(`^Re: Arm ${other}`)) },
    ]);
    await sayWinner(world.db, world.ctx, { sequence, step }, { variant: other });
    expect((await look()).steps[0]).toMatchObject({ variant: other });
    expect((await look(own)).steps[0]).toMatchObject({ variant: own });
    await expect(look('z')).rejects.toMatchObject({ code: 'invalid_request' });
    expect((await arms(step)).size).toBe(0);
  });

  it('[SEQ-14] [EXE-14] a touch says with which arm it was composed, once it was', async () => {
    const { own, touch } = await one();
    expect((await explainTouch(world.db, world.org, touch)).planned.step.variant).toBeNull();
    await deliverNow(world);
    expect((await explainTouch(world.db, world.org, touch)).planned.step.variant).toBe(own);
  });

  it('[SEQ-14] what was never sent counts for its arm too: the arms add up to the step', async () => {
    const broken = [AB[0]!, { ...AB[1]!, body_text: 'Hello {{ contact.company }}' }];
    const sequence = await world.sequence(varied({ variants: broken }));
    const [step] = (await stepIds(world, sequence)) as [Uuid];
    const { a, b } = await contactsByArm(world, step, 5);
    await world.enroll(sequence, [...a, ...b]);
    await deliverNow(world);
    const waiting = await contactsByArm(world, step, 2);
    await world.enroll(sequence, [...waiting.a, ...waiting.b]);
    const [stats] = (await sequenceStats(world.db, world.ctx, sequence)).steps.filter(
      (one) => one.step_id === step,
    );
    expect(stats).toMatchObject({ sent: 5, skipped: 5, planned: 4, total: 14 });
    expect(stats!.variants!.arms).toMatchObject([
      { key: 'a', contacts: 5, touches: { sent: 5, skipped: 0, planned: 2, total: 7 } },
      { key: 'b', contacts: 0, touches: { sent: 0, skipped: 5, planned: 2, total: 7 } },
    ]);
    await sayWinner(world.db, world.ctx, { sequence, step }, { variant: 'a' });
    const [later] = (await sequenceStats(world.db, world.ctx, sequence)).steps.filter(
      (one) => one.step_id === step,
    );
    expect(later!.variants!.arms.map((arm) => arm.touches.planned)).toEqual([4, 0]);
  });

  it('[SEQ-14] the database assigns as the engine does', async () => {
    const variants = [
      { key: 'a', weight: 0.4 },
      { key: 'B_2', weight: 1 },
      { key: 'c-3', weight: 17 },
    ];
    const contacts = await world.contacts(2_000);
    const step = contacts[0]!;
    const rows = await world.owner.call<{ id: Uuid; arm: string }>(sql`
      SELECT c AS id, variant_of(c, ${step}::uuid, ${JSON.stringify(variants)}::jsonb) AS arm FROM unnest(${contacts}::uuid[]) c`);
    for (const { id, arm } of rows) expect(arm).toBe(armFor(step, id, variants));
    expect(rows).toHaveLength(2_000);
  });
});
