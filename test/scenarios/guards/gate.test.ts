/** What keeps the point of no return: each test goes red without its guard (scripts/guards.mjs takes them away). */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../../src/db/sql.ts';
import { newId, type Uuid } from '../../../src/kernel/ids.ts';
import { endEnrollment, type HoldClass, hold, unsubscribe } from '../../../src/plan/stop.ts';
import type { EngineWorld } from '../../support/engine.ts';
import {
  connection,
  holder,
  holdGate,
  holdTouch,
  untilWaiting,
  untilWaitingOrEnded,
} from '../../support/interleave.ts';
import { enrolled, enrollmentRow, passGate, touchRow } from '../../support/touches.ts';
import { worlds } from '../../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

describe('the gate reads what decides after its locks', () => {
  it('[EXE-2] sees a pause committed while it waited for the touch', async () => {
    const { enrollments, touches } = await enrolled(world);
    const held = await holdTouch(world, touches[0]!);
    const worker = connection(world, 'late gate');
    const verdict = passGate(world, touches, { db: worker });
    await untilWaiting(world, 'late gate');
    const api = connection(world, 'late pause');
    const pause = endEnrollment(api, world.ctx, enrollments[0]!, 'pause');
    await untilWaiting(world, 'late pause');
    await held.rollback();
    expect(await verdict).toEqual(['source_ended']);
    expect(await pause).toMatchObject({ not_started: 1, in_flight: [] });
  });

  it('[EXE-2] sees a switch of the sequence committed while it waited for the lock', async () => {
    const { sequence, touches } = await enrolled(world);
    const stop = await holder(world, 'SELECT pg_advisory_xact_lock(2, lock_bucket($1, $2))', [
      world.org,
      sequence,
    ]);
    await stop.query("UPDATE sequences SET status = 'paused', epoch = epoch + 1 WHERE id = $1", [sequence]);
    const worker = connection(world, 'switch gate');
    const verdict = passGate(world, touches, { db: worker });
    await untilWaiting(world, 'switch gate');
    await stop.commit();
    expect(await verdict).toEqual(['sequence_paused']);
  });

  it('[EXE-2] leaves a touch alone that an unsubscribe in progress has cancelled', async () => {
    const { contacts, touches } = await enrolled(world);
    const [enrollment] = await world.owner.call<{ id: Uuid; contact_id: Uuid }>(
      sql`SELECT id, contact_id FROM enrollments WHERE contact_id = ${contacts[0]}::uuid`,
    );
    const stop = await holder(
      world,
      "UPDATE enrollments SET status = 'unsubscribed', ended_at = now() WHERE id = $1",
      [enrollment!.id],
    );
    await stop.query(
      "UPDATE touches SET state = 'cancelled', live = false, wake_at = NULL, settled_at = now() WHERE id = $1",
      [touches[0]],
    );
    const worker = connection(world, 'cancelled gate');
    const verdict = passGate(world, touches, { db: worker });
    await untilWaiting(world, 'cancelled gate');
    await stop.commit();
    expect(await verdict).toEqual(['gone']);
    expect(await touchRow(world, touches[0]!)).toMatchObject({ state: 'cancelled', token: null });
  });

  it('[EXE-4] lets a touch go to one of two workers', async () => {
    const { touches } = await enrolled(world);
    const held = await holdTouch(world, touches[0]!);
    const workers = [connection(world, 'twin gate'), connection(world, 'twin gate')];
    const verdicts = workers.map((db) => passGate(world, touches, { db }));
    await untilWaiting(world, 'twin gate', 2);
    await held.rollback();
    expect((await Promise.all(verdicts)).flat().sort()).toEqual(['go', 'gone']);
  });
});

