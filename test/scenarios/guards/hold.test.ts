/** What keeps a Hold's marks: none lands after the resume that ends it, and none is lifted by an older one. */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../../src/db/sql.ts';
import { type HoldClass, hold, releaseHeld } from '../../../src/plan/stop.ts';
import type { EngineWorld } from '../../support/engine.ts';
import { connection, holdEvents, untilWaiting, untilWaitingOrEnded } from '../../support/interleave.ts';
import { enrolled, passGate, settleOne, touchRow } from '../../support/touches.ts';
import { worlds } from '../../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

const CLASSES = [
  ['channel', 'channel_paused'],
  ['sequence', 'sequence_paused'],
  ['sender', 'sender_paused'],
] as const satisfies [HoldClass, string][];

const idOf = (kind: HoldClass, sequence: string) =>
  ({ channel: 'email', sequence, sender: world.sender, organization: world.org })[kind];

describe('the marks of a Hold', () => {
  for (const [kind, reason] of CLASSES) {
    it(`[EXE-15] ${kind}: a mark in progress is waited for by the resume that lifts it`, async () => {
      const { sequence, touches } = await enrolled(world);
      const target = { class: kind, id: idOf(kind, sequence) };
      await hold(world.db, world.ctx, { ...target, paused: true });
      expect(await passGate(world, touches)).toEqual([reason]);
      const held = await holdEvents(world);
      const mark = settleOne(
        world,
        null,
        { touch_id: touches[0]!, outcome: 'held', reason },
        { db: connection(world, `${kind} mark`) },
      );
      await untilWaiting(world, `${kind} mark`);
      const api = connection(world, `${kind} resume`);
      const resume = hold(api, world.ctx, { ...target, paused: false }).then(({ epoch }) =>
        releaseHeld(world.db, { org: world.org, ...target, epoch }),
      );
      await untilWaitingOrEnded(world, `${kind} resume`, resume);
      await held.rollback();
      await Promise.all([mark, resume]);
      expect(await touchRow(world, touches[0]!)).toMatchObject({ state: 'planned', held_by: null });
      expect((await touchRow(world, touches[0]!)).wake_at).not.toBeNull();
      expect(await passGate(world, touches)).toEqual(['go']);
    });

    it(`[EXE-15] ${kind}: the release of an earlier resume lifts no mark of a later pause`, async () => {
      const { sequence, touches } = await enrolled(world);
      const target = { class: kind, id: idOf(kind, sequence) };
      const mark = () => settleOne(world, null, { touch_id: touches[0]!, outcome: 'held', reason });
      await hold(world.db, world.ctx, { ...target, paused: true });
      await mark();
      const { epoch } = await hold(world.db, world.ctx, { ...target, paused: false });
      await hold(world.db, world.ctx, { ...target, paused: true });
      expect(await releaseHeld(world.db, { org: world.org, ...target, epoch })).toBe(0);
      expect(await touchRow(world, touches[0]!)).toMatchObject({ held_by: kind, wake_at: null });
      const last = await hold(world.db, world.ctx, { ...target, paused: false });
      expect(await releaseHeld(world.db, { org: world.org, ...target, epoch: last.epoch })).toBe(1);
      expect(await touchRow(world, touches[0]!)).toMatchObject({ held_by: null, state: 'planned' });
    });

    it(`[EXE-15] ${kind}: a worker that learnt of the pause late marks nothing after the resume`, async () => {
      const { sequence, touches } = await enrolled(world);
      const target = { class: kind, id: idOf(kind, sequence) };
      await hold(world.db, world.ctx, { ...target, paused: true });
      expect(await passGate(world, touches)).toEqual([reason]);
      await hold(world.db, world.ctx, { ...target, paused: false });
      expect(await settleOne(world, null, { touch_id: touches[0]!, outcome: 'held', reason })).toBe('lost');
      expect(await touchRow(world, touches[0]!)).toMatchObject({ held_by: null });
    });
  }

  it('[EXE-15] a switch repeated changes nothing, and its receipt says what is in flight', async () => {
    const { sequence, touches } = await enrolled(world);
    expect(await passGate(world, touches)).toEqual(['go']);
    const target = { class: 'sequence' as const, id: sequence, paused: true };
    const first = await hold(world.db, world.ctx, target);
    const second = await hold(world.db, world.ctx, target);
    expect(second).toMatchObject({ epoch: first.epoch, effective_at: first.effective_at });
    expect(second.in_flight.map((flying) => flying.touch)).toEqual(touches);
    const jobs = await world.owner.call(
      sql`SELECT count(*)::int AS n FROM graphile_worker.jobs WHERE task_identifier = 'release_held'`,
    );
    expect(jobs).toHaveLength(1);
  });
});
