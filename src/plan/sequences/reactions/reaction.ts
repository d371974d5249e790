/**
 * What reactions have in common. A reaction is first written as `pending`, then carried out, then its result is written:
 * whoever dies in between is followed by somebody who finds it pending. Each may be carried out again, by two processes
 * at once, and is done once. Owns `event_reactions`.
 */
import type { Database, Tx } from '../../../db/database.ts';
import { sql } from '../../../db/sql.ts';
import { touchId, type Uuid } from '../../../kernel/ids.ts';
import type { ContactEvent, EventReaction } from '../../../records/events.ts';
import type { Context } from '../../../tenancy/context.ts';
import type { VersionCache } from '../versions.ts';
import type { Attributed } from './attribute.ts';

export interface ReactDeps {
  db: Database;
  versions: VersionCache;
  log: { warn(fields: object, text: string): void; error(fields: object, text: string): void };
}

/** An event, and what is known about it before anybody reacts. */
export interface Incident {
  event: ContactEvent;
  /** The event is who acts: by its actor what it did is found again. */
  ctx: Context;
  /** The touch it answers; null: none, or it is not about a message. */
  touch: Attributed | null;
}

/** One thing that events lead to. */
export type Reaction = (deps: ReactDeps, incident: Incident) => Promise<void>;

export const REACTION_NAMES = [
  'note',
  'pause',
  'exit',
  'bounce',
  'suppress',
  'unsubscribe',
  'enroll',
  'breaker',
] as const;
export type ReactionName = (typeof REACTION_NAMES)[number];

export interface Pending {
  reaction: ReactionName;
  subject_id: Uuid;
  reason: string | null;
  contact_id: Uuid | null;
  sequence_id: Uuid | null;
  enrollment_id: Uuid | null;
}

export type Outcome = Pick<EventReaction, 'result'> &
  Partial<Pick<EventReaction, 'detail' | 'enrollment_id' | 'receipt_id'>>;

export function contextOf(org: Uuid, event: Pick<ContactEvent, 'id' | 'name'>): Context {
  return { org, actor: { type: 'system', id: `event:${event.id}`, name: event.name } };
}

/** Those that are not there yet; answers how many. */
export async function intend(tx: Tx, { ctx, event }: Incident, all: readonly Pending[]): Promise<number> {
  if (all.length === 0) return 0;
  return tx.run(sql`
    INSERT INTO event_reactions (org_id, event_id, reaction, subject_id, reason, result, contact_id, sequence_id, enrollment_id, at)
    SELECT ${ctx.org}::uuid, ${event.id}::uuid, r.reaction, r.subject_id, r.reason, 'pending', r.contact_id, r.sequence_id, r.enrollment_id,
           clock_timestamp()
      FROM json_to_recordset(${JSON.stringify(all)}::json)
        AS r(reaction text, subject_id uuid, reason text, contact_id uuid, sequence_id uuid, enrollment_id uuid)
     ORDER BY r.reaction, r.subject_id
    ON CONFLICT (org_id, event_id, reaction, subject_id) DO NOTHING`);
}

/** What a batch did in this very transaction, never pending: the ids of the events for which it had not been written yet. */
export async function concluded(
  tx: Tx,
  org: Uuid,
  all: readonly (Pending & Pick<EventReaction, 'result' | 'detail'> & { event_id: Uuid })[],
): Promise<Set<Uuid>> {
  const rows = await tx.rows<{ event_id: Uuid }>(sql`
    INSERT INTO event_reactions (org_id, event_id, reaction, subject_id, reason, result, detail, contact_id, sequence_id, enrollment_id, at)
    SELECT ${org}::uuid, r.event_id, r.reaction, r.subject_id, r.reason, r.result, r.detail, r.contact_id, r.sequence_id, r.enrollment_id,
           clock_timestamp()
      FROM json_to_recordset(${JSON.stringify(all)}::json)
        AS r(event_id uuid, reaction text, subject_id uuid, reason text, result text, detail text, contact_id uuid, sequence_id uuid, enrollment_id uuid)
     ORDER BY r.event_id, r.reaction, r.subject_id
    ON CONFLICT (org_id, event_id, reaction, subject_id) DO NOTHING RETURNING event_id`);
  return new Set(rows.map((row) => row.event_id));
}

export async function pendingOf(
  tx: Tx,
  { ctx, event }: Incident,
  names: readonly ReactionName[],
): Promise<Pending[]> {
  return tx.rows<Pending>(sql`
    SELECT reaction, subject_id, reason, contact_id, sequence_id, enrollment_id FROM event_reactions
     WHERE org_id = ${ctx.org} AND event_id = ${event.id} AND result = 'pending' AND reaction = ANY (${[...names]}) ORDER BY subject_id`);
}

/** The first result stands. */
export async function conclude(
  tx: Tx,
  { ctx, event }: Incident,
  { reaction, subject_id }: Pick<Pending, 'reaction' | 'subject_id'>,
  outcome: Outcome,
): Promise<void> {
  await tx.run(sql`
    UPDATE event_reactions SET result = ${outcome.result}, detail = ${outcome.detail ?? null},
           enrollment_id = coalesce(${outcome.enrollment_id ?? null}, enrollment_id), receipt_id = ${outcome.receipt_id ?? null}, at = clock_timestamp()
     WHERE org_id = ${ctx.org} AND event_id = ${event.id} AND reaction = ${reaction} AND subject_id = ${subject_id} AND result = 'pending'`);
}

/** The same in every process that carries this reaction out. */
export function receiptIdOf({ event }: Incident, { reaction, subject_id }: Pending): Uuid {
  return touchId(event.id, `receipt.${reaction}.${subject_id}`);
}
