/**
 * What an event ends or pauses [SEQ-11, INB-2]: enrollments of its contact whose sequence has it as goal or exit, the one
 * it replies to, the one whose message bounced. Decided in one read, written down, then carried out by the stop machinery
 * (plan/stop.ts), each with a receipt.
 */
import { uuids } from '../../../db/arrays.ts';
import type { Tx } from '../../../db/database.ts';
import { sql } from '../../../db/sql.ts';
import type { Uuid } from '../../../kernel/ids.ts';
import { Problem } from '../../../kernel/problem.ts';
import { actorText } from '../../../tenancy/context.ts';
import { endEnrollment } from '../../stop.ts';
import type { Definition } from '../definition.ts';
import { fits, labelOf } from '../event-rules.ts';
import { type EnrollmentStatus, isLive, TRANSITIONS } from '../lifecycle.ts';
import { colleaguesEnrolled, MAX_COLLEAGUES } from './colleagues.ts';
import {
  conclude,
  type Incident,
  intend,
  type Outcome,
  type Pending,
  pendingOf,
  type ReactDeps,
  type Reaction,
  receiptIdOf,
} from './reaction.ts';

const STOPS = ['pause', 'exit', 'bounce'] as const;
type Stop = (typeof STOPS)[number];

/** Before the name of the goal, in the reason of what it ended. */
const GOAL = 'goal:';

interface Wanted {
  reaction: Stop;
  reason: string;
}

/** Of an event that happened before its enrollment began. */
const OLDER = 'older_than_the_enrollment';

export const stopByEvent: Reaction = async (deps, incident) => {
  const { org } = incident.ctx;
  const decided = await decide(deps, incident);
  const pending = await deps.db.inOrg(org, async (tx) => {
    await intend(
      tx,
      incident,
      decided.filter((one) => one.skipped === null),
    );
    for (const one of decided) {
      if (one.skipped === null) continue;
      // One that was pending already was not older then: somebody began its enrollment anew meanwhile.
      const is_new = (await intend(tx, incident, [one])) === 1;
      if (is_new) await conclude(tx, incident, one, { result: 'skipped', detail: one.skipped });
    }
    return pendingOf(tx, incident, STOPS);
  });
  for (const one of pending) {
    const outcome = await carryOut(deps, incident, one);
    await deps.db.inOrg(org, (tx) => conclude(tx, incident, one, outcome));
  }
};

interface LiveRow {
  id: Uuid;
  contact_id: Uuid;
  sequence_id: Uuid;
  version_id: Uuid;
  /** The event had happened before the enrollment began, or was begun anew. */
  is_older: boolean;
}

/** An event is told in milliseconds, and one of the same millisecond is no older. */
async function liveEnrollments(tx: Tx, { ctx, event }: Incident): Promise<LiveRow[]> {
  return tx.rows<LiveRow>(sql`
    SELECT e.id, e.contact_id, e.sequence_id, e.version_id, ${event.at}::timestamptz < date_trunc('milliseconds',
           CASE WHEN e.generation = 1 THEN e.created_at ELSE coalesce((SELECT max(v.at) FROM events v
             WHERE v.org_id = ${ctx.org} AND v.source_id = e.id AND v.type = 'restart'), e.created_at) END) AS is_older
      FROM enrollments e WHERE e.org_id = ${ctx.org} AND e.contact_id = ${event.contact_id} AND e.status IN ('active', 'paused')
     ORDER BY e.id`);
}

/**
 * Which of a batch may stop something: found in one read, so that the others cost no look of their own. Replies always:
 * colleagues may be on their way though their sender is not.
 */
export async function mayStop(
  { db, versions }: ReactDeps,
  org: Uuid,
  incidents: readonly Incident[],
): Promise<Set<Uuid>> {
  const contacts = uuids([...new Set(incidents.map(({ event }) => event.contact_id))]);
  const live = await db.inOrg(org, (tx) =>
    tx.rows<Pick<LiveRow, 'id' | 'contact_id' | 'version_id'>>(sql`
      SELECT e.id, e.contact_id, e.version_id FROM enrollments e
       WHERE e.org_id = ${org} AND e.contact_id = ANY (${contacts}::uuid[]) AND e.status IN ('active', 'paused')`),
  );
  const known = await versions.get(
    org,
    live.map((row) => row.version_id),
  );
  const byContact = new Map<Uuid, typeof live>();
  for (const row of live) byContact.set(row.contact_id, [...(byContact.get(row.contact_id) ?? []), row]);
  const stopping = incidents.filter((incident) => {
    if (isReply(incident)) return true;
    return byContact.get(incident.event.contact_id)?.some((row) => {
      const definition = known.get(row.version_id)?.definition;
      return definition !== undefined && wantedBy(incident, row, definition) !== null;
    });
  });
  return new Set(stopping.map(({ event }) => event.id));
}

/** `skipped`: why it is written down and not carried out. */
type Decided = Pending & { skipped: string | null };

async function decide({ db, versions }: ReactDeps, incident: Incident): Promise<Decided[]> {
  const { ctx, touch } = incident;
  const live = await db.inOrg(ctx.org, (tx) => liveEnrollments(tx, incident));
  const ids = [...live.map((row) => row.version_id), ...(touch ? [touch.version_id] : [])];
  const known = await versions.get(ctx.org, ids);
  const decided: Decided[] = [];
  const replied: Answered[] = [];
  for (const row of live) {
    const definition = known.get(row.version_id)?.definition;
    const wanted = definition && wantedBy(incident, row, definition);
    if (!wanted) continue;
    decided.push(decidedFor(row, wanted));
    if (wanted.reason === REPLIED && !row.is_older)
      replied.push({ sequence_id: row.sequence_id, definition });
  }
  const definition = touch && known.get(touch.version_id)?.definition;
  // Also when the enrollment it answers has ended since: colleagues may still be on their way.
  const answered =
    touch && definition && isReply(incident) ? [{ sequence_id: touch.sequence_id, definition }] : replied;
  if (!answered.some((one) => asksColleagues(one.definition))) return decided;
  const others = await db.inOrg(ctx.org, (tx) => colleaguesStopped(tx, incident, answered));
  return [...decided, ...others];
}

