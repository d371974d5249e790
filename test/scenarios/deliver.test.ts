import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { act, getEnrollment } from '../../src/plan/sequences/enrollments.ts';
import { Worker } from '../../src/worker/worker.ts';
import { type EngineWorld, engineWorld, until } from '../support/engine.ts';

describe('delivering a sequence', () => {
  let world: EngineWorld;
  let worker: Worker;
  beforeAll(async () => {
    world = await engineWorld();
    worker = new Worker(world.engine, { lanes: 2, poll_ms: 200 });
    worker.start();
  });
  afterAll(async () => {
    await worker.stop();
    await world.close();
  });

  it('[SEQ-3] [EXE-6] sends the first step once to each contact and plans the second', async () => {
    const sequence = await world.sequence();
    const contacts = await world.contacts(30);
    const enrollments = await world.enroll(sequence, contacts);
    await until(() => world.provider.calls.length >= 30, 'thirty sends');
    await until(
      async () => (await getEnrollment(world.db, world.org, enrollments[29]!)).step_no === 1,
      'moved on',
    );
    expect(new Set(world.provider.calls.map((call) => call.idempotency_key)).size).toBe(30);
    expect(world.provider.calls[0]!.message.subject).toMatch(/^Hello Person/);
    const enrollment = await getEnrollment(world.db, world.org, enrollments[0]!);
    expect(enrollment).toMatchObject({ status: 'active', step_no: 1, touch_state: 'planned' });
    expect(enrollment.due_at!.getTime()).toBeGreaterThan(Date.now() + 23 * 3_600_000);
  });

  it('[SEQ-6] [EXE-1] a paused enrollment is never sent, and resuming sends it once', async () => {
    const sequence = await world.sequence({
      steps: [{ channel: 'email', delay: { amount: 1, unit: 'hours' }, subject: 'Hi', body_text: 'One' }],
    });
    const [enrollment] = await world.enroll(sequence, await world.contacts(1));
    const paused = await act(world.db, world.versions, world.ctx, enrollment!, 'pause');
    expect(paused).toMatchObject({
      enrollment: { status: 'paused', due_at: null, touch_state: 'cancelled' },
      receipt: { not_started: 1, in_flight: [], drained: true },
    });
    const resumed = await act(world.db, world.versions, world.ctx, enrollment!, 'resume');
    expect(resumed.enrollment).toMatchObject({ status: 'active', touch_state: 'planned' });
    const counts = await world.owner.call(
      sql`SELECT state, count(*)::int AS n FROM touches WHERE source_id = ${enrollment}::uuid GROUP BY 1 ORDER BY 1`,
    );
    expect(counts).toEqual([
      { state: 'cancelled', n: 1 },
      { state: 'planned', n: 1 },
    ]);
  });
});
