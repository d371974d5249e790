/**
 * An enrollment's life after enrolling: read, pause, resume, advance, unenroll, restart. Each call answers with the
 * enrollment and its receipt; what the lifecycle table does not allow is a 409 that changes nothing.
 */
import type { Database, Row } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { newId, type Uuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import { getReceipt, type Receipt } from '../../ledger/receipts.ts';
import type { NextTouch } from '../../ledger/settle.ts';
import type { TouchState } from '../../ledger/states.ts';
import { wake } from '../../ledger/wake.ts';
import { audit } from '../../tenancy/audit.ts';
import { actorText, type Context } from '../../tenancy/context.ts';
import { endEnrollment, refusal, type StopOptions } from '../stop.ts';
import { type Planning, readPlanning } from './calendar.ts';
import { type EnrollmentStatus, TRANSITIONS } from './lifecycle.ts';
import { opening, plannedTouch } from './next.ts';
import type { Version, VersionCache } from './versions.ts';

export interface Enrollment {
  id: Uuid;
  sequence_id: Uuid;
  version_id: Uuid;
  contact_id: Uuid;
  sender_id: Uuid;
  status: EnrollmentStatus;
  status_reason: string | null;
  step_no: number;
  step_id: Uuid;
  generation: number;
  /** The touch the current step waits for, or the last one it had. */
  live_touch: Uuid;
  touch_state: TouchState;
  /** When the waiting touch is due; null while none waits. */
  due_at: Date | null;
  enrolled_by: string;
  ended_by: string | null;
  created_at: Date;
  updated_at: Date;
  ended_at: Date | null;
}

export const enrollmentColumns = sql`
  e.id, e.sequence_id, e.version_id, e.contact_id, e.sender_id, e.status, e.status_reason, e.step_no, e.step_id, e.generation, e.live_touch,
  t.state AS touch_state, CASE WHEN t.state = 'planned' AND e.status = 'active' THEN coalesce(t.wake_at, t.not_before) END AS due_at,
  e.enrolled_by, e.ended_by, e.created_at, e.updated_at, e.ended_at`;

export async function getEnrollment(db: Database, org: Uuid, id: Uuid): Promise<Enrollment> {
  const row = await db.inOrg(org, (tx) =>
    tx.maybe(sql`
      SELECT ${enrollmentColumns} FROM enrollments e LEFT JOIN touches t ON t.org_id = e.org_id AND t.id = e.live_touch
       WHERE e.org_id = ${org} AND e.id = ${id}`),
  );
  if (!row) throw new Problem('not_found', `There is no enrollment ${id}.`);
  return row as Enrollment;
}

export type EnrollmentAction = 'pause' | 'resume' | 'unenroll' | 'advance' | 'restart';

export async function act(
  db: Database,
  versions: VersionCache,
  ctx: Context,
  id: Uuid,
  action: EnrollmentAction,
  options: StopOptions = {},
): Promise<{ enrollment: Enrollment; receipt: Receipt }> {
  const receipt =
    action === 'pause' || action === 'unenroll'
      ? await endEnrollment(db, ctx, id, action, options)
      : await move(db, versions, ctx, id, action, options);
  return { enrollment: await getEnrollment(db, ctx.org, id), receipt };
}

/** How often a move is decided again because something else came between; then it says conflict. */
const MAX_MOVES = 8;

async function move(
  db: Database,
  versions: VersionCache,
  ctx: Context,
  id: Uuid,
  action: 'resume' | 'advance' | 'restart',
  options: StopOptions,
): Promise<Receipt> {
  for (let round = 0; round < MAX_MOVES; round++) {
    const seen = await see(db, versions, ctx.org, id);
    if (!seen) throw await refusal(db, ctx.org, id, action);
    if (TRANSITIONS[seen.row.status as EnrollmentStatus][action] === null)
      throw await refusal(db, ctx.org, id, action);
    await refuseInFlight(db, ctx, action, seen);
    refuseUnreachable(action, seen);
    const plan = decide(action, seen);
    const done = await write(db, ctx, id, action, seen, plan, options.reason);
    if (done === null) continue;
    if (plan.next) await wake(db, ctx.org);
    return done;
  }
  throw new Problem('conflict', 'The enrollment kept changing; read it and decide again.');
}

interface Seen {
  row: Row;
  version: Version;
  planning: Planning;
}

async function see(db: Database, versions: VersionCache, org: Uuid, id: Uuid): Promise<Seen | null> {
  const found = await db.inOrg(org, async (tx) => {
    const row = await tx.maybe(sql`
      SELECT e.id, e.status, e.version_id, e.step_no, e.step_id, e.generation, e.live_touch, e.sender_id, e.epoch, e.contact_id, c.email,
             t.state, t.n, t.step_id AS touch_step, t.step_no AS touch_step_no,
             EXISTS (SELECT FROM suppressions s WHERE s.org_id = e.org_id AND s.kind = 'email' AND s.address = c.email) AS suppressed
        FROM enrollments e JOIN touches t ON t.org_id = e.org_id AND t.id = e.live_touch
        JOIN contacts c ON c.org_id = e.org_id AND c.id = e.contact_id
       WHERE e.org_id = ${org} AND e.id = ${id}`);
    return row ? { row, planning: await readPlanning(tx, org, [row.sender_id]) } : null;
  });
  if (!found) return null;
  const version = await versions.one(org, found.row.version_id);
  return version ? { ...found, version } : null;
}

/** advance and restart wait for what is in flight; resume takes it back as the live one. */
async function refuseInFlight(db: Database, ctx: Context, action: string, seen: Seen): Promise<void> {
  const { state, live_touch, id, status, epoch } = seen.row;
  if (action === 'resume' || (state !== 'sending' && state !== 'unknown')) return;
  const receipt = newId();
  await db.inOrg(ctx.org, (tx) =>
    tx.run(sql`
      INSERT INTO receipts (org_id, id, subject_type, subject_id, status, epoch, effective_at, not_started, in_flight, actor)
      VALUES (${ctx.org}, ${receipt}, 'enrollment', ${id}, ${status}, ${epoch}, now(), 0, ${[live_touch]}, ${actorText(ctx.actor)})`),
  );
  throw new Problem(
    'touch_in_flight',
    `The touch ${live_touch} is ${state}; ${action} has to wait for its outcome.`,
    {
      extra: { receipt: await getReceipt(db, ctx.org, receipt) },
    },
  );
}

function refuseUnreachable(action: string, seen: Seen): void {
  if (action === 'advance') return;
  const reason = seen.row.email === null ? 'no_address' : seen.row.suppressed ? 'suppressed' : null;
  if (reason) {
    throw new Problem('enrollment_refused', `The contact cannot be reached: ${reason}.`, {
      extra: { reason },
    });
  }
}

interface Plan {
  next: NextTouch | null;
  n: number;
  ends: string | null;
  generation: number;
}

/** What the enrollment waits for from now on (DESIGN, Resume; SEQ-8, SEQ-9). */
function decide(action: 'resume' | 'advance' | 'restart', seen: Seen): Plan {
  const { row } = seen;
  if (action === 'restart') return fresh(seen, 0, 1, row.generation + 1);
  if (action === 'resume') {
    if (row.state === 'sending' || row.state === 'unknown')
      return { next: null, n: 0, ends: null, generation: row.generation };
    if (row.state !== 'sent' && row.state !== 'skipped')
      return fresh(seen, row.step_no, row.n + 1, row.generation);
  }
  if (row.step_no + 1 >= seen.version.definition.steps.length) {
    return { next: null, n: 0, ends: 'completed', generation: row.generation };
  }
  return fresh(seen, row.step_no + 1, 1, row.generation);
}

/** A fresh touch: due now plus the step's delay, then the window; time spent paused does not count. */
function fresh(seen: Seen, stepNo: number, n: number, generation: number): Plan {
  const { planning, version, row } = seen;
  const calendar = planning.senders.get(row.sender_id)?.calendar;
  if (!calendar)
    throw new Problem('enrollment_refused', 'Its sender no longer exists.', {
      extra: { reason: 'no_sender' },
    });
  const open = opening(version.definition, stepNo, planning.now, calendar);
  if (!open.ok) throw new Problem('enrollment_refused', open.detail, { extra: { reason: 'bad_schedule' } });
  return {
    next: plannedTouch(version.definition, { enrollment_id: row.id, generation, step_no: stepNo, n }, open),
    n,
    ends: null,
    generation,
  };
}

/** Null: something came between; look again. */
async function write(
  db: Database,
  ctx: Context,
  id: Uuid,
  action: 'resume' | 'advance' | 'restart',
  seen: Seen,
  plan: Plan,
  reason: string | undefined,
): Promise<Receipt | null> {
  const { row } = seen;
  const iso = (ms: number | null | undefined) =>
    ms === null || ms === undefined ? null : new Date(ms).toISOString();
  const [done] = await db.call<{ result: string }>(sql`
    SELECT enrollment_move(${ctx.org}::uuid, ${id}::uuid, ${row.status}, ${row.live_touch}::uuid, ${row.state},
      ${action === 'advance' ? 'skipped' : 'cancelled'}, ${action}, ${reason ?? action}, ${actorText(ctx.actor)}, ${plan.generation}::int,
      ${plan.next?.id ?? null}::uuid, ${plan.next?.step_id ?? null}::uuid, ${plan.next?.step_no ?? null}::int, ${plan.n}::int,
      ${plan.next?.channel ?? null}, ${iso(plan.next?.not_before)}::timestamptz, ${iso(plan.next?.not_after)}::timestamptz, ${plan.ends}) AS result`);
  if (done?.result !== 'moved') return null;
  const receipt = newId();
  await db.inOrg(ctx.org, async (tx) => {
    await tx.run(sql`
      INSERT INTO receipts (org_id, id, subject_type, subject_id, status, epoch, effective_at, not_started, in_flight, actor)
      SELECT ${ctx.org}, ${receipt}, 'enrollment', ${id}, e.status, e.epoch, e.updated_at, ${row.state === 'planned' ? 1 : 0},
             ARRAY(SELECT t.id FROM touches t WHERE t.org_id = ${ctx.org} AND t.contact_id = e.contact_id AND t.source_id = e.id
                      AND t.live AND t.state IN ('sending', 'unknown')), ${actorText(ctx.actor)}
        FROM enrollments e WHERE e.org_id = ${ctx.org} AND e.id = ${id}`);
    await audit(tx, ctx, {
      action: `enrollment.${action}`,
      subject_type: 'enrollment',
      subject_id: id,
      data: { reason: reason ?? null, receipt },
    });
  });
  return getReceipt(db, ctx.org, receipt);
}
