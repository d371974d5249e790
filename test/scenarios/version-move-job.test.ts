/** Many enrollments moved to another version by a job: killed anywhere, beside workers that send, pauses and resumes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import type { App } from '../../src/app.ts';
import { sql } from '../../src/db/sql.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { runVersionMove } from '../../src/plan/sequences/bulk-version-move.ts';
import { act } from '../../src/plan/sequences/enrollments.ts';
import {
  cancelVersionMove,
  createVersionMove,
  getVersionMove,
} from '../../src/plan/sequences/version-move-jobs.ts';
import { startJobs } from '../../src/worker/jobs.ts';
import { random } from '../chaos/random.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { until } from '../support/until.ts';
import { expectSound, Lettered } from '../support/version-move.ts';
import { worlds } from '../support/worlds.ts';

const PROCESS = fileURLToPath(new URL('../support/version-move-process.mjs', import.meta.url));
const worldOf = worlds();
let world: EngineWorld;
let steps: Lettered;
beforeEach(() => {
  world = worldOf();
  steps = new Lettered(world);
});

const later = { delay: { amount: 3, unit: 'days' } };
const job = (more: { enrollment_ids?: Uuid[]; from_version?: number } = {}) =>
  createVersionMove(world.db, world.versions, world.ctx, { sequence_id: steps.sequence, ...more });
const progress = (id: Uuid) => getVersionMove(world.db, world.org, id);
const run = (id: Uuid, options: Partial<Parameters<typeof runVersionMove>[3]> = {}) =>
  runVersionMove(world, world.org, id, { worker: 'test:1', chunk: 50, ...options });

/** How many live enrollments are at each version. */
async function versions(): Promise<Record<string, number>> {
  const rows = await world.owner.call<{ number: number; n: number }>(sql`
    SELECT v.number, count(*)::int AS n FROM enrollments e JOIN sequence_versions v ON v.id = e.version_id
     WHERE e.sequence_id = ${steps.sequence}::uuid AND e.status IN ('active', 'paused') GROUP BY 1`);
  return Object.fromEntries(rows.map((row) => [`v${row.number}`, row.n]));
}

