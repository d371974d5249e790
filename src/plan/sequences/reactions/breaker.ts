/**
 * A bounce that a provider tells later counts for the circuit breaker of its sender [EXE-7]: once a touch, however often and
 * in however many events it is told, on the day on which the message went. What was refused at once is counted when that
 * is settled (ledger/settle.sql).
 */
import type { Tx } from '../../../db/database.ts';
import { sql } from '../../../db/sql.ts';
import type { Uuid } from '../../../kernel/ids.ts';
import type { TouchState } from '../../../ledger/states.ts';
import { periodOf } from '../../../schedule/period.ts';
import { type Breaker, TRIPPED } from '../../../senders/breaker.ts';
import { dayKey } from '../../../senders/periods.ts';
import { tripBreaker } from '../../breaker.ts';
import { conclude, type Incident, intend, type Pending, type ReactDeps, type Reaction } from './reaction.ts';

interface Sent {
  id: Uuid;
  breaker: Breaker | null;
  time_zone: string;
  /** The sender's breaker has paused it: what comes back now belongs to what it tripped over. */
  tripped: boolean;
  state: TouchState;
  gated_at: Date;
  now: Date;
}

export const countBounce: Reaction = async (deps, incident) => {
  const { event, touch, ctx } = incident;
  if (event.name !== 'bounced' || event.properties.permanence !== 'hard' || touch === null) return;
  const sent = await deps.db.inOrg(ctx.org, (tx) => readSent(tx, ctx.org, touch.id));
  const day = sent && periodOf(sent.gated_at.getTime(), sent.time_zone)?.day;
  if (!sent || !day || sent.tripped || !TAKEN.has(sent.state)) return;
  const pending: Pending = {
    reaction: 'breaker',
    subject_id: touch.id,
    reason: null,
    contact_id: event.contact_id,
    sequence_id: touch.sequence_id,
    enrollment_id: touch.enrollment_id,
  };
  if (await deps.db.inOrg(ctx.org, (tx) => count(tx, incident, pending, sent, dayKey(day))))
    await trip(deps, incident, pending, sent);
};

/** A provider may tell of it before its answer to the sending was written down. */
const TAKEN: ReadonlySet<TouchState> = new Set(['sent', 'sending', 'unknown']);

function readSent(tx: Tx, org: Uuid, touch: Uuid): Promise<Sent | null> {
  return tx.maybe<Sent>(sql`
    SELECT s.id, s.breaker, coalesce(s.time_zone, o.time_zone) AS time_zone, t.state, t.gated_at, clock_timestamp() AS now,
           s.status <> 'active' AND starts_with(coalesce(s.status_reason, ''), ${TRIPPED}) AS tripped
      FROM touches t JOIN senders s ON s.org_id = ${org} AND s.id = t.sender_id JOIN organizations o ON o.org_id = ${org}
     WHERE t.org_id = ${org} AND t.id = ${touch} AND t.gated_at IS NOT NULL`);
}

/**
 * False: it is counted, and the breaker was asked; or it went before the sender was resumed from a trip, whose record
 * began anew. Whoever holds the day's row sees what the others have counted.
 */
async function count(
  tx: Tx,
  incident: Incident,
  pending: Pending,
  sent: Pick<Sent, 'id' | 'gated_at'>,
  period: string,
): Promise<boolean> {
  const { ctx, event } = incident;
  const day = await tx.maybe<{ is_before: boolean }>(sql`
    SELECT coalesce(${sent.gated_at}::timestamptz < anew_at, false) AS is_before FROM sender_usage
     WHERE org_id = ${ctx.org} AND sender_id = ${sent.id} AND period = ${period} FOR UPDATE`);
  const before = await tx.rows<{ event_id: Uuid; result: string }>(sql`
    SELECT r.event_id, r.result FROM contact_events c
      JOIN event_reactions r ON r.org_id = ${ctx.org} AND r.event_id = c.id AND r.reaction = ${pending.reaction} AND r.subject_id = ${pending.subject_id}
     WHERE c.org_id = ${ctx.org} AND c.contact_id = ${event.contact_id} AND c.name = 'bounced'`);
  // Somebody died between counting and asking.
  if (before.length > 0) return before.some((one) => one.event_id === event.id && one.result === 'pending');
  if (day?.is_before) return false;
  await intend(tx, incident, [pending]);
  await tx.run(sql`
    UPDATE sender_usage SET bounced_later = bounced_later + 1
     WHERE org_id = ${ctx.org} AND sender_id = ${sent.id} AND period = ${period}`);
  return true;
}

async function trip({ db, log }: ReactDeps, incident: Incident, pending: Pending, sent: Sent): Promise<void> {
  const { ctx } = incident;
  const today = periodOf(sent.now.getTime(), sent.time_zone)!.day;
  const reason = await tripBreaker(db, ctx, sent, today);
  if (reason !== null)
    log.warn({ org_id: ctx.org, sender_id: sent.id, reason }, 'its circuit breaker has paused a sender');
  await db.inOrg(ctx.org, (tx) => conclude(tx, incident, pending, { result: 'done' }));
}
