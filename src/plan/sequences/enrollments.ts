/**
 * Enrollments as they are read and acted on: one by id, and the five things a person may do with it. Each action
 * answers with the enrollment and its receipt; what the lifecycle table does not allow is a 409 that changes nothing.
 */
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { notFound } from '../../kernel/problem.ts';
import { drainedReceipt, type Receipt } from '../../ledger/receipts.ts';
import type { TouchState } from '../../ledger/states.ts';
import type { Context } from '../../tenancy/context.ts';
import { endEnrollment, type StopOptions } from '../stop.ts';
import type { EnrollmentStatus } from './lifecycle.ts';
import { moveEnrollment } from './move.ts';
import { restartEnrollment } from './restart.ts';
import type { VersionCache } from './versions.ts';

export interface Enrollment {
  id: Uuid;
  sequence_id: Uuid;
  version_id: Uuid;
  contact_id: Uuid;
  /** Of the touch it waits for, or the last one; null: people do that step. */
  sender_id: Uuid | null;
  status: EnrollmentStatus;
  status_reason: string | null;
  step_no: number;
  step_id: Uuid;
  /** Rises with each restart. */
  generation: number;
  /** The touch the current step waits for, or the last one it had. */
  live_touch: Uuid;
  touch_state: TouchState;
  /** When the waiting touch is due; null while none waits. */
  due_at: Date | null;
  /** Who does its steps of people; null: anybody. */
  assignee_id: Uuid | null;
  /** The job that enrolled it. */
  job_id: Uuid | null;
  enrolled_by: string;
  ended_by: string | null;
  created_at: Date;
  updated_at: Date;
  ended_at: Date | null;
}

export const enrollmentColumns = sql`
  e.id, e.sequence_id, e.version_id, e.contact_id, t.sender_id, e.status, e.status_reason, e.step_no, e.step_id, e.generation, e.live_touch,
  t.state AS touch_state, CASE WHEN t.state = 'planned' AND e.status = 'active' THEN coalesce(t.wake_at, t.not_before) END AS due_at,
  e.assignee_id, e.job_id, e.enrolled_by, e.ended_by, e.created_at, e.updated_at, e.ended_at`;

/** @throws not_found */
export async function getEnrollment(db: Database, org: Uuid, id: Uuid): Promise<Enrollment> {
  const row = await db.inOrg(org, (tx) =>
    tx.maybe<Enrollment>(sql`
      SELECT ${enrollmentColumns} FROM enrollments e LEFT JOIN touches t ON t.org_id = e.org_id AND t.id = e.live_touch
       WHERE e.org_id = ${org} AND e.id = ${id}`),
  );
  if (!row) throw notFound('enrollment', id);
  return row;
}

export const ENROLLMENT_ACTIONS = ['pause', 'resume', 'unenroll', 'advance', 'restart'] as const;
export type EnrollmentAction = (typeof ENROLLMENT_ACTIONS)[number];

/** @throws not_found, illegal_transition, touch_in_flight, enrollment_refused, already_enrolled, sequence_not_published */
export async function act(
  db: Database,
  versions: VersionCache,
  ctx: Context,
  id: Uuid,
  action: EnrollmentAction,
  options: StopOptions = {},
): Promise<{ enrollment: Enrollment; receipt: Receipt }> {
  const receipt = await perform(db, versions, ctx, id, action, options);
  return { enrollment: await getEnrollment(db, ctx.org, id), receipt };
}

async function perform(
  db: Database,
  versions: VersionCache,
  ctx: Context,
  id: Uuid,
  action: EnrollmentAction,
  options: StopOptions,
): Promise<Receipt> {
  if (action === 'pause' || action === 'unenroll') return endEnrollment(db, ctx, id, action, options);
  const receipt =
    action === 'restart'
      ? await restartEnrollment(db, versions, ctx, id, options)
      : await moveEnrollment(db, versions, ctx, id, action, options);
  // A resume may have taken a touch in flight back as its live one.
  return receipt.drained || !options.wait_ms
    ? receipt
    : drainedReceipt(db, ctx.org, receipt.id, options.wait_ms);
}
