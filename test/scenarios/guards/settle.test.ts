/** What keeps the truth when outcomes come late, twice or from the wrong hand. */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../../src/db/sql.ts';
import { newId } from '../../../src/kernel/ids.ts';
import { act, getEnrollment } from '../../../src/plan/sequences/enrollments.ts';
import { endEnrollment } from '../../../src/plan/stop.ts';
import type { EngineWorld } from '../../support/engine.ts';
import {
  enrolled,
  enrollmentRow,
  expire,
  nextStep,
  passGate,
  sending,
  settleOne,
  story,
  touchRow,
  used,
} from '../../support/touches.ts';
import { worlds } from '../../support/worlds.ts';

const worldOf = worlds('K');
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

describe('settling', () => {
  it('[EXE-5] an outcome under an old token is not written', async () => {
    const { enrollments, touches } = await enrolled(world);
    const [touch] = touches;
    const frozen = await sending(world, touches);
    await expire(world, frozen);
    const again = newId();
    expect(await passGate(world, touches, { token: again, resend: true })).toEqual(['go']);
    const late = await settleOne(world, frozen, {
      touch_id: touch!,
      outcome: 'failed',
      reason: 'other',
      ends: 'failed',
    });
    expect(late).toBe('lost');
    expect(await touchRow(world, touch!)).toMatchObject({ state: 'sending', token: again });
    const next = await nextStep(world, touch!);
    expect(await settleOne(world, again, { touch_id: touch!, outcome: 'sent', next })).toBe('settled');
    expect(await enrollmentRow(world, enrollments[0]!)).toMatchObject({ status: 'active', step_no: 1 });
  });

  it('[EXE-3] a success after a pause is recorded and moves nothing on', async () => {
    const { enrollments, touches } = await enrolled(world);
    const token = await sending(world, touches);
    const next = await nextStep(world, touches[0]!);
    const pause = await endEnrollment(world.db, world.ctx, enrollments[0]!, 'pause');
    expect(pause.in_flight.map((flying) => flying.touch)).toEqual(touches);
    expect(await settleOne(world, token, { touch_id: touches[0]!, outcome: 'sent', next })).toBe('late');
    expect(await story(world, enrollments[0]!)).toEqual(['0.1 sent']);
    expect(await enrollmentRow(world, enrollments[0]!)).toMatchObject({
      status: 'paused',
      step_no: 0,
      live_touch: touches[0],
    });
  });

  it('[EXE-3] the outcome of a touch that its enrollment no longer waits for moves nothing on', async () => {
    const { enrollments, touches } = await enrolled(world);
    const token = await sending(world, touches);
    const next = await nextStep(world, touches[0]!);
    // No call of ours leads here: a restored or repaired row would.
    await world.owner.call(
      sql`UPDATE enrollments SET live_touch = ${newId()}::uuid WHERE id = ${enrollments[0]}::uuid`,
    );
    expect(await settleOne(world, token, { touch_id: touches[0]!, outcome: 'sent', next })).toBe('late');
    expect(await story(world, enrollments[0]!)).toEqual(['0.1 sent']);
  });

  it('[EXE-3] [EXE-8] a retry after a pause becomes cancelled, and its quota comes back', async () => {
    const { enrollments, touches } = await enrolled(world);
    const token = await sending(world, touches);
    const [day] = Object.keys(await used(world));
    expect(await used(world)).toEqual({ [day!]: 1 });
    await endEnrollment(world.db, world.ctx, enrollments[0]!, 'pause');
    await settleOne(world, token, {
      touch_id: touches[0]!,
      outcome: 'retry',
      reason: 'greylisted',
      wake: Date.now() + 300_000,
    });
    expect(await touchRow(world, touches[0]!)).toMatchObject({ state: 'cancelled', wake_at: null });
    expect(await used(world)).toEqual({ [day!]: 0 });
    await act(world.db, world.versions, world.ctx, enrollments[0]!, 'resume');
    expect(await story(world, enrollments[0]!)).toEqual(['0.1 cancelled', '0.2 planned']);
  });

  it('[EXE-8] a refusal gives the quota back to the day it was taken from', async () => {
    const { touches } = await enrolled(world);
    const yesterday = new Date(Date.now() - 86_400_000);
    await world.owner.call(
      sql`UPDATE touches SET not_before = ${yesterday}::timestamptz - interval '1 hour' WHERE id = ${touches[0]}::uuid`,
    );
    const token = await sending(world, touches, { now: yesterday });
    const other = await enrolled(world);
    await sending(world, other.touches);
    expect(Object.values(await used(world))).toEqual([1, 1]);
    await settleOne(world, token, {
      touch_id: touches[0]!,
      outcome: 'retry',
      reason: 'throttled',
      wake: Date.now(),
    });
    expect(Object.values(await used(world))).toEqual([0, 1]);
  });

  it('[EXE-8] a frequency cap gets its place back with a refusal', async () => {
    await world.owner.call(
      sql`UPDATE organizations SET contact_daily_cap = 1 WHERE org_id = ${world.org}::uuid`,
    );
    const { touches } = await enrolled(world);
    const token = await sending(world, touches);
    const wake = Date.now();
    await settleOne(world, token, { touch_id: touches[0]!, outcome: 'not_started', wake });
    const [row] = await world.owner.call(
      sql`SELECT used FROM contact_usage WHERE org_id = ${world.org}::uuid`,
    );
    expect(row).toEqual({ used: 0 });
    expect(await touchRow(world, touches[0]!)).toMatchObject({ state: 'planned', attempt: 0 });
  });

  it('[SEQ-3] what is planned twice is one touch: its id comes from its plan key', async () => {
    const { enrollments, touches } = await enrolled(world);
    const before = await enrollmentRow(world, enrollments[0]!);
    const token = await sending(world, touches);
    const first = await nextStep(world, touches[0]!);
    await settleOne(world, token, { touch_id: touches[0]!, outcome: 'sent', next: first });
    // The database goes back to a moment before that settle; the provider, and its keys, do not.
    await world.owner.call(sql`DELETE FROM touches WHERE id = ${first.id}::uuid`);
    await world.owner.call(
      sql`UPDATE touches SET state = 'sending', live = true, settled_at = NULL WHERE id = ${touches[0]}::uuid`,
    );
    await world.owner.call(
      sql`UPDATE enrollments SET live_touch = ${before.live_touch}::uuid, step_no = 0 WHERE id = ${enrollments[0]}::uuid`,
    );
    const second = await nextStep(world, touches[0]!);
    await settleOne(world, token, { touch_id: touches[0]!, outcome: 'sent', next: second });
    expect((await getEnrollment(world.db, world.org, enrollments[0]!)).live_touch).toBe(first.id);
  });
});
