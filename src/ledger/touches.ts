/**
 * Touches as they are listed. The table has three indexes and none of them for lists, so the filters that are served
 * are those that a path leads to: the touches of an enrollment or of a contact, of a sequence, what is in flight, what
 * waits for a person. Everything else is refused, before it scans millions of rows.
 */
import type { Database, Tx } from '../db/database.ts';
import { type Sql, sql } from '../db/sql.ts';
import type { Channel, Mode } from '../kernel/channels.ts';
import type { Uuid } from '../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../kernel/page.ts';
import { Problem } from '../kernel/problem.ts';
import type { TouchState } from './states.ts';

const ORDER = listOrder('touches', ['uuid']);

export interface Touch {
  id: Uuid;
  state: TouchState;
  enrollment_id: Uuid;
  sequence_id: Uuid;
  version_id: Uuid;
  step_id: Uuid;
  step_no: number;
  generation: number;
  /** The how-manieth of its step in this generation. */
  n: number;
  contact_id: Uuid;
  /** Null: people do it themselves. */
  sender_id: Uuid | null;
  channel: Channel;
  /** `human`: it waits for a person. */
  mode: Mode;
  /** While it is planned and not held: when it is to go. */
  due_at: Date | null;
  /** While it is unknown: when its provider is asked next; null when only a person can tell. */
  next_look_at: Date | null;
  not_before: Date;
  not_after: Date | null;
  held_by: 'sequence' | 'sender' | 'channel' | null;
  attempt: number;
  needs_review: boolean;
  reason: string | null;
  provider_id: string | null;
  planned_by: string;
  created_at: Date;
  gated_at: Date | null;
  settled_at: Date | null;
}

export const touchColumns = sql`
  t.id, t.state, t.source_id AS enrollment_id, t.sequence_id, t.version_id, t.step_id, t.step_no, t.generation, t.n, t.contact_id,
  t.sender_id, t.channel, t.mode,
  CASE WHEN t.state = 'planned' AND t.held_by IS NULL THEN coalesce(t.wake_at, t.not_before) END AS due_at,
  CASE WHEN t.state = 'unknown' THEN t.wake_at END AS next_look_at, t.not_before, t.not_after, t.held_by, t.attempt,
  t.needs_review, t.reason, t.provider_id, t.planned_by, t.created_at, t.gated_at, t.settled_at`;

export interface TouchFilter {
  enrollment_id?: Uuid | undefined;
  contact_id?: Uuid | undefined;
  sequence_id?: Uuid | undefined;
  sender_id?: Uuid | undefined;
  state?: TouchState | undefined;
  needs_review?: boolean | undefined;
  step_id?: Uuid | undefined;
  /** `none`: those without. */
  reason?: string | undefined;
}

/** What `GET /api/touches` says of its filters, and of what it refuses. */
export const SERVED_FILTERS =
  'Served are: no filter; `enrollment_id` or `contact_id` with any others; `needs_review=true` or `state` sending or unknown, with ' +
  '`sequence_id`, `sender_id`; `sequence_id` alone; `state`, `reason` and `step_id`, with `sequence_id` or without: these are walked ' +
  'through, so a page may be short, or empty, and yet have a `next_cursor`.';

/**
 * Newest enrollments first. A sequence's alone are plan/sequences/sequence-touches.ts.
 * @throws Problem invalid_request (a combination that is not served)
 */
export async function listTouches(
  db: Database,
  org: Uuid,
  filter: TouchFilter,
  page: PageRequest,
): Promise<Page<Touch>> {
  const source = sourceOf(org, filter);
  const after = positionOf(page, ORDER)?.[0] ?? null;
  const rows = await db.inOrg(org, (tx) =>
    tx.rows<Touch>(sql`
      SELECT ${touchColumns} FROM ${source} WHERE ${conditionsOf(org, filter, after)}
       ORDER BY t.id DESC LIMIT ${page.limit + 1}`),
  );
  return pageOf(rows, page, ORDER, (row) => [row.id]);
}

/** `none`: without one. */
export function reasonIs(column: Sql, reason: string): Sql {
  return reason === 'none' ? sql`${column} IS NULL` : sql`${column} = ${reason}`;
}