describe('a stop waits for the gates in progress and lists what they let go', () => {
  const targets: [HoldClass, (sequence: Uuid) => string][] = [
    ['organization', () => world.org],
    ['channel', () => 'email'],
    ['sequence', (sequence) => sequence],
    ['sender', () => world.sender],
  ];
  for (const [kind, idOf] of targets) {
    it(`[EXE-1] [EXE-15] a switch of the ${kind}`, async () => {
      const { sequence, touches } = await enrolled(world);
      const id = idOf(sequence);
      const token = newId();
      const held = await holdGate(world, token);
      const worker = connection(world, `${kind} gate`);
      const verdict = passGate(world, touches, { token, db: worker });
      await untilWaiting(world, `${kind} gate`);
      // It has decided, and nothing of that can be seen yet.
      const api = connection(world, `${kind} stop`);
      const receipt = hold(api, world.ctx, { class: kind, id, paused: true });
      await untilWaitingOrEnded(world, `${kind} stop`, receipt);
      await held.rollback();
      expect(await verdict).toEqual(['go']);
      expect((await receipt).in_flight.map((flying) => flying.touch)).toEqual(touches);
    });
  }

  it('[EXE-1] [SEQ-6] a pause of the enrollment', async () => {
    const { enrollments, touches } = await enrolled(world);
    const token = newId();
    const held = await holdGate(world, token);
    const worker = connection(world, 'pause gate');
    const verdict = passGate(world, touches, { token, db: worker });
    await untilWaiting(world, 'pause gate');
    const api = connection(world, 'pause stop');
    const receipt = endEnrollment(api, world.ctx, enrollments[0]!, 'pause');
    await untilWaitingOrEnded(world, 'pause stop', receipt);
    await held.rollback();
    expect(await verdict).toEqual(['go']);
    const { not_started, in_flight } = await receipt;
    expect({ not_started, in_flight: in_flight.map((flying) => flying.touch) }).toEqual({
      not_started: 0,
      in_flight: touches,
    });
  });

  it('[EXE-1] an unsubscribe, also for an enrollment that ended before', async () => {
    const { contacts, enrollments, touches } = await enrolled(world);
    const token = newId();
    const held = await holdGate(world, token);
    const worker = connection(world, 'opt-out gate');
    const verdict = passGate(world, touches, { token, db: worker });
    await untilWaiting(world, 'opt-out gate');
    // Somebody's unenroll has got as far as its flag, and no farther.
    await endEnrollment(world.db, world.ctx, enrollments[0]!, 'unenroll', {
      failpoint() {
        throw new Error('killed');
      },
    }).catch(() => undefined);
    const api = connection(world, 'opt-out stop');
    const receipt = unsubscribe(api, world.ctx, {
      contact_id: contacts[0]!,
      channel: 'email',
      source: 'api',
    });
    await untilWaitingOrEnded(world, 'opt-out stop', receipt);
    await held.rollback();
    expect(await verdict).toEqual(['go']);
    expect((await receipt).in_flight.map((flying) => flying.touch)).toEqual(touches);
  });

  it('[EXE-1] a pause that another stop has overtaken', async () => {
    const { enrollments, touches } = await enrolled(world);
    const token = newId();
    const held = await holdGate(world, token);
    const worker = connection(world, 'overtaken gate');
    const verdict = passGate(world, touches, { token, db: worker });
    await untilWaiting(world, 'overtaken gate');
    const api = connection(world, 'overtaken stop');
    const receipt = endEnrollment(api, world.ctx, enrollments[0]!, 'pause', {
      failpoint: (name) =>
        name === 'after_flag'
          ? endEnrollment(world.db, world.ctx, enrollments[0]!, 'unenroll', {
              failpoint() {
                throw new Error('killed');
              },
            }).then(
              () => undefined,
              () => undefined,
            )
          : undefined,
    });
    await untilWaitingOrEnded(world, 'overtaken stop', receipt);
    await held.rollback();
    expect(await verdict).toEqual(['go']);
    expect((await receipt).in_flight.map((flying) => flying.touch)).toEqual(touches);
    expect(await enrollmentRow(world, enrollments[0]!)).toMatchObject({ status: 'unenrolled' });
  });
});
