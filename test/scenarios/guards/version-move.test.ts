/** A move to another version, with somebody coming between at each of its statements. */
import { beforeEach, describe, expect, it } from 'vitest';
import { settlementOf } from '../../../src/dispatch/outcomes.ts';
import { replan } from '../../../src/dispatch/replan.ts';
import { settleAll } from '../../../src/dispatch/settle.ts';
import type { Uuid } from '../../../src/kernel/ids.ts';
import { settle } from '../../../src/ledger/settle.ts';
import { act, getEnrollment } from '../../../src/plan/sequences/enrollments.ts';
import { moveEnrollments } from '../../../src/plan/sequences/move-enrollments.ts';
import { endEnrollment } from '../../../src/plan/stop.ts';
import { deliverNow } from '../../support/deliver-now.ts';
import type { EngineWorld } from '../../support/engine.ts';
import { ACCEPTED, letGo } from '../../support/flight.ts';
import { connection, holdEvents, holder, holdTouch, untilWaiting } from '../../support/interleave.ts';
import { enrollmentRow, passGate } from '../../support/touches.ts';
import { expectSound, Lettered } from '../../support/version-move.ts';
import { worlds } from '../../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
let steps: Lettered;
let id: Uuid;
let touch: Uuid;
beforeEach(async () => {
  world = worldOf();
  steps = new Lettered(world);
  await steps.start('AB');
  [id] = (await steps.enroll()) as [Uuid];
  touch = (await getEnrollment(world.db, world.org, id)).live_touch;
  await steps.publish('XB');
});

/** The move, on a connection that can be told apart while it waits. */
function moving(): Promise<unknown> {
  const input = { sequence_id: steps.sequence, enrollment_ids: [id] };
  return moveEnrollments(connection(world, 'move'), world.versions, world.ctx, input);
}

