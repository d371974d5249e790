/** Stops against everything that comes late, freezes or runs beside them. */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { runEnrollmentJob } from '../../src/plan/sequences/bulk-enroll.ts';
import { createEnrollmentJob } from '../../src/plan/sequences/enrollment-jobs.ts';
import { act } from '../../src/plan/sequences/enrollments.ts';
import { type HoldClass, hold, releaseHeld, unsubscribe } from '../../src/plan/stop.ts';
import { children } from '../support/child.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import {
  enrolled,
  enrollmentRow,
  expire,
  nextStep,
  sending,
  settleOne,
  story,
  touchRow,
  used,
} from '../support/touches.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
const startChild = children();
beforeEach(() => {
  world = worldOf();
});

const enrollmentAction = (id: string, action: 'pause' | 'resume' | 'unenroll' | 'advance' | 'restart') =>
  act(world.db, world.versions, world.ctx, id, action);

describe('an outcome that comes after a stop', () => {
  it('[SEQ-8] resumed before it: nothing new is planned, and the outcome moves the enrollment on', async () => {
    const { enrollments, touches } = await enrolled(world);
    const [id] = enrollments as [string];
    const token = await sending(world, touches);
    const next = await nextStep(world, touches[0]!);
    await enrollmentAction(id, 'pause');
    const { enrollment, receipt } = await enrollmentAction(id, 'resume');
    expect(enrollment).toMatchObject({ status: 'active', touch_state: 'sending', due_at: null });
    expect(receipt.in_flight.map((flying) => flying.touch)).toEqual(touches);
    expect(await story(world, id)).toEqual(['0.1 sending']);
    expect(await settleOne(world, token, { touch_id: touches[0]!, outcome: 'sent', next })).toBe('settled');
    expect(await story(world, id)).toEqual(['0.1 sent', '1.1 planned']);
  });

  it('[SEQ-8] resumed after it: the next step is planned, the sent one never again', async () => {
    const { enrollments, touches } = await enrolled(world);
    const [id] = enrollments as [string];
    const token = await sending(world, touches);
    await enrollmentAction(id, 'pause');
    const next = await nextStep(world, touches[0]!);
    expect(await settleOne(world, token, { touch_id: touches[0]!, outcome: 'sent', next })).toBe('late');
    expect(await enrollmentRow(world, id)).toMatchObject({ status: 'paused', step_no: 0 });
    const { enrollment } = await enrollmentAction(id, 'resume');
    expect(enrollment).toMatchObject({ status: 'active', step_no: 1 });
    expect(await story(world, id)).toEqual(['0.1 sent', '1.1 planned']);
  });

  it('[SEQ-8] paused and resumed while its fate is unknown: nothing is planned until that is known', async () => {
    const { enrollments, touches } = await enrolled(world);
    const [id] = enrollments as [string];
    await expire(world, await sending(world, touches));
    await enrollmentAction(id, 'pause');
    await enrollmentAction(id, 'resume');
    expect(await story(world, id)).toEqual(['0.1 unknown']);
    world.provider.accepted.add(touches[0]!);
    await deliverNow(world);
    expect(world.provider.calls).toHaveLength(0);
    expect(await story(world, id)).toEqual(['0.1 sent', '1.1 planned']);
  });

  it('[EXE-3] a failure after a pause or an unenroll changes no status', async () => {
    for (const action of ['pause', 'unenroll'] as const) {
      const { enrollments, touches } = await enrolled(world);
      const token = await sending(world, touches);
      const { enrollment } = await enrollmentAction(enrollments[0]!, action);
      await settleOne(world, token, {
        touch_id: touches[0]!,
        outcome: 'failed',
        reason: 'policy',
        ends: 'failed',
      });
      expect(await enrollmentRow(world, enrollments[0]!)).toMatchObject({
        status: enrollment.status,
        ended_by: enrollment.ended_by,
      });
      expect(await touchRow(world, touches[0]!)).toMatchObject({ state: 'failed', reason: 'policy' });
    }
  });

  it('[EXE-3] a failure found out twice does not touch what was cancelled', async () => {
    const { enrollments, touches } = await enrolled(world);
    const token = await sending(world, touches);
    const wake = Date.now();
    await settleOne(world, token, { touch_id: touches[0]!, outcome: 'retry', reason: 'greylisted', wake });
    await enrollmentAction(enrollments[0]!, 'pause');
    const again = { touch_id: touches[0]!, outcome: 'failed', reason: 'other', ends: 'failed' } as const;
    expect(await settleOne(world, token, again)).toBe('lost');
    expect(await story(world, enrollments[0]!)).toEqual(['0.1 cancelled']);
    expect(Object.values(await used(world))).toEqual([0]);
  });

  it('[SEQ-9] advance and restart wait for what is in flight, and say what it is', async () => {
    const { enrollments, touches } = await enrolled(world);
    const token = await sending(world, touches);
    for (const action of ['advance', 'restart'] as const) {
      for (const state of ['sending', 'unknown']) {
        if (state === 'unknown') await expire(world, token);
        const refused = await enrollmentAction(enrollments[0]!, action).catch((error: unknown) => error);
        expect(refused).toMatchObject({
          code: 'touch_in_flight',
          extra: { receipt: { in_flight: [{ touch: touches[0] }] } },
        });
      }
    }
    expect(await story(world, enrollments[0]!)).toEqual(['0.1 unknown']);
  });
});

