/**
 * Resume and advance: what an enrollment waits for is replaced. What is there is read and decided on here, and written
 * by move.sql only if it is still so; otherwise read again.
 */
import { placeOf } from '../../contacts/place.ts';
import type { Database, Row } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { newId, type Uuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import { getReceipt, type Receipt } from '../../ledger/receipts.ts';
import type { NextTouch } from '../../ledger/settle.ts';
import { wake } from '../../ledger/wake.ts';
import { auditEntry } from '../../tenancy/audit.ts';
import { actorText, type Context } from '../../tenancy/context.ts';
import { refusal, type StopOptions } from '../stop.ts';
import { type Planning, readPlanning } from './calendar.ts';
import { unreachable } from './candidates.ts';
import { historyColumn, historyOf } from './history.ts';
import { inFlightProblem } from './in-flight.ts';
import { type EnrollmentStatus, TRANSITIONS } from './lifecycle.ts';
import { opening, plannedTouch } from './next.ts';
import { after, firstToDo, nextN } from './place.ts';
import type { Version, VersionCache } from './versions.ts';

/** How often a move is decided again because something else came between; then it says conflict. */
const MAX_MOVES = 8;

type Move = 'resume' | 'advance';

export async function moveEnrollment(
  db: Database,
  versions: VersionCache,
  ctx: Context,
  id: Uuid,
  action: Move,
  options: StopOptions,
): Promise<Receipt> {
  for (let round = 0; round < MAX_MOVES; round++) {
    const seen = await see(db, versions, ctx.org, id);
    if (!seen || TRANSITIONS[seen.row.status as EnrollmentStatus][action] === null)
      throw await refusal(db, ctx.org, id, action);
    if (action === 'advance') await refuseInFlight(db, ctx, seen);
    const plan = decide(action, seen);
    if (action === 'resume') refuseUnreachable(seen, plan);
    const receipt = await write(db, ctx, id, action, seen, plan, options.reason);
    if (receipt === null) continue;
    if (plan.next) await wake(db, ctx.org);
    return getReceipt(db, ctx.org, receipt);
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
      SELECT e.id, e.status, e.version_id, e.step_id, e.step_no, e.generation, e.live_touch, e.sender_id, e.epoch, e.skip_channels, t.state,
             ${historyColumn},
             c.time_zone, coalesce(c.phone, c.whatsapp) AS phone, c.email IS NOT NULL AS has_address,
             EXISTS (SELECT FROM suppressions s WHERE s.org_id = e.org_id AND s.kind = 'email' AND s.address = c.email) AS suppressed,
             (SELECT k.status FROM consents k
               WHERE k.org_id = e.org_id AND k.contact_id = e.contact_id AND k.channel = 'email' ORDER BY k.id DESC LIMIT 1) AS consent
        FROM enrollments e JOIN touches t ON t.org_id = e.org_id AND t.id = e.live_touch
        JOIN contacts c ON c.org_id = e.org_id AND c.id = e.contact_id
       WHERE e.org_id = ${org} AND e.id = ${id}`);
    return row ? { row, planning: await readPlanning(tx, org, [row.sender_id]) } : null;
  });
  if (!found) return null;
  const version = await versions.one(org, found.row.version_id);
  return version ? { ...found, version } : null;
}

/** Advance waits for what is in flight; resume takes it back as the live one. */
async function refuseInFlight(db: Database, ctx: Context, seen: Seen): Promise<void> {
  const { state, live_touch, id, status, epoch } = seen.row;
  if (state !== 'sending' && state !== 'unknown') return;
  throw await inFlightProblem(db, ctx, { id, status, epoch, touch: live_touch, state }, 'advance');
}

/** A sequence that skips the steps of a channel its contact has left goes on for who can be reached by its next one. */
function refuseUnreachable(seen: Seen, plan: Plan): void {
  if (seen.version.definition.on_unsubscribe === 'skip_steps' && plan.next?.channel !== 'email') return;
  const { has_address, suppressed, consent } = seen.row;
  const required = seen.planning.organization.consent_required.includes('email');
  const reason = unreachable({ has_address, suppressed, consent }, required);
  if (reason)
    throw new Problem('enrollment_refused', `The contact cannot be reached: ${reason}.`, {
      extra: { reason },
    });
}

interface Plan {
  next: NextTouch | null;
  n: number;
  ends: string | null;
}

/** What the enrollment waits for from now on (DESIGN, Resume; SEQ-8, SEQ-9). */
function decide(action: Move, seen: Seen): Plan {
  const { row, version } = seen;
  if (action === 'resume' && (row.state === 'sending' || row.state === 'unknown'))
    return { next: null, n: 0, ends: null };
  const again = action === 'resume' && row.state !== 'sent' && row.state !== 'skipped';
  const place = { step_id: row.step_id, step_no: row.step_no };
  const from = again ? place.step_no : after(version.definition, place);
  const passed = { history: historyOf(row.history), skip_channels: row.skip_channels };
  const stepNo = firstToDo(version.definition, from, passed);
  return stepNo === null ? { next: null, n: 0, ends: 'completed' } : fresh(seen, stepNo);
}

/** A fresh touch: due now plus the step's delay, then the window; time spent paused does not count. */
function fresh(seen: Seen, stepNo: number): Plan {
  const { planning, version, row } = seen;
  const calendar = planning.senders.get(row.sender_id)?.calendar;
  if (!calendar)
    throw new Problem('enrollment_refused', 'Its sender no longer exists.', {
      extra: { reason: 'no_sender' },
    });
  const place = placeOf({ time_zone: row.time_zone, phone: row.phone }, planning.organization.time_zone);
  const open = opening(version.definition, stepNo, planning.now, calendar, place);
  if (!open.ok) throw new Problem('enrollment_refused', open.detail, { extra: { reason: 'bad_schedule' } });
  const n = nextN(version.definition, stepNo, historyOf(row.history));
  const key = { enrollment_id: row.id, generation: row.generation, step_no: stepNo, n };
  return { next: plannedTouch(version.definition, key, open), n, ends: null };
}

/** The receipt; null: something came between, look again. */
async function write(
  db: Database,
  ctx: Context,
  id: Uuid,
  action: Move,
  seen: Seen,
  plan: Plan,
  reason: string | undefined,
): Promise<Uuid | null> {
  const { row } = seen;
  const { next } = plan;
  const receipt = newId();
  const iso = (ms: number | null | undefined) =>
    ms === null || ms === undefined ? null : new Date(ms).toISOString();
  const entry = auditEntry(ctx, {
    action: `enrollment.${action}`,
    subject_type: 'enrollment',
    subject_id: id,
    data: { reason: reason ?? null, receipt },
  });
  const [done] = await db.call<{ result: string }>(sql`
    SELECT enrollment_move(${ctx.org}::uuid, ${id}::uuid, ${row.status}, ${row.live_touch}::uuid, ${row.state},
      ${action === 'advance' ? 'skipped' : 'cancelled'}, ${action}, ${reason ?? action}, ${actorText(ctx.actor)},
      ${next?.id ?? null}::uuid, ${next?.step_id ?? null}::uuid, ${next?.step_no ?? null}::int, ${plan.n}::int,
      ${next?.channel ?? null}, ${iso(next?.not_before)}::timestamptz, ${iso(next?.not_after)}::timestamptz, ${plan.ends},
      ${receipt}::uuid, ${entry}::jsonb, NULL, ${row.version_id}::uuid) AS result`);
  return done?.result === 'moved' ? receipt : null;
}
