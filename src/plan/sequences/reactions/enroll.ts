/**
 * Events that enrol [SEQ-10]: into each sequence whose published version names the event, through the ordinary way of
 * enrolling, with its checks and its rule about who was enrolled before.
 */
import type { Tx } from '../../../db/database.ts';
import { sql } from '../../../db/sql.ts';
import type { Uuid } from '../../../kernel/ids.ts';
import { Problem } from '../../../kernel/problem.ts';
import { actorText } from '../../../tenancy/context.ts';
import { enrollContacts } from '../enroll.ts';
import { type EventRule, fits, labelOf } from '../event-rules.ts';
import {
  conclude,
  type Incident,
  intend,
  type Outcome,
  type Pending,
  pendingOf,
  type ReactDeps,
} from './reaction.ts';

export interface Trigger {
  sequence_id: Uuid;
  enroll_on: EventRule[];
}

/** Who tells last year's deals today wants them known, not acted upon. */
const MAX_AGE_MS = 7 * 86_400_000;
const TOO_OLD = 'event_too_old';

/** Of the sequences that take people now; a paused one keeps their messages. */
export async function readTriggers(tx: Tx, org: Uuid): Promise<Trigger[]> {
  return tx.rows<Trigger>(sql`
    SELECT s.id AS sequence_id, v.enroll_on FROM sequence_versions v
      JOIN sequences s ON s.org_id = ${org} AND s.published_version_id = v.id AND s.id = v.sequence_id
     WHERE v.org_id = ${org} AND v.enroll_on IS NOT NULL AND s.status IN ('active', 'paused') ORDER BY s.id`);
}

export function begins({ event }: Incident, triggers: readonly Trigger[]): boolean {
  return triggers.some(({ enroll_on }) => enroll_on.some((rule) => fits(rule, event)));
}

export async function enrollByEvent(
  deps: ReactDeps,
  incident: Incident,
  triggers: readonly Trigger[],
): Promise<void> {
  const { event, ctx, touch } = incident;
  const wanted = triggers.flatMap(({ sequence_id, enroll_on }): Pending[] => {
    const rule = enroll_on.find((one) => fits(one, event));
    // What a sequence's own message led to begins it no further time: that would go on for ever.
    if (!rule || touch?.sequence_id === sequence_id) return [];
    const reason = labelOf(rule, event);
    return [
      {
        reaction: 'enroll',
        subject_id: sequence_id,
        reason,
        contact_id: event.contact_id,
        sequence_id,
        enrollment_id: null,
      },
    ];
  });
  const pending = await deps.db.inOrg(ctx.org, async (tx) => {
    await intend(tx, incident, wanted);
    return pendingOf(tx, incident, ['enroll']);
  });
  for (const one of pending) {
    const outcome = await carryOut(deps, incident, one.subject_id);
    await deps.db.inOrg(ctx.org, (tx) => conclude(tx, incident, one, outcome));
  }
}

async function carryOut(deps: ReactDeps, incident: Incident, sequence_id: Uuid): Promise<Outcome> {
  const { event, ctx } = incident;
  if (event.created_at.getTime() - event.at.getTime() > MAX_AGE_MS)
    return { result: 'skipped', detail: TOO_OLD };
  const before = await enrolledBy(deps, incident, sequence_id);
  if (before) return before;
  try {
    const [result] = await enrollContacts(deps.db, deps.versions, ctx, {
      sequence_id,
      contact_ids: [event.contact_id],
    });
    if (result!.result === 'enrolled') return { result: 'done', enrollment_id: result!.enrollment_id };
    // Two processes may have been at it; then one of them was told that it is enrolled already.
    const other = await enrolledBy(deps, incident, sequence_id);
    return other ?? { result: result!.result, detail: result!.reason, enrollment_id: result!.enrollment_id };
  } catch (error) {
    // Archived meanwhile.
    if (!(error instanceof Problem)) throw error;
    return { result: 'refused', detail: error.code };
  }
}

/** By whoever died over this event, or is at it too. */
async function enrolledBy(
  { db }: ReactDeps,
  { event, ctx }: Incident,
  sequence: Uuid,
): Promise<Outcome | null> {
  const row = await db.inOrg(ctx.org, (tx) =>
    tx.maybe<{ id: Uuid }>(sql`
      SELECT e.id FROM enrollments e
       WHERE e.org_id = ${ctx.org} AND e.contact_id = ${event.contact_id} AND e.sequence_id IS NOT DISTINCT FROM ${sequence}
         AND e.enrolled_by = ${actorText(ctx.actor)}`),
  );
  return row && { result: 'done', enrollment_id: row.id };
}