describe('a job that moves enrollments', () => {
  it('[SEQ-1] is worked by the queue to its end, with progress, and told in the audit trail', async () => {
    await steps.start('AB', { A: later });
    const people = await steps.enroll(120);
    await steps.publish('BC', { B: later });
    await act(world.db, world.versions, world.ctx, people[0]!, 'pause');
    await act(world.db, world.versions, world.ctx, people[1]!, 'unenroll');
    const made = await job();
    expect(made).toMatchObject({
      status: 'queued',
      total: 119,
      processed: 0,
      from_version: null,
      to_version: 2,
    });
    const runner = await startJobs({ ...world, logger: { warn() {} } } as unknown as App);
    try {
      await until(async () => (await progress(made.move_id)).status === 'completed', 'the job');
    } finally {
      await runner.stop();
    }
    expect(await progress(made.move_id)).toMatchObject({
      processed: 119,
      moved: 119,
      skipped: 0,
      refused: 0,
    });
    expect(await versions()).toEqual({ v2: 119 });
    expect(await expectSound(world, steps.sequence)).toEqual([]);
    const entries = await world.owner.call(sql`
      SELECT action, actor_type, data FROM audit_log WHERE org_id = ${world.org}::uuid AND subject_id = ${steps.sequence} ORDER BY id`);
    const moves = entries.filter((one) => one.action === 'enrollment.move');
    expect(moves.flatMap((one) => one.data.enrollments).sort()).toEqual(
      people.filter((id) => id !== people[1]).sort(),
    );
    expect(entries.map((one) => one.action)).toContain('version_move.create');
    expect(entries.at(-1)).toMatchObject({ action: 'version_move.complete', data: { moved: 119 } });
  });

  it('[SEQ-1] of those named, and from one version; the others are counted with their reason', async () => {
    await steps.start('AB', { A: later });
    const people = await steps.enroll(30);
    await steps.publish('AB', { A: later });
    await steps.move(people.slice(0, 5));
    await steps.publish('BA', { B: later });
    const gone = people[29]!;
    await act(world.db, world.versions, world.ctx, gone, 'unenroll');
    const nobody = newId();
    const made = await job({
      enrollment_ids: [...people.slice(0, 20), gone, nobody, people[19]!],
      from_version: 1,
    });
    expect(made).toMatchObject({ total: 23, skipped: 7, refused: 1, unknown: [nobody] });
    await run(made.move_id);
    expect(await progress(made.move_id)).toMatchObject({
      status: 'completed',
      processed: 23,
      moved: 15,
      skipped: 7,
    });
    expect(await versions()).toEqual({ v1: 9, v2: 5, v3: 15 });
    const again = await job({ from_version: 3 }).catch((error: unknown) => error);
    expect(again).toMatchObject({ code: 'invalid_request' });
    const rest = await job();
    await Promise.all([run(rest.move_id), run(rest.move_id)]);
    expect(await progress(rest.move_id)).toMatchObject({ total: 14, moved: 14 });
    await run((await job()).move_id);
    expect(await versions()).toEqual({ v3: 29 });
    expect(await expectSound(world, steps.sequence)).toEqual([]);
  });

  it('[SEQ-1] cancelled, it moves nobody after the answer', async () => {
    await steps.start('A', { A: later });
    await steps.enroll(200);
    await steps.publish('A');
    const { move_id } = await job();
    let chunks = 0;
    let atAnswer = -1;
    await run(move_id, {
      failpoint: async (name) => {
        if (name !== 'after_read' || ++chunks !== 2) return;
        atAnswer = (await cancelVersionMove(world.db, world.ctx, move_id)).moved;
      },
    });
    expect(atAnswer).toBe(50);
    expect(await versions()).toEqual({ v1: 150, v2: 50 });
    expect(await progress(move_id)).toMatchObject({ status: 'cancelled', moved: 50 });
    await run(move_id);
    expect(await versions()).toEqual({ v1: 150, v2: 50 });
  });

  it('[SEQ-1] that meets those who changed in between looks at them again, and passes nobody', async () => {
    await steps.start('AB', { A: later });
    const people = await steps.enroll(60);
    await steps.publish('AB', { A: later });
    const { move_id } = await job();
    const order = [...people].sort();
    let round = 0;
    await run(move_id, {
      chunk: 20,
      failpoint: async (name) => {
        if (name !== 'after_read' || ++round !== 1) return;
        await act(world.db, world.versions, world.ctx, order[3]!, 'pause');
        await act(world.db, world.versions, world.ctx, order[11]!, 'advance');
        await act(world.db, world.versions, world.ctx, order[12]!, 'unenroll');
      },
    });
    expect(await progress(move_id)).toMatchObject({
      status: 'completed',
      moved: 59,
      skipped: 1,
      processed: 60,
    });
    expect(await versions()).toEqual({ v2: 59 });
    expect(await steps.place(order[3]!)).toBe('paused v2 A@0');
    expect(await steps.place(order[11]!)).toBe('active v2 B@1');
  });

  it('[SEQ-1] [EXE-1] killed at random beside a worker that sends, it moves everybody and nobody gets a step twice', async () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
    console.log(`version move: seed ${seed}`);
    const { below } = random(seed);
    const accepted: Uuid[] = [];
    await steps.start('ABCD');
    const people = await steps.enroll(500);
    await steps.publish('AXDC');
    const { move_id } = await job();
    world.provider.answer = async (request) => {
      await new Promise((resolve) => setTimeout(resolve, below(30)));
      if (below(20) === 0) return { kind: 'refused', permanence: 'transient', reason: 'unavailable' };
      accepted.push(request.touch_id);
      return { kind: 'accepted' };
    };
    const engine = world.newEngine({ limits: { touches_in_flight: 60, batch: 30 } });
    let moving = true;
    const sending = (async () => {
      while (moving) await deliverNow(world, engine);
    })();
    const acting = (async () => {
      while (moving) {
        const id = people[below(people.length)]!;
        const action = below(2) === 0 ? 'pause' : 'resume';
        await act(world.db, world.versions, world.ctx, id, action).catch(() => undefined);
      }
    })();
    for (let kill = 0; kill < 4; kill++) await killedRun(move_id, 1 + below(9), below(12));
    await until(async () => {
      await run(move_id);
      return (await progress(move_id)).status !== 'running';
    }, 'the move');
    moving = false;
    await Promise.all([sending, acting]);
    const { status, total, processed } = await progress(move_id);
    expect({ status, processed }).toEqual({ status: 'completed', processed: total });
    expect(Object.keys(await versions()).filter((version) => version !== 'v2')).toEqual([]);
    expect(await expectSound(world, steps.sequence)).toEqual([]);
    expect(await twice(accepted)).toEqual([]);
  }, 60_000);
});

/** Runs the job in a process and kills it `ms` after its `after`-th failpoint, unless it was done before. */
async function killedRun(move: Uuid, after: number, ms: number): Promise<void> {
  const input = JSON.stringify({ url: world.db.url, org: world.org, job: move, chunk: 25 });
  const child = spawn(process.execPath, [PROCESS, input], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'end' || ++seen < after) continue;
    setTimeout(() => child.kill('SIGKILL'), ms);
    break;
  }
  await ended;
}

/** Of what a provider accepted, the steps that somebody got twice. */
async function twice(accepted: readonly Uuid[]): Promise<string[]> {
  const rows = await world.owner.call(sql`
    SELECT t.id, t.source_id, t.step_id FROM touches t WHERE t.sequence_id = ${steps.sequence}::uuid`);
  const known = new Map(rows.map((row) => [row.id, `${row.source_id} ${steps.letterOf(row.step_id)}`]));
  const had = accepted.map((touch) => known.get(touch)!);
  return had.filter((step, i) => had.indexOf(step) !== i);
}
