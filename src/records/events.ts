/**
 * Contact events: what happened to a contact, or came back from one, under a name. Owns `contact_events` and the
 * reading of `event_reactions`. In: what the API, a record that changed or a provider tells. Out: each stored once,
 * however often it is told, and a job that carries the reactions out (plan/sequences/react.ts): stored first, so that
 * no reaction can make the telling fail [INB-1].
 */
import { wakeWaits } from '../contacts/wake-waits.ts';
import type { Database, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { newId, type Uuid } from '../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../kernel/page.ts';
import { notFound } from '../kernel/problem.ts';
import { actorText, type Context } from '../tenancy/context.ts';
import type { Properties } from './properties.ts';

/** The queued task, carried out by plan/sequences/react.ts. Its payload names the organization only. */
export const REACT = 'react_to_events';

/** Whoever tells an event reacts to it at once; the job follows for the case that it could not. */
const FOLLOW_MS = 2_000;

export interface NewEvent {
  contact_id: Uuid;
  name: string;
  at: Date;
  /** What `source` calls it: told again, it is not written again. */
  external_id?: string | null | undefined;
  touch_id?: Uuid | null | undefined;
  properties?: Properties | undefined;
}

export interface Recorded {
  id: Uuid;
  /** False: it had been told before. */
  is_new: boolean;
  /** What had been told under its external id is of another contact, or under another name: it is lost if nobody says so. */
  is_other: boolean;
}

/**
 * Part of the teller's transaction. Answers in the order given. Written in the order of the external ids, so that two
 * that tell the same never wait in a circle.
 */
export async function recordEvents(
  tx: Tx,
  ctx: Context,
  source: string,
  events: readonly NewEvent[],
): Promise<Recorded[]> {
  if (events.length === 0) return [];
  // Drawn in one millisecond they come in any order; the list and the reactions go by them.
  const ids = events.map(() => newId()).sort();
  const given = events.map((event, n) => ({
    ...event,
    n,
    id: ids[n]!,
    external_id: event.external_id ?? null,
  }));
  const list = JSON.stringify(given.map((event) => ({ ...event, properties: event.properties ?? {} })));
  const written = await tx.rows<{ id: Uuid }>(sql`
    INSERT INTO contact_events (org_id, id, contact_id, name, at, source, external_id, touch_id, properties, told_by, created_at)
    SELECT ${ctx.org}::uuid, r.id, r.contact_id, r.name, r.at, ${source}, r.external_id, r.touch_id, r.properties,
           ${actorText(ctx.actor)}, clock_timestamp()
      FROM json_to_recordset(${list}::json)
        AS r(n int, id uuid, contact_id uuid, name text, at timestamptz, external_id text, touch_id uuid, properties jsonb)
     ORDER BY r.external_id, r.n
    ON CONFLICT (org_id, source, external_id) WHERE external_id IS NOT NULL DO NOTHING
    RETURNING id`);
  const fresh = new Set(written.map((row) => row.id));
  if (fresh.size > 0) {
    await queueReactions(tx, ctx.org);
    const contacts = given.filter((event) => fresh.has(event.id)).map((event) => event.contact_id);
    await wakeWaits(tx, ctx.org, [...new Set(contacts)]);
  }
  const known =
    fresh.size === given.length ? new Map<string, Known>() : await knownEvents(tx, ctx.org, source, given);
  return given.map((event) => {
    if (fresh.has(event.id)) return { id: event.id, is_new: true, is_other: false };
    const { id, contact_id, name } = known.get(event.external_id!)!;
    return { id, is_new: false, is_other: contact_id !== event.contact_id || name !== event.name };
  });
}

interface Known {
  id: Uuid;
  external_id: string;
  contact_id: Uuid;
  name: string;
}

/** In a later statement than the insert: what another had told first is committed by now. */
async function knownEvents(
  tx: Tx,
  org: Uuid,
  source: string,
  given: readonly { external_id: string | null }[],
): Promise<Map<string, Known>> {
  const ids = given.map((event) => event.external_id).filter((id) => id !== null);
  const rows = await tx.rows<Known>(sql`
    SELECT id, external_id, contact_id, name FROM contact_events
     WHERE org_id = ${org} AND source = ${source} AND external_id = ANY (${ids})`);
  return new Map(rows.map((row) => [row.external_id, row]));
}

/** One job an organization; more events before it begins do not put it off. */
async function queueReactions(tx: Tx, org: Uuid): Promise<void> {
  await tx.run(sql`
    SELECT graphile_worker.add_job(${REACT}, ${JSON.stringify({ org })}::json, job_key => ${`${REACT}:${org}`},
      run_at => clock_timestamp() + ${FOLLOW_MS}::int * interval '1 millisecond', job_key_mode => 'preserve_run_at')`);
}

export interface ContactEvent {
  id: Uuid;
  contact_id: Uuid;
  name: string;
  at: Date;
  source: string;
  external_id: string | null;
  touch_id: Uuid | null;
  properties: Properties;
  told_by: string;
  created_at: Date;
  /** When all that it led to was carried out; null: not yet. */
  reacted_at: Date | null;
}

export const REACTION_RESULTS = ['pending', 'done', 'skipped', 'refused', 'failed'] as const;

export interface EventReaction {
  /** What was done, or was to be. */
  reaction: string;
  /** By which rule. */
  reason: string | null;
  result: (typeof REACTION_RESULTS)[number];
  /** Why it was not done. */
  detail: string | null;
  contact_id: Uuid | null;
  sequence_id: Uuid | null;
  enrollment_id: Uuid | null;
  /** Of a stop. */
  receipt_id: Uuid | null;
  at: Date;
}

export const eventColumns = sql`id, contact_id, name, at, source, external_id, touch_id, properties, told_by, created_at, reacted_at`;

export interface EventFilter extends PageRequest {
  contact_id?: Uuid | undefined;
  name?: string | undefined;
}

const ORDER = listOrder('contact_events', ['uuid']);

/** Told last first. */
export async function listEvents(
  db: Database,
  ctx: Pick<Context, 'org'>,
  filter: EventFilter,
): Promise<Page<ContactEvent>> {
  const after = positionOf(filter, ORDER)?.[0];
  const rows = await db.inOrg(ctx.org, (tx) =>
    tx.rows<ContactEvent>(sql`
      SELECT ${eventColumns} FROM contact_events WHERE org_id = ${ctx.org}
        ${after === undefined ? sql`` : sql`AND id < ${after}`}
        ${filter.contact_id === undefined ? sql`` : sql`AND contact_id = ${filter.contact_id}`}
        ${filter.name === undefined ? sql`` : sql`AND name = ${filter.name}`}
       ORDER BY id DESC LIMIT ${filter.limit + 1}`),
  );
  return pageOf(rows, filter, ORDER, (row) => [row.id]);
}

/** With what it led to. @throws not_found */
export async function getEvent(
  db: Database,
  ctx: Pick<Context, 'org'>,
  id: Uuid,
): Promise<ContactEvent & { reactions: EventReaction[] }> {
  return db.inOrg(ctx.org, async (tx) => {
    const event = await tx.maybe<ContactEvent>(
      sql`SELECT ${eventColumns} FROM contact_events WHERE org_id = ${ctx.org} AND id = ${id}`,
    );
    if (!event) throw notFound('event', id);
    const reactions = await tx.rows<EventReaction>(sql`
      SELECT reaction, reason, result, detail, contact_id, sequence_id, enrollment_id, receipt_id, at FROM event_reactions
       WHERE org_id = ${ctx.org} AND event_id = ${id} ORDER BY at, reaction, subject_id`);
    return { ...event, reactions };
  });
}
