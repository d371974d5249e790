/** The whole table status × event over a real database: what is legal happens, what is not changes nothing. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Row } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import { Problem } from '../../src/kernel/problem.ts';
import { act, getEnrollment } from '../../src/plan/sequences/enrollments.ts';
import {
  ENROLLMENT_EVENTS,
  ENROLLMENT_STATUSES,
  type EnrollmentEvent,
  type EnrollmentStatus,
  isLive,
  TRANSITIONS,
} from '../../src/plan/sequences/lifecycle.ts';
import { endEnrollment, unsubscribe } from '../../src/plan/stop.ts';
import { type EngineWorld, engineWorld } from '../support/engine.ts';
import { ACCEPTED, answered, type Flight, HARD_BOUNCE, letGo, REFUSED } from '../support/flight.ts';
import { oneStep } from '../support/outreach.ts';

let world: EngineWorld;
beforeAll(async () => {
  world = await engineWorld();
});
afterAll(() => world?.close());

interface Subject {
  id: Uuid;
  contact: Uuid;
  /** Let go before the status was reached, so that its outcome comes late. */
  flight: Flight;
}

/** An enrollment in a status, with a touch that was let go on the way there. */
async function reach(status: EnrollmentStatus, flying: boolean, steps: number): Promise<Subject> {
  const sequence = await world.sequence(oneStep(steps));
  const [contact] = await world.contacts(1);
  const [id] = await world.enroll(sequence, [contact!]);
  const subject = { id: id!, contact: contact! } as Subject;
  const byOutcome = status === 'completed' || status === 'failed';
  if (flying || byOutcome)
    subject.flight = await letGo(world, (await getEnrollment(world.db, world.org, id!)).live_touch);
  switch (status) {
    case 'active':
      break;
    case 'paused':
    case 'unenrolled':
      await act(world.db, world.versions, world.ctx, id!, status === 'paused' ? 'pause' : 'unenroll');
      break;
    case 'exited':
    case 'bounced':
      await endEnrollment(world.db, world.ctx, id!, status === 'exited' ? 'exit' : 'bounce');
      break;
    case 'unsubscribed':
      await unsubscribe(world.db, world.ctx, { contact_id: contact!, channel: 'email', source: 'api' });
      break;
    case 'completed':
    case 'failed':
      await answered(world, subject.flight, status === 'completed' ? ACCEPTED : REFUSED);
  }
  return subject;
}

/** What causes each event, as it really happens. */
const CAUSES: Record<EnrollmentEvent, (subject: Subject) => Promise<unknown>> = {
  pause: ({ id }) => act(world.db, world.versions, world.ctx, id, 'pause', { reason: 'why' }),
  resume: ({ id }) => act(world.db, world.versions, world.ctx, id, 'resume', { reason: 'why' }),
  advance: ({ id }) => act(world.db, world.versions, world.ctx, id, 'advance', { reason: 'why' }),
  unenroll: ({ id }) => act(world.db, world.versions, world.ctx, id, 'unenroll', { reason: 'why' }),
  restart: ({ id }) => act(world.db, world.versions, world.ctx, id, 'restart', { reason: 'why' }),
  exit: ({ id }) => endEnrollment(world.db, world.ctx, id, 'exit', { reason: 'why' }),
  bounce: ({ id }) => endEnrollment(world.db, world.ctx, id, 'bounce', { reason: 'why' }),
  unsubscribe: ({ contact }) =>
    unsubscribe(world.db, world.ctx, { contact_id: contact, channel: 'email', source: 'api' }),
  fail: ({ flight }) => answered(world, flight, REFUSED),
  complete: ({ flight }) => answered(world, flight, ACCEPTED),
};
/** Refused with a 409, because somebody asks for exactly this enrollment. The others are facts: they happen anyway. */
const ASKED: EnrollmentEvent[] = ['pause', 'resume', 'advance', 'unenroll', 'restart', 'exit', 'bounce'];

interface Picture {
  row: Row;
  touches: Row[];
  events: number;
}

async function picture(id: Uuid): Promise<Picture> {
  const [seen] = await world.owner.call(sql`
    SELECT to_jsonb(e) AS row,
           (SELECT jsonb_agg(to_jsonb(t) ORDER BY t.created_at, t.id) FROM touches t WHERE t.source_id = e.id) AS touches,
           (SELECT count(*)::int FROM events v WHERE v.source_id = e.id) AS events
      FROM enrollments e WHERE e.id = ${id}::uuid`);
  return seen as Picture;
}

const waiting = (seen: Picture) =>
  seen.touches.filter((touch) => ['planned', 'sending', 'unknown'].includes(touch.state));

