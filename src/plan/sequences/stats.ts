/**
 * A sequence, or the organization, in numbers that add up [I3]: touches created = sent + failed + skipped + cancelled +
 * waiting; enrolled = active + paused + each end. Each part by reason, with the path of the list that has exactly its
 * rows. One statement, so one moment. That they add up is not taken from the parts: the event stream tells who was enrolled
 * and what ended, and the enrollments what must be waiting.
 */
import type { Database } from '../../db/database.ts';
import { type Sql, sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { notFound } from '../../kernel/problem.ts';
import { TOUCH_STATES, type TouchState, WAITING_STATES } from '../../ledger/states.ts';
import type { Context } from '../../tenancy/context.ts';
import type { Step } from './definition.ts';
import { ENROLLMENT_STATUSES, type EnrollmentStatus } from './lifecycle.ts';
import { readVariantStats, type VariantStats } from './variants/variant-stats.ts';

type Counts<K extends string> = Record<K, number> & { total: number };

export interface Part<S extends string> {
  state: S;
  reason: string | null;
  count: number;
  /** The path of the list of exactly these. */
  rows: string;
}

export interface StepStats extends Counts<TouchState> {
  step_id: Uuid;
  variants: VariantStats | null;
  /** Whether its ends are those that the event stream tells. */
  balanced: boolean;
  parts: Part<TouchState>[];
}

export interface Stats {
  enrollments: Counts<EnrollmentStatus>;
  enrollment_parts: Part<EnrollmentStatus>[];
  /** `waiting`: planned, sending and unknown together. */
  touches: Counts<TouchState> & { waiting: number };
  /** By state and reason, most first; those that add up to `touches`. */
  parts: Part<TouchState>[];
  balance: Balance;
  balanced: boolean;
}

/** Counted without the parts. */
export interface Balance {
  /** Enrollments, by the event that began each. */
  enrolled: number;
  /** Touches: the ends told, what active enrollments wait for, and what is left of others. */
  created: number;
  /** By the event that ended each. */
  ended: Record<EndState, number>;
  /** Active enrollments: each waits for one. */
  active: number;
  /** Touches that still wait though their enrollment is paused or over: in flight, or just being stopped. */
  left: number;
}

export interface SequenceStats extends Stats {
  sequence_id: Uuid;
  /** Enrollments that reached a goal, as the event stream has it: also those restarted since. */
  conversions: { total: number; contacts: number; goals: { goal: string; count: number }[] };
  /** Why, where a touch says why; most first. */
  reasons: { state: TouchState; reason: string; count: number }[];
  /** By step, over all versions. */
  steps: StepStats[];
}

const END_STATES = ['sent', 'failed', 'skipped', 'cancelled'] as const satisfies readonly TouchState[];
type EndState = (typeof END_STATES)[number];

interface CountRow {
  of: 'enrollments' | 'touches' | 'events';
  status: string;
  reason: string | null;
  step_id: Uuid | null;
  /** Of touches, those that wait though their enrollment is not active. */
  left: number;
  n: number;
}

/** @throws Problem not_found */
export async function sequenceStats(
  db: Database,
  ctx: Pick<Context, 'org'>,
  id: Uuid,
): Promise<SequenceStats> {
  const { rows, variants, goals } = await db.inOrg(ctx.org, async (tx) => {
    const row = await tx.maybe(sql`SELECT id FROM sequences WHERE org_id = ${ctx.org} AND id = ${id}`);
    if (!row) throw notFound('sequence', id);
    const published = await tx.maybe<{ steps: Step[] }>(sql`
      SELECT v.definition -> 'steps' AS steps FROM sequences s JOIN sequence_versions v ON v.org_id = s.org_id AND v.id = s.published_version_id
       WHERE s.org_id = ${ctx.org} AND s.id = ${id}`);
    return {
      rows: await tx.rows<CountRow>(counting(ctx.org, ofSequence(ctx.org, id))),
      variants: await readVariantStats(tx, ctx.org, id, published?.steps ?? []),
      goals: await tx.rows<GoalRow>(sql`
        SELECT coalesce(reason, '') AS goal, count(*)::int AS count, NULL::int AS contacts FROM events
         WHERE org_id = ${ctx.org} AND sequence_id = ${id} AND type = 'converted' GROUP BY 1
        UNION ALL
        SELECT '', 0, count(DISTINCT contact_id)::int FROM events
         WHERE org_id = ${ctx.org} AND sequence_id = ${id} AND type = 'converted'`),
    };
  });
  const query = `sequence_id=${id}&`;
  const all = statsOf(rows, query);
  const had = rows.flatMap((row) => (row.of === 'touches' ? [row.step_id!] : []));
  const steps = [...new Set([...had, ...variants.keys()])].sort();
  return {
    sequence_id: id,
    ...all,
    conversions: conversionsOf(goals),
    reasons: all.parts.flatMap(({ state, reason, count }) =>
      reason === null ? [] : [{ state, reason, count }],
    ),
    steps: steps.map((step) => ({ ...stepStats(rows, step, query), variants: variants.get(step) ?? null })),
  };
}

/** Of everything that the organization has; reads all of its enrollments, touches and events once. */
export async function organizationStats(db: Database, ctx: Pick<Context, 'org'>): Promise<Stats> {
  const { org } = ctx;
  const sources = {
    enrollments: sql`(SELECT id, status, status_reason FROM enrollments WHERE org_id = ${org})`,
    touches: sql`(SELECT source_id, state, reason, NULL::uuid AS step_id, live FROM touches WHERE org_id = ${org})`,
    events: sql`(SELECT type, touch_id, NULL::uuid AS step_id FROM events WHERE org_id = ${org})`,
  };
  return statsOf(await db.inOrg(org, (tx) => tx.rows<CountRow>(counting(org, sources))), '');
}

interface Sources {
  enrollments: Sql;
  touches: Sql;
  events: Sql;
}

/**
 * What belongs to one sequence, by its enrollments: their touches lie together under their ids (those enrolled in one
 * millisecond among each other's, so each stretch is read once), their events under theirs. OFFSET 0: see ledger/touches.ts.
 */
function ofSequence(org: Uuid, sequence: Uuid): Sources {
  const own = sql`(SELECT id, status, status_reason, created_at FROM enrollments WHERE org_id = ${org} AND sequence_id = ${sequence})`;
  return {
    enrollments: own,
    touches: sql`(SELECT x.* FROM (SELECT DISTINCT first_touch_id(e.id) AS low, last_touch_id(e.id) AS high FROM ${own} e) p CROSS JOIN LATERAL (
      SELECT t.source_id, t.state, t.reason, t.step_id, t.live FROM touches t
       WHERE t.org_id = ${org} AND t.id BETWEEN p.low AND p.high AND t.sequence_id = ${sequence} OFFSET 0) x)`,
    // What happened to it happened after it began; a provider's clock may be behind by less than this.
    events: sql`(SELECT x.* FROM ${own} e CROSS JOIN LATERAL (
      SELECT v.type, v.touch_id, v.step_id FROM events v
       WHERE v.org_id = ${org} AND v.source_id = e.id AND v.at >= e.created_at - interval '1 day' OFFSET 0) x)`,
  };
}

function counting(org: Uuid, { enrollments, touches, events }: Sources): Sql {
  return sql`
    SELECT 'enrollments' AS of, e.status, e.status_reason AS reason, NULL::uuid AS step_id, 0 AS left, count(*)::int AS n
      FROM ${enrollments} e GROUP BY 2, 3
    UNION ALL
    SELECT 'touches', t.state, t.reason, t.step_id, count(*) FILTER (WHERE t.live AND e.status <> 'active')::int, count(*)::int
      FROM ${touches} t JOIN enrollments e ON e.org_id = ${org} AND e.id = t.source_id GROUP BY 2, 3, 4
    UNION ALL
    SELECT 'events', v.type, NULL, v.step_id, 0, count(*)::int
      FROM ${events} v WHERE v.type = 'enrolled' OR v.touch_id IS NOT NULL AND v.type = ANY (${[...END_STATES]}) GROUP BY 2, 4`;
}

function statsOf(rows: readonly CountRow[], query: string): Stats {
  const of = (what: CountRow['of']) => rows.filter((row) => row.of === what);
  const touches = counted(TOUCH_STATES, of('touches'));
  const enrollments = counted(ENROLLMENT_STATUSES, of('enrollments'));
  const waiting = WAITING_STATES.reduce((sum, state) => sum + touches[state], 0);
  const told = (type: string) => sumOf(of('events').filter((row) => row.status === type));
  const ended = Object.fromEntries(END_STATES.map((state) => [state, told(state)])) as Balance['ended'];
  const left = of('touches').reduce((sum, row) => sum + row.left, 0);
  const { active } = enrollments;
  const created = END_STATES.reduce((sum, state) => sum + ended[state], 0) + active + left;
  const balance = { enrolled: told('enrolled'), created, ended, active, left };
  return {
    enrollments,
    enrollment_parts: partsOf<EnrollmentStatus>(
      of('enrollments'),
      `/api/outreach/enrollments?${query}status`,
    ),
    touches: { ...touches, waiting },
    parts: partsOf<TouchState>(of('touches'), `/api/touches?${query}state`),
    balance,
    balanced:
      balance.enrolled === enrollments.total &&
      created === touches.total &&
      END_STATES.every((state) => ended[state] === touches[state]),
  };
}

function stepStats(rows: readonly CountRow[], step: Uuid, query: string): Omit<StepStats, 'variants'> {
  const own = rows.filter((row) => row.step_id === step);
  const touches = own.filter((row) => row.of === 'touches');
  const counts = counted(TOUCH_STATES, touches);
  const told = (state: EndState) => sumOf(own.filter((row) => row.of === 'events' && row.status === state));
  return {
    step_id: step,
    ...counts,
    balanced: END_STATES.every((state) => told(state) === counts[state]),
    parts: partsOf<TouchState>(touches, `/api/touches?${query}step_id=${step}&state`),
  };
}

interface GoalRow {
  goal: string;
  count: number;
  /** Of all goals, in a row of its own. */
  contacts: number | null;
}

function conversionsOf(rows: readonly GoalRow[]): SequenceStats['conversions'] {
  const goals = rows.filter((row) => row.contacts === null).map(({ goal, count }) => ({ goal, count }));
  return {
    total: goals.reduce((sum, goal) => sum + goal.count, 0),
    contacts: rows.find((row) => row.contacts !== null)?.contacts ?? 0,
    goals: goals.sort((a, b) => b.count - a.count || (a.goal < b.goal ? -1 : 1)),
  };
}

function sumOf(rows: readonly CountRow[]): number {
  return rows.reduce((sum, { n }) => sum + n, 0);
}

function counted<K extends string>(keys: readonly K[], rows: readonly CountRow[]): Counts<K> {
  const counts = Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>;
  for (const { status, n } of rows) counts[status as K] += n;
  return { ...counts, total: sumOf(rows) };
}

/** By state and reason, most first. `path`: of the list, as far as the state. */
function partsOf<S extends string>(rows: readonly CountRow[], path: string): Part<S>[] {
  const parts = new Map<string, Part<S>>();
  for (const { status, reason, n } of rows) {
    const link = `${path}=${status}&reason=${encodeURIComponent(reason ?? NO_REASON)}`;
    const part = parts.get(link);
    if (part) part.count += n;
    else parts.set(link, { state: status as S, reason, count: n, rows: link });
  }
  return [...parts.values()].sort((a, b) => b.count - a.count || (a.rows < b.rows ? -1 : 1));
}

/** How a list is asked for the rows without a reason. */
const NO_REASON = 'none';