describe('a process that freezes between the two transactions of a stop', () => {
  for (const [event, status] of [
    ['pause', 'paused'],
    ['unenroll', 'unenrolled'],
  ] as const) {
    it(`[EXE-1] ${event}: it has stopped more, not less, and says so when it wakes`, async () => {
      const { enrollments, touches } = await enrolled(world);
      const child = startChild('test/support/stop-process.ts', [
        world.db.url,
        world.org,
        enrollments[0]!,
        event,
      ]);
      expect(await child.line()).toEqual({ flagged: true });
      child.process.kill('SIGSTOP');
      await deliverNow(world);
      expect(world.provider.calls).toEqual([]);
      child.process.kill('SIGCONT');
      child.write('go on');
      const { receipt } = (await child.line()) as { receipt: Record<string, unknown> };
      expect(receipt).toMatchObject({ status, in_flight: [], drained: true });
      await deliverNow(world);
      expect(world.provider.calls).toEqual([]);
      expect(await touchRow(world, touches[0]!)).toMatchObject({ state: 'cancelled' });
    });
  }

  it('[EXE-1] killed there, it has acknowledged nothing and nothing is sent', async () => {
    const { enrollments } = await enrolled(world);
    const child = startChild('test/support/stop-process.ts', [
      world.db.url,
      world.org,
      enrollments[0]!,
      'pause',
    ]);
    await child.line();
    child.process.kill('SIGKILL');
    await child.ended;
    await deliverNow(world);
    expect(world.provider.calls).toEqual([]);
    const receipts = await world.owner.call(sql`SELECT id FROM receipts WHERE org_id = ${world.org}::uuid`);
    expect(receipts).toEqual([]);
  });
});

describe('a stop during a bulk enrolment', () => {
  const CONTACTS = 60;
  const CHUNK = 20;

  async function enrolAll(
    sequence: string,
    contacts: readonly string[],
    at: (chunk: number) => Promise<void>,
  ) {
    const job = await createEnrollmentJob(world.db, world.versions, world.ctx, {
      sequence_id: sequence,
      contact_ids: contacts,
      chunk: CHUNK,
    });
    let chunk = 0;
    // Chunks are written side by side; what is done at them is not.
    let before: Promise<void> = Promise.resolve();
    await runEnrollmentJob(world, world.org, job.job_id, {
      worker: 'test',
      logger: world.engine.log,
      failpoint(name) {
        if (name === 'after_chunk') before = before.then(() => at(++chunk));
        return before;
      },
    });
  }

  it('[EXE-1] [EXE-15] a paused sequence sends nothing of what is enrolled later, and all of it when resumed', async () => {
    const sequence = await world.sequence();
    const contacts = await world.contacts(CONTACTS);
    let sentBefore = 0;
    await enrolAll(sequence, contacts, async (chunk) => {
      await deliverNow(world);
      if (chunk !== 1) return;
      sentBefore = world.provider.calls.length;
      const receipt = await hold(world.db, world.ctx, { class: 'sequence', id: sequence, paused: true });
      expect(receipt).toMatchObject({ in_flight: [], drained: true });
    });
    await deliverNow(world);
    expect(sentBefore).toBeGreaterThan(0);
    expect(world.provider.calls).toHaveLength(sentBefore);
    const { epoch } = await hold(world.db, world.ctx, { class: 'sequence', id: sequence, paused: false });
    await releaseHeld(world.db, { org: world.org, class: 'sequence', id: sequence, epoch });
    await deliverNow(world);
    expect(new Set(world.provider.calls.map((call) => call.message.to.address)).size).toBe(CONTACTS);
    expect(world.provider.calls).toHaveLength(CONTACTS);
  });

  it('[CON-4] [EXE-1] who opted out is not sent to, whichever chunk enrols them', async () => {
    const sequence = await world.sequence();
    const contacts = (await world.contacts(CONTACTS)).sort();
    const out = [contacts[1]!, contacts[CHUNK + 1]!, contacts[2 * CHUNK + 1]!];
    await enrolAll(sequence, contacts, async (chunk) => {
      if (chunk !== 1) return;
      for (const contact of out)
        await unsubscribe(world.db, world.ctx, { contact_id: contact, channel: 'email', source: 'api' });
    });
    await deliverNow(world);
    const sent = await world.owner.call<{ contact_id: string }>(
      sql`SELECT contact_id FROM touches WHERE org_id = ${world.org}::uuid AND state = 'sent'`,
    );
    expect(sent).toHaveLength(CONTACTS - out.length);
    expect(sent.filter((row) => out.includes(row.contact_id))).toEqual([]);
  });
});

describe('a kill switch', () => {
  const ids = (sequence: string): [HoldClass, string][] => [
    ['organization', world.org],
    ['channel', 'email'],
    ['sender', world.sender],
    ['sequence', sequence],
  ];

  it('[EXE-15] holds what is planned, and switched back the same touches go, once', async () => {
    for (const kind of [0, 1, 2, 3]) {
      const before = world.provider.calls.length;
      const { sequence, touches } = await enrolled(world, 5);
      const [type, id] = ids(sequence)[kind]!;
      await hold(world.db, world.ctx, { class: type, id, paused: true });
      await deliverNow(world);
      await deliverNow(world);
      expect(world.provider.calls).toHaveLength(before);
      const { epoch } = await hold(world.db, world.ctx, { class: type, id, paused: false });
      await releaseHeld(world.db, { org: world.org, class: type, id, epoch });
      await deliverNow(world);
      const sent = world.provider.calls.slice(before).map((call) => call.touch_id);
      expect([type, sent.sort()]).toEqual([type, [...touches].sort()]);
    }
  });
});