function expectLegal(event: EnrollmentEvent, to: EnrollmentStatus, before: Picture, after: Picture): void {
  expect(after.row.status).toBe(to);
  expect(after.row.ended_at === null).toBe(isLive(to));
  expect(after.row.ended_by === null).toBe(isLive(to));
  if (ASKED.includes(event)) {
    expect(after.row.status_reason).toBe('why');
    expect(after.row.epoch).toBe(before.row.epoch + 1);
  }
  expect(after.row.status_reason).not.toBeNull();
  expect(after.events).toBeGreaterThan(before.events);
  if (to !== 'active') {
    expect(waiting(after)).toEqual([]);
    return;
  }
  // Exactly one waiting touch, and it is the one the enrollment names (I5).
  expect(waiting(after).map((touch) => [touch.id, touch.state])).toEqual([[after.row.live_touch, 'planned']]);
  expect(after.row.live_touch).not.toBe(before.row.live_touch);
  if (event === 'advance') expect(after.row.step_no).toBe(before.row.step_no + 1);
  if (event === 'restart')
    expect(after.row).toMatchObject({ step_no: 0, generation: before.row.generation + 1, thread: [] });
  if (event === 'resume') expect(after.row.step_no).toBe(before.row.step_no);
}

/** Of a late outcome the touch records the truth; of its enrollment at most the thread grows. */
function withoutTruth(row: Row): Row {
  const { thread: _thread, thread_subject: _subject, updated_at: _updated, ...rest } = row;
  return rest;
}

const CASES = ENROLLMENT_STATUSES.flatMap((status) =>
  ENROLLMENT_EVENTS.map((event) => [status, event, TRANSITIONS[status][event]] as const),
);

describe('the table of transitions', () => {
  test.each(CASES)('[SEQ-2] %s, %s: %s', async (status, event, to) => {
    const fact = event === 'fail' || event === 'complete';
    const subject = await reach(status, fact, event === 'advance' && status === 'active' ? 2 : 1);
    const before = await picture(subject.id);
    const outcome = await CAUSES[event](subject).catch((error: unknown) => error);
    const after = await picture(subject.id);
    if (to !== null) {
      expect(outcome).not.toBeInstanceOf(Error);
      expectLegal(event, to, before, after);
      return;
    }
    if (ASKED.includes(event)) {
      expect(outcome).toBeInstanceOf(Problem);
      expect(outcome).toMatchObject({
        code: 'illegal_transition',
        extra: { enrollment_status: status, event },
      });
      expect(after).toEqual(before);
    } else if (fact && !['completed', 'failed'].includes(status)) {
      expect(outcome).toBe('late');
      expect(withoutTruth(after.row)).toEqual(withoutTruth(before.row));
      expect(after.touches).toHaveLength(1);
    } else {
      expect(outcome).not.toBeInstanceOf(Error);
      if (fact) expect(outcome).toBe('lost');
      expect(after).toEqual(before);
    }
  });

  test('[SEQ-2] an enrollment that is not there is a 404, whatever is asked', async () => {
    for (const event of ASKED)
      await expect(CAUSES[event]({ id: world.org, contact: world.org } as Subject)).rejects.toMatchObject({
        code: 'not_found',
      });
  });
});

describe('ends by outcome', () => {
  test('[INB-4] a hard bounce ends it as `bounced` and suppresses the address, also after a pause', async () => {
    for (const status of ['active', 'paused'] as const) {
      const { id, contact, flight } = await reach(status, true, 2);
      expect(await answered(world, flight, HARD_BOUNCE)).toBe(status === 'active' ? 'settled' : 'late');
      const { row } = await picture(id);
      expect(row.status).toBe(status === 'active' ? 'bounced' : 'paused');
      const [{ n }] = (await world.owner.call(
        sql`SELECT count(*)::int AS n FROM suppressions WHERE contact_id = ${contact}::uuid AND reason = 'hard_bounce'`,
      )) as [{ n: number }];
      expect(n).toBe(1);
      if (status === 'paused')
        await expect(CAUSES.resume({ id } as Subject)).rejects.toMatchObject({
          code: 'enrollment_refused',
          extra: { reason: 'suppressed' },
        });
    }
  });

  test('[SEQ-13] whoever is refused for good at the gate ends with that reason, not with every further step', async () => {
    const { id, contact } = await reach('active', false, 3);
    await world.db.inOrg(world.org, (tx) =>
      tx.run(
        sql`UPDATE contacts SET email = NULL, version = version + 1 WHERE org_id = ${world.org} AND id = ${contact}`,
      ),
    );
    const flight = await letGo(world, (await getEnrollment(world.db, world.org, id)).live_touch);
    expect(flight.verdict).toBe('no_address');
    const { settlementOfRefusal } = await import('../../src/dispatch/outcomes.ts');
    const { settle } = await import('../../src/ledger/settle.ts');
    const settlement = settlementOfRefusal(flight.touch, 'no_address', flight.planning.now)!;
    await settle(world.db, { org: world.org, token: null, actor: 'worker:test', settlements: [settlement] });
    const after = await picture(id);
    expect(after.row).toMatchObject({ status: 'failed', status_reason: 'no_address' });
    expect(after.touches).toHaveLength(1);
    expect(after.touches[0]).toMatchObject({ state: 'skipped', reason: 'no_address' });
  });
});
