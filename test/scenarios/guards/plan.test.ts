/** What keeps one waiting touch an enrollment, and one live enrollment a contact, whoever comes between. */
import { beforeEach, describe, expect, it } from 'vitest';
import { pgConstraint } from '../../../src/db/database.ts';
import { sql } from '../../../src/db/sql.ts';
import { newId } from '../../../src/kernel/ids.ts';
import { enrollContacts } from '../../../src/plan/sequences/enroll.ts';
import { act } from '../../../src/plan/sequences/enrollments.ts';
import { endEnrollment } from '../../../src/plan/stop.ts';
import type { EngineWorld } from '../../support/engine.ts';
import {
  connection,
  holdEvents,
  holdTouch,
  untilWaiting,
  untilWaitingOrEnded,
} from '../../support/interleave.ts';
import { enrolled, enrollmentRow, story } from '../../support/touches.ts';
import { worlds } from '../../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

/** Copies a touch under another id, as a second planner would add one. */
async function plantTouch(touch: string): Promise<unknown> {
  return world.owner
    .call(sql`
      INSERT INTO touches (org_id, id, source_id, sequence_id, version_id, step_id, step_no, generation, n, contact_id, sender_id, channel, not_before, planned_by)
      SELECT org_id, ${newId()}::uuid, source_id, sequence_id, version_id, step_id, step_no, generation, n + 1, contact_id, sender_id, channel, not_before, 'planted'
        FROM touches WHERE id = ${touch}::uuid`)
    .catch((error: unknown) => error);
}

describe('planning', () => {
  it('[SEQ-6] [SEQ-8] a pause that froze after its flag cancels nothing of a later resume', async () => {
    const { enrollments } = await enrolled(world);
    const [id] = enrollments;
    const receipt = await endEnrollment(world.db, world.ctx, id!, 'pause', {
      async failpoint(name) {
        if (name === 'after_flag') await act(world.db, world.versions, world.ctx, id!, 'resume');
      },
    });
    expect(receipt).toMatchObject({ not_started: 0, in_flight: [] });
    expect(await story(world, id!)).toEqual(['0.1 cancelled', '0.2 planned']);
    expect(await enrollmentRow(world, id!)).toMatchObject({ status: 'active' });
  });

  it('[SEQ-8] two resumes at once plan one touch', async () => {
    const { enrollments, touches } = await enrolled(world);
    const [id] = enrollments;
    await endEnrollment(world.db, world.ctx, id!, 'pause');
    const held = await holdTouch(world, touches[0]!);
    const first = act(connection(world, 'resume'), world.versions, world.ctx, id!, 'resume');
    const second = act(connection(world, 'resume'), world.versions, world.ctx, id!, 'resume');
    const ended = Promise.allSettled([first, second]);
    await untilWaiting(world, 'resume', 2);
    await held.rollback();
    const refused = (await ended).flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    expect(refused).toMatchObject([{ code: 'illegal_transition' }]);
    expect(await story(world, id!)).toEqual(['0.1 cancelled', '0.2 planned']);
  });

  it('[SEQ-9] an advance looks again at a touch that went to the gate meanwhile', async () => {
    const { enrollments, touches } = await enrolled(world);
    const held = await holdTouch(world, touches[0]!);
    const advance = act(connection(world, 'advance'), world.versions, world.ctx, enrollments[0]!, 'advance');
    const outcome = advance.then(
      () => 'moved',
      (error: { code?: string }) => error.code,
    );
    await untilWaiting(world, 'advance');
    await held.query("UPDATE touches SET state = 'sending', token = $2 WHERE id = $1", [touches[0], newId()]);
    await held.commit();
    expect(await outcome).toBe('touch_in_flight');
    expect(await story(world, enrollments[0]!)).toEqual(['0.1 sending']);
  });

  it('[SEQ-3] the database refuses a second waiting touch of an enrollment', async () => {
    const { touches } = await enrolled(world);
    expect(pgConstraint(await plantTouch(touches[0]!))).toBe('touches_live');
  });

  it('[SEQ-4] of two enrolments of one contact at once one is told who was first', async () => {
    const sequence = await world.sequence();
    const contacts = await world.contacts(1);
    const held = await holdEvents(world);
    const enroll = (name: string) =>
      enrollContacts(connection(world, name), world.versions, world.ctx, {
        sequence_id: sequence,
        contact_ids: contacts,
      });
    const first = enroll('first enrol');
    await untilWaiting(world, 'first enrol');
    const second = enroll('second enrol');
    await untilWaitingOrEnded(world, 'second enrol', second);
    await held.rollback();
    const [[a], [b]] = await Promise.all([first, second]);
    expect(a).toMatchObject({ result: 'enrolled' });
    expect(b).toMatchObject({
      result: 'skipped',
      reason: 'already_enrolled',
      enrollment_id: a!.enrollment_id,
    });
    const [count] = await world.owner.call(
      sql`SELECT count(*)::int AS n FROM touches WHERE sequence_id = ${sequence}::uuid`,
    );
    expect(count).toEqual({ n: 1 });
  });
});
