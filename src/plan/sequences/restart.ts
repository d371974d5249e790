/**
 * Restart of one enrollment, live or ended: step one again, under a new generation and the version published now. The
 * same function of enroll.sql that restarts a batch; here for one that is named.
 */
import type { Database, Row } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { newId, type Uuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import { getReceipt, type Receipt } from '../../ledger/receipts.ts';
import { wake } from '../../ledger/wake.ts';
import { auditEntry } from '../../tenancy/audit.ts';
import { actorText, type Context } from '../../tenancy/context.ts';
import { refusal, type StopOptions } from '../stop.ts';
import { readPlanning } from './calendar.ts';
import { readCandidates, readPlaces } from './candidates.ts';
import { EnrollPlanner, enrollableVersion, placeMatters, readAgain, writeBatch } from './enroll.ts';
import { flowOf } from './flow.ts';
import { inFlightProblem } from './in-flight.ts';
import { type EnrollmentStatus, TRANSITIONS } from './lifecycle.ts';
import { needsOf, whyUnreachable } from './reach.ts';
import type { VersionCache } from './versions.ts';

export async function restartEnrollment(
  db: Database,
  versions: VersionCache,
  ctx: Context,
  id: Uuid,
  options: StopOptions,
): Promise<Receipt> {
  const reason = options.reason ?? 'restart';
  const receipt = newId();
  const entry = auditEntry(ctx, {
    action: 'enrollment.restart',
    subject_type: 'enrollment',
    subject_id: id,
    data: { reason, receipt },
  });
  const before = await readAgain(async () => {
    const row = await see(db, ctx.org, id);
    if (!row || TRANSITIONS[row.status as EnrollmentStatus].restart === null)
      throw await refusal(db, ctx.org, id, 'restart');
    if (row.other !== null) throw alreadyEnrolled(row.other);
    const plan = await planOne(db, versions, ctx, row);
    const [result] = await writeBatch(db, ctx, plan, { reason, entry });
    if (result?.reason === 'touch_in_flight') throw await inFlight(db, ctx, id);
    return row;
  });
  await wake(db, ctx.org);
  await db.inOrg(ctx.org, (tx) =>
    tx.run(sql`
      INSERT INTO receipts (org_id, id, subject_type, subject_id, status, epoch, effective_at, not_started, in_flight, actor)
      SELECT ${ctx.org}, ${receipt}, 'enrollment', ${id}, e.status, e.epoch, e.updated_at, ${before.state === 'planned' ? 1 : 0}, '{}',
             ${actorText(ctx.actor)}
        FROM enrollments e WHERE e.org_id = ${ctx.org} AND e.id = ${id}`),
  );
  return getReceipt(db, ctx.org, receipt);
}

/** `other`: another live enrollment of the same contact in the same sequence. */
async function see(db: Database, org: Uuid, id: Uuid): Promise<Row | null> {
  return db.inOrg(org, (tx) =>
    tx.maybe(sql`
      SELECT e.sequence_id, e.contact_id, e.status, e.generation, e.epoch, e.live_touch, t.state, e.id,
             nullif(live_enrollment(e.org_id, e.sequence_id, e.contact_id), e.id) AS other
        FROM enrollments e JOIN touches t ON t.org_id = e.org_id AND t.id = e.live_touch
       WHERE e.org_id = ${org} AND e.id = ${id}`),
  );
}

async function planOne(db: Database, versions: VersionCache, ctx: Context, row: Row) {
  const version = await enrollableVersion(db, versions, ctx.org, row.sequence_id);
  const channels = flowOf(version.definition).certain_channels;
  const { planning, at, reason, rival } = await db.inOrg(ctx.org, async (tx) => {
    const planning = await readPlanning(tx, ctx.org, version.definition.sender_ids);
    const places = placeMatters(version, planning)
      ? await readPlaces(tx, ctx.org, [row.contact_id], planning.organization.time_zone)
      : null;
    const needs = needsOf(channels, planning.organization.consent_required);
    const reason = await whyUnreachable(tx, ctx.org, row.contact_id, needs);
    const { exclusive_group } = version.definition;
    const candidates =
      exclusive_group === undefined
        ? null
        : await readCandidates(tx, ctx.org, row.sequence_id, [row.contact_id], needs, exclusive_group);
    const rival = candidates?.get(row.contact_id)?.rival ?? null;
    return { planning, at: places?.get(row.contact_id) ?? null, reason, rival };
  });
  if (rival !== null) throw alreadyEnrolled(rival, 'exclusive');
  // A person's word for this one: it takes no place of the day's intake.
  const planner = new EnrollPlanner(version, planning, null);
  if (!reason)
    planner.place(row.contact_id, { kind: 'restart', enrollment_id: row.id, generation: row.generation }, at);
  const refused = reason ?? planner.plan.decided[0]?.reason;
  if (refused)
    throw new Problem('enrollment_refused', `The contact cannot be reached: ${refused}.`, {
      extra: { reason: refused },
    });
  return planner.plan;
}

export async function inFlight(db: Database, ctx: Context, id: Uuid): Promise<Problem> {
  const row = (await see(db, ctx.org, id))!;
  const { status, epoch, live_touch: touch, state } = row;
  return inFlightProblem(db, ctx, { id, status, epoch, touch, state }, 'restart');
}

export function alreadyEnrolled(enrollment: Uuid | null, reason = 'already_enrolled'): Problem {
  const where = reason === 'exclusive' ? 'another sequence of its exclusive group' : 'this sequence';
  return new Problem('already_enrolled', `The contact has an enrollment in ${where}.`, {
    extra: { reason, enrollment_id: enrollment },
  });
}
