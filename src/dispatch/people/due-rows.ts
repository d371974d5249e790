/**
 * Which steps wait for people: read from the index that holds nothing else (`touches_human`), or from the enrollments
 * of one member. Everything a list shows beside the touch and its text comes with it.
 */
import type { Database, Tx } from '../../db/database.ts';
import { type Sql, sql } from '../../db/sql.ts';
import type { Channel } from '../../kernel/channels.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { TouchState } from '../../ledger/states.ts';
import type { DueBucket } from '../../schedule/due-buckets.ts';
import type { Went } from './went.ts';

export interface DueFilter {
  /** A member; `none`: nobody's. */
  assignee?: Uuid | 'none' | undefined;
  channel?: Channel | undefined;
  sequence_id?: Uuid | undefined;
}

/** Unix milliseconds; `from` inclusive, `to` exclusive. */
export interface Span {
  from: number;
  to: number;
}

export interface DueRow {
  id: Uuid;
  due_at: Date;
  /** The same with microseconds, which cursors need. */
  due_exactly: string;
  not_after: Date | null;
  state: TouchState;
  reason: string | null;
  assignee_id: Uuid | null;
  enrollment_status: string;
  /** What stops it now, as the gate would say it. */
  blocked: string | null;
  opened_by: string | null;
  opened_at: Date | null;
  started_by: string | null;
  started_at: Date | null;
  outcome: string | null;
  note: string | null;
  done_by: string | null;
  done_at: Date | null;
  /** The text that was let go, whatever became of it; null: none was yet. */
  went: Went | null;
}

/** A count goes no further: a list that long is not read to its end. */
export const MAX_COUNTED = 10_000;

const columns: Sql = sql`
  t.id, t.not_before AS due_at, to_char(t.not_before AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS due_exactly, t.not_after,
  t.state, t.reason, e.assignee_id, e.status AS enrollment_status,
  CASE WHEN e.status <> 'active' OR e.live_touch <> t.id THEN 'source_ended'
       WHEN o.status <> 'active' OR o.sending_paused THEN 'organization_paused'
       WHEN EXISTS (SELECT FROM channel_switches w WHERE w.org_id = t.org_id AND w.channel = t.channel AND w.paused) THEN 'channel_paused'
       WHEN s.status <> 'active' THEN 'sequence_paused'
       WHEN t.sender_id IS NOT NULL AND x.status IS DISTINCT FROM 'active' THEN 'sender_paused'
       WHEN t.held_by IS NOT NULL THEN 'held' END AS blocked,
  d.opened_by, d.opened_at, d.started_by, d.started_at, d.outcome, d.note, d.done_by, d.done_at, d.went`;

const beside: Sql = sql`
  JOIN organizations o ON o.org_id = t.org_id
  JOIN sequences s ON s.org_id = t.org_id AND s.id = t.sequence_id
  LEFT JOIN senders x ON x.org_id = t.org_id AND x.id = t.sender_id
  LEFT JOIN due_steps d ON d.org_id = t.org_id AND d.touch_id = t.id`;

/** Those that wait, and the enrollment of each. One member's few are found by their enrollments, not among all. */
function waiting(filter: DueFilter): Sql {
  return filter.assignee === undefined || filter.assignee === 'none'
    ? sql`touches t JOIN enrollments e ON e.org_id = t.org_id AND e.id = t.source_id`
    : sql`enrollments e JOIN touches t ON t.org_id = e.org_id AND t.id = e.live_touch`;
}

/** Only what is asked for: a plan made for all filters at once serves none of them. */
function conditions(org: Uuid, { assignee, channel, sequence_id }: DueFilter, span: Span): Sql {
  const all = [
    sql`t.org_id = ${org} AND t.mode = 'human' AND t.live`,
    ...(Number.isFinite(span.from) ? [sql`t.not_before >= ${new Date(span.from)}::timestamptz`] : []),
    ...(Number.isFinite(span.to) ? [sql`t.not_before < ${new Date(span.to)}::timestamptz`] : []),
    ...(channel === undefined ? [] : [sql`t.channel = ${channel}`]),
    ...(sequence_id === undefined ? [] : [sql`t.sequence_id = ${sequence_id}::uuid`]),
    ...(assignee === 'none' ? [sql`e.assignee_id IS NULL`] : []),
    ...(assignee === undefined || assignee === 'none'
      ? []
      : [sql`e.org_id = ${org} AND e.assignee_id = ${assignee}::uuid AND e.status IN ('active', 'paused')`]),
  ];
  return all.reduce((left, right) => sql`${left} AND ${right}`);
}

/** Soonest first. `after`: the last one shown, as `due_exactly` and id. */
export function dueRows(
  org: Uuid,
  filter: DueFilter,
  span: Span,
  after: readonly [string, Uuid] | null,
  limit: number,
): Sql {
  const further = after
    ? sql`AND (t.not_before, t.id) > (${after[0]}::timestamptz, ${after[1]}::uuid)`
    : sql``;
  return sql`
    SELECT ${columns} FROM ${waiting(filter)} ${beside}
     WHERE ${conditions(org, filter, span)} ${further}
     ORDER BY t.not_before, t.id LIMIT ${limit}`;
}

/** One by its touch, whatever became of it; null when it is not there or no person's. */
export async function readDueRow(db: Database, org: Uuid, id: Uuid): Promise<DueRow | null> {
  return db.inOrg(org, (tx) =>
    tx.maybe<DueRow>(sql`
      SELECT ${columns} FROM ${waiting({})} ${beside} WHERE t.org_id = ${org} AND t.id = ${id} AND t.mode = 'human'`),
  );
}

/** Up to MAX_COUNTED each. */
export async function countDue(
  tx: Tx,
  org: Uuid,
  filter: DueFilter,
  spans: Record<DueBucket, Span>,
): Promise<Record<DueBucket, number>> {
  const count = (span: Span) =>
    sql`(SELECT count(*)::int FROM (SELECT FROM ${waiting(filter)} WHERE ${conditions(org, filter, span)} LIMIT ${MAX_COUNTED}) c)`;
  return tx.one<Record<DueBucket, number>>(sql`
    SELECT ${count(spans.overdue)} AS overdue, ${count(spans.today)} AS today, ${count(spans.upcoming)} AS upcoming, ${count(spans.stale)} AS stale`);
}