interface Answered {
  sequence_id: Uuid;
  definition: Definition;
}

function asksColleagues({ on_reply, on_reply_scope }: Definition): boolean {
  return on_reply_scope === 'company' && on_reply !== 'ignore';
}

async function colleaguesStopped(
  tx: Tx,
  incident: Incident,
  answered: readonly Answered[],
): Promise<Decided[]> {
  const decided: Decided[] = [];
  for (const { sequence_id, definition } of answered) {
    const { on_reply = 'pause' } = definition;
    if (!asksColleagues(definition) || on_reply === 'ignore') continue;
    const wanted: Wanted = { reaction: on_reply, reason: 'colleague_replied' };
    const { colleagues, more } = await colleaguesEnrolled(tx, incident, sequence_id);
    for (const row of colleagues) decided.push(decidedFor({ ...row, is_older: false }, wanted));
    if (more) decided.push(limitReached(sequence_id, wanted));
  }
  return decided;
}

/** Stands at the event, so that whoever looks at it knows that the rest goes on. */
function limitReached(sequence_id: Uuid, wanted: Wanted): Decided {
  const nobody = { contact_id: null, enrollment_id: null };
  return {
    ...wanted,
    ...nobody,
    subject_id: sequence_id,
    sequence_id,
    skipped: `more_than_${MAX_COLLEAGUES}`,
  };
}

const REPLIED = 'replied';

function decidedFor(row: Omit<LiveRow, 'version_id'>, wanted: Wanted): Decided {
  const { id, contact_id, sequence_id } = row;
  // Whatever began anew meanwhile, a dead address stays dead.
  const skipped = row.is_older && wanted.reaction !== 'bounce' ? OLDER : null;
  return { ...wanted, subject_id: id, enrollment_id: id, contact_id, sequence_id, skipped };
}

/** An answering machine is no answer. */
function isReply({ event }: Incident): boolean {
  return event.name === 'message_received' && event.properties.auto_reply !== true;
}

function wantedBy(incident: Incident, row: Pick<LiveRow, 'id'>, definition: Definition): Wanted | null {
  const { event, touch } = incident;
  if (event.name === 'bounced' && event.properties.permanence === 'hard' && touch?.enrollment_id === row.id)
    return { reaction: 'bounce', reason: 'hard_bounce' };
  const goal = definition.goals?.find((rule) => fits(rule, event));
  if (goal) return { reaction: 'exit', reason: GOAL + labelOf(goal, event) };
  const exit = definition.exits?.find((rule) => fits(rule, event));
  if (exit) return { reaction: 'exit', reason: `exit:${labelOf(exit, event)}` };
  const { on_reply = 'pause' } = definition;
  if (!isReply(incident) || on_reply === 'ignore') return null;
  // One that answers nothing we know of is an answer to all.
  return touch === null || touch.enrollment_id === row.id ? { reaction: on_reply, reason: REPLIED } : null;
}

async function carryOut({ db }: ReactDeps, incident: Incident, pending: Pending): Promise<Outcome> {
  const { ctx, event } = incident;
  const id = pending.subject_id;
  const stop = pending.reaction as Stop;
  const receipt = receiptIdOf(incident, pending);
  const before = await db.inOrg(ctx.org, (tx) => soFar(tx, incident, id, receipt));
  if (before.receipt) return { result: 'done', receipt_id: receipt };
  // It did its part, and somebody resumed or restarted the enrollment before its receipt was written: that stands.
  if (before.flagged && before.status !== TRANSITIONS.active[stop]) return { result: 'done' };
  const goal = pending.reason?.startsWith(GOAL)
    ? { goal: pending.reason.slice(GOAL.length), event_id: event.id }
    : undefined;
  try {
    await endEnrollment(db, ctx, id, stop, { reason: pending.reason ?? stop, receipt, goal });
    return { result: 'done', receipt_id: receipt };
  } catch (error) {
    const now = await db.inOrg(ctx.org, (tx) => soFar(tx, incident, id, receipt));
    // Somebody else carried the same out, at the same time.
    if (now.receipt) return { result: 'done', receipt_id: receipt };
    if (!(error instanceof Problem)) throw error;
    if (now.flagged) return { result: 'done' };
    return { result: 'skipped', detail: isLive(now.status) ? `already_${now.status}` : now.status };
  }
}

interface SoFar {
  status: EnrollmentStatus;
  /** This event's own flag was raised. */
  flagged: boolean;
  receipt: boolean;
}

async function soFar(tx: Tx, { ctx, event }: Incident, id: Uuid, receipt: Uuid): Promise<SoFar> {
  return tx.one<SoFar>(sql`
    SELECT e.status,
           EXISTS (SELECT FROM events v WHERE v.org_id = ${ctx.org} AND v.source_id = e.id AND v.at >= ${event.created_at}
             AND v.actor = ${actorText(ctx.actor)} AND v.type IN ('pause', 'exited', 'bounced')) AS flagged,
           EXISTS (SELECT FROM receipts r WHERE r.org_id = ${ctx.org} AND r.id = ${receipt}) AS receipt
      FROM enrollments e WHERE e.org_id = ${ctx.org} AND e.id = ${id}`);
}