/** Only what is asked for: a plan made for all filters at once serves none of them. */
export function conditionsOf(org: Uuid, filter: TouchFilter, after: Uuid | null): Sql {
  const { enrollment_id, contact_id, sequence_id, sender_id, state, needs_review, step_id, reason } = filter;
  const conditions = [
    ...(after === null ? [] : [sql`t.id < ${after}`]),
    ...(enrollment_id === undefined ? [] : [sql`t.source_id = ${enrollment_id}`]),
    ...(contact_id === undefined ? [] : [sql`t.contact_id = ${contact_id}`]),
    ...(sequence_id === undefined ? [] : [sql`t.sequence_id = ${sequence_id}`]),
    ...(sender_id === undefined ? [] : [sql`t.sender_id = ${sender_id}`]),
    ...(state === undefined ? [] : [sql`t.state = ${state}`]),
    ...(needs_review === undefined ? [] : [sql`t.needs_review = ${needs_review}`]),
    ...(step_id === undefined ? [] : [sql`t.step_id = ${step_id}`]),
    ...(reason === undefined ? [] : [reasonIs(sql`t.reason`, reason)]),
  ];
  return conditions.reduce((all, one) => sql`${all} AND ${one}`, sql`t.org_id = ${org}`);
}

function given(filter: TouchFilter): (keyof TouchFilter)[] {
  return (Object.keys(filter) as (keyof TouchFilter)[]).filter((key) => filter[key] !== undefined);
}

export function isSequenceOnly(filter: TouchFilter): boolean {
  return filter.sequence_id !== undefined && given(filter).length === 1;
}

const WALKED: readonly (keyof TouchFilter)[] = ['sequence_id', 'state', 'step_id', 'reason'];

/** Whether the rows asked for are found by walking through all of a sequence's, or of the organization's. */
export function isWalked(filter: TouchFilter): boolean {
  const names = given(filter);
  const flying = filter.state === 'sending' || filter.state === 'unknown';
  const few = flying && filter.reason === undefined && filter.step_id === undefined;
  return names.length > 0 && !few && names.every((name) => WALKED.includes(name));
}

/** The FROM clause that leads to what the filter asks for. */
function sourceOf(org: Uuid, filter: TouchFilter): Sql {
  const names = given(filter);
  if (filter.enrollment_id !== undefined)
    return sql`(SELECT * FROM touches WHERE org_id = ${org}
      AND id BETWEEN first_touch_id(${filter.enrollment_id}) AND last_touch_id(${filter.enrollment_id})) t`;
  // OFFSET 0 keeps the planner from turning it round: it believed a scan of all touches cheaper than some ranges.
  if (filter.contact_id !== undefined)
    return sql`(SELECT id FROM enrollments WHERE org_id = ${org} AND contact_id = ${filter.contact_id}) e CROSS JOIN LATERAL (
      SELECT * FROM touches x WHERE x.org_id = ${org} AND x.source_id = e.id AND x.id BETWEEN first_touch_id(e.id) AND last_touch_id(e.id) OFFSET 0) t`;
  // Read apart, so that no plan walks the whole primary key for the few that are asked for.
  if (filter.needs_review === true)
    return sql`(SELECT * FROM touches WHERE org_id = ${org} AND needs_review OFFSET 0) t`;
  if (filter.state === 'sending' || filter.state === 'unknown')
    return sql`(SELECT u.id AS flying, g.token FROM gates g CROSS JOIN unnest(g.touches) u(id) WHERE g.org_id = ${org} AND g.open > 0 OFFSET 0) f
      JOIN touches t ON t.org_id = ${org} AND t.id = f.flying AND t.token = f.token`;
  if (names.length === 0) return sql`touches t`;
  throw new Problem('invalid_request', `This combination of filters is not served. ${SERVED_FILTERS}`, {
    errors: names.map((field) => ({
      field,
      code: 'not_served',
      message: 'No index serves this combination',
    })),
  });
}

/** The touches of an enrollment, in the order they were planned; `limit` of the newest. */
export async function touchesOfEnrollment(
  tx: Tx,
  org: Uuid,
  enrollment: Uuid,
  limit: number,
): Promise<Touch[]> {
  const rows = await tx.rows<Touch>(sql`
    SELECT ${touchColumns} FROM touches t
     WHERE t.org_id = ${org} AND t.id BETWEEN first_touch_id(${enrollment}) AND last_touch_id(${enrollment}) AND t.source_id = ${enrollment}
     ORDER BY t.created_at DESC, t.generation DESC, t.step_no DESC, t.n DESC LIMIT ${limit}`);
  return rows.reverse();
}