describe('a move to another version', () => {
  it('[SEQ-1] [EXE-2] that a gate was before finds the message in flight', async () => {
    const events = await holdTouch(world, touch);
    const gate = passGate(world, [touch], { db: connection(world, 'gate') });
    await untilWaiting(world, 'gate');
    const moved = moving();
    await untilWaiting(world, 'move');
    await events.rollback();
    expect(await gate).toEqual(['go']);
    expect(await moved).toMatchObject({ results: [{ result: 'moved', reason: 'touch_in_flight' }] });
    expect(await steps.story(id)).toEqual(['A1 v1 sending']);
  });

  it('[SEQ-1] [EXE-2] that is before a gate leaves it nothing to send', async () => {
    const events = await holdEvents(world);
    const moved = moving();
    await untilWaiting(world, 'move');
    const gate = passGate(world, [touch], { db: connection(world, 'gate') });
    await untilWaiting(world, 'gate');
    await events.rollback();
    await moved;
    expect(await gate).toEqual(['gone']);
    expect(await steps.story(id)).toEqual(['A1 v1 cancelled', 'B1 v2 planned']);
  });

  it('[SEQ-1] [EXE-1] that a pause was before moves a paused enrollment', async () => {
    const row = await holder(world, 'SELECT FROM enrollments WHERE id = $1 FOR UPDATE', [id]);
    const moved = moving();
    await untilWaiting(world, 'move');
    await row.query(
      "UPDATE enrollments SET status = 'paused', status_reason = 'pause', epoch = epoch + 1 WHERE id = $1",
      [id],
    );
    await row.commit();
    expect(await moved).toMatchObject({ results: [{ result: 'moved' }] });
    expect(await steps.place(id)).toBe('paused v2 A@1');
    expect(await steps.story(id)).toEqual(['A1 v1 planned']);
  });

  it('[SEQ-1] [EXE-1] between the two transactions of a pause takes nothing from it', async () => {
    const receipt = await endEnrollment(world.db, world.ctx, id, 'pause', {
      async failpoint(name) {
        if (name === 'after_flag') await steps.move([id]);
      },
    });
    expect(receipt).toMatchObject({ not_started: 1, in_flight: [] });
    expect(await steps.story(id)).toEqual(['A1 v1 cancelled']);
    expect(await deliverNow(world)).toBe(0);
    await act(world.db, world.versions, world.ctx, id, 'resume');
    expect(await steps.story(id)).toEqual(['A1 v1 cancelled', 'B1 v2 planned']);
  });

  it('[SEQ-1] that a settle was before goes on from the next step', async () => {
    const flight = await letGo(world, touch, { soon: true });
    const row = await holder(world, 'SELECT FROM enrollments WHERE id = $1 FOR UPDATE', [id]);
    const settlement = settlementOf({ ...flight, at: flight.planning.now }, ACCEPTED, 'Hello');
    const settling = settle(connection(world, 'settle'), {
      org: world.org,
      token: flight.token,
      actor: 'worker:test',
      settlements: [settlement],
    });
    await untilWaiting(world, 'settle');
    const moved = moving();
    await untilWaiting(world, 'move');
    await row.rollback();
    expect((await settling).get(touch)).toBe('settled');
    await moved;
    expect(await steps.story(id)).toEqual(['A1 v1 sent', 'B1 v1 cancelled', 'B2 v2 planned']);
  });

  it('[SEQ-1] is planned anew by an outcome that did not know of it, again and again', async () => {
    const flight = await letGo(world, touch, { soon: true });
    const settlement = settlementOf({ ...flight, at: flight.planning.now }, ACCEPTED, 'Hello');
    await steps.move([id]);
    const batch = { org: world.org, token: flight.token, actor: 'worker:test', settlements: [settlement] };
    expect((await settle(world.db, batch)).get(touch)).toBe('lost');
    expect(await steps.story(id)).toEqual(['A1 v1 sending']);
    const [planned] = await replan(world, world.org, flight.token, [settlement]);
    await steps.publish('BC');
    await steps.move([id]);
    expect((await settle(world.db, { ...batch, ...planned! })).get(touch)).toBe('lost');
    await steps.publish('CB');
    await steps.move([id]);
    expect(await settleAll(world.engine, world.org, flight.token, [settlement])).toBe(1);
    expect(await steps.story(id)).toEqual(['A1 v1 sent', 'B1 v4 planned']);
    expect(await replan(world, world.org, flight.token, [settlement])).toEqual([]);
  });

  it('[SEQ-1] comes between a resume that has decided and its writing: the resume decides again', async () => {
    await endEnrollment(world.db, world.ctx, id, 'pause');
    const row = await holder(world, 'SELECT FROM enrollments WHERE id = $1 FOR UPDATE', [id]);
    const resumed = act(connection(world, 'resume'), world.versions, world.ctx, id, 'resume');
    await untilWaiting(world, 'resume');
    const version = await row.query(
      'SELECT v.id, v.definition FROM sequence_versions v WHERE v.sequence_id = $1 AND v.number = 2',
      [steps.sequence],
    );
    await row.query('UPDATE enrollments SET version_id = $2, step_no = 1 WHERE id = $1', [
      id,
      version.rows[0].id,
    ]);
    await row.commit();
    await resumed;
    expect(await steps.story(id)).toEqual(['A1 v1 cancelled', 'B1 v2 planned']);
  });

  it('[SEQ-1] two at once move it once', async () => {
    const held = await holdTouch(world, touch);
    const both = Promise.all([moving(), moving()]);
    await untilWaiting(world, 'move', 2);
    await held.rollback();
    const results = (await both) as { results: { result: string; reason: string | null }[] }[];
    expect(results.map((one) => one.results[0]!.reason).sort()).toEqual(['already_moved', null]);
    expect(await steps.story(id)).toEqual(['A1 v1 cancelled', 'B1 v2 planned']);
    expect(await expectSound(world, steps.sequence)).toEqual([]);
    expect((await enrollmentRow(world, id)).status).toBe('active');
  });
});
