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
import { certainFrom } from './flow.ts';
import { historyColumn, historyOf } from './history.ts';
import { inFlightProblem } from './in-flight.ts';
import { type EnrollmentStatus, type MOVES, TRANSITIONS } from './lifecycle.ts';
import { opening, plannedTouch } from './next.ts';
import { after, firstToDo, nextN } from './place.ts';
import { needsOf, whyUnreachable } from './reach.ts';
import { stepThrough } from './step-sender.ts';
import type { Version, VersionCache } from './versions.ts';

/** How often a move is decided again because something else came between; then it says conflict. */
const MAX_MOVES = 8;

type Move = (typeof MOVES)[number];

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
    if (action === 'resume') await refuseUnreachable(db, ctx, seen, plan);
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
  const row = await db.inOrg(org, (tx) =>
    tx.maybe(sql`
      SELECT e.id, e.status, e.version_id, e.contact_id, e.step_id, e.step_no, e.generation, e.live_touch, e.kept_senders, e.skip_channels,
             e.epoch, t.state, ${historyColumn}, c.time_zone, coalesce(c.phone, c.whatsapp) AS phone
        FROM enrollments e JOIN touches t ON t.org_id = e.org_id AND t.id = e.live_touch
        JOIN contacts c ON c.org_id = e.org_id AND c.id = e.contact_id
       WHERE e.org_id = ${org} AND e.id = ${id}`),
  );
  const version = row && (await versions.one(org, row.version_id));
  if (!row || !version) return null;
  const { sender_ids } = version.definition;
  return { row, version, planning: await db.inOrg(org, (tx) => readPlanning(tx, org, sender_ids)) };
}

/** Advance waits for what is in flight; resume takes it back as the live one. */
async function refuseInFlight(db: Database, ctx: Context, seen: Seen): Promise<void> {
  const { state, live_touch, id, status, epoch } = seen.row;
  if (state !== 'sending' && state !== 'unknown') return;
  throw await inFlightProblem(db, ctx, { id, status, epoch, touch: live_touch, state }, 'advance');
}

/**
 * Over the channels that are left; or, where a sequence skips the steps of a channel its contact has left, over that of the
 * step to come alone.
 */
async function refuseUnreachable(db: Database, ctx: Context, seen: Seen, plan: Plan): Promise<void> {
  const { row, planning } = seen;
  const { on_unsubscribe } = seen.version.definition;
  const ahead =
    on_unsubscribe === 'skip_steps'
      ? plan.next === null
        ? []
        : [plan.next.channel]
      : certainFrom(seen.version.definition, row.step_no);
  const needs = needsOf(ahead, planning.organization.consent_required);
  const reason = await db.inOrg(ctx.org, (tx) => whyUnreachable(tx, ctx.org, row.contact_id, needs));
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
  const { channel } = version.definition.steps[stepNo]!;
  const found = stepThrough(planning, version.senders, channel, row.contact_id, row.kept_senders ?? []);
  if (!found)
    throw new Problem('enrollment_refused', 'Its sender no longer exists.', {
      extra: { reason: 'no_sender' },
    });
  const place = placeOf({ time_zone: row.time_zone, phone: row.phone }, planning.organization.time_zone);
  const open = opening(version.definition, stepNo, planning.now, found.calendar, place);
  if (!open.ok) throw new Problem('enrollment_refused', open.detail, { extra: { reason: 'bad_schedule' } });
  const n = nextN(version.definition, stepNo, historyOf(row.history));
  const { sender_id } = found;
  const key = { enrollment_id: row.id, generation: row.generation, step_no: stepNo, n, sender_id };
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
      ${next?.channel ?? null}, ${next?.mode ?? null}, ${next?.sender_id ?? null}::uuid, ${iso(next?.not_before)}::timestamptz, ${iso(next?.not_after)}::timestamptz, ${plan.ends},
      ${receipt}::uuid, ${entry}::jsonb, NULL, ${row.version_id}::uuid) AS result`);
  return done?.result === 'moved' ? receipt : null;
}
