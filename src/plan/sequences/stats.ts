/**
 * A sequence in numbers that add up [I3]: touches created = sent + failed + skipped + cancelled + waiting; enrolled =
 * active + paused + each end. One statement, so one moment.
 */
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { notFound } from '../../kernel/problem.ts';
import { TOUCH_STATES, type TouchState, WAITING_STATES } from '../../ledger/states.ts';
import type { Context } from '../../tenancy/context.ts';
import type { Step } from './definition.ts';
import { ENROLLMENT_STATUSES, type EnrollmentStatus } from './lifecycle.ts';
import { readVariantStats, type VariantStats } from './variants/variant-stats.ts';

type Counts<K extends string> = Record<K, number> & { total: number };

export interface SequenceStats {
  sequence_id: Uuid;
  enrollments: Counts<EnrollmentStatus>;
  /** `waiting`: planned, sending and unknown together. */
  touches: Counts<TouchState> & { waiting: number };
  /** Why, where a touch says why; most first. */
  reasons: { state: TouchState; reason: string; count: number }[];
  /** Enrollments that reached a goal, as the event stream has it: also those restarted since. */
  conversions: { total: number; contacts: number; goals: { goal: string; count: number }[] };
  /** By step, over all versions. */
  steps: ({ step_id: Uuid; variants: VariantStats | null } & Counts<TouchState>)[];
}

interface CountRow {
  of: 'sequence' | 'enrollments' | 'touches' | 'goals' | 'converts';
  status: string | null;
  reason: string | null;
  step_id: Uuid | null;
  n: number;
}

/** @throws Problem not_found */
export async function sequenceStats(
  db: Database,
  ctx: Pick<Context, 'org'>,
  id: Uuid,
): Promise<SequenceStats> {
  const { rows, variants } = await db.inOrg(ctx.org, async (tx) => {
    const rows = await tx.rows<CountRow>(sql`
      SELECT 'sequence' AS of, NULL AS status, NULL AS reason, NULL::uuid AS step_id, 1 AS n FROM sequences
       WHERE org_id = ${ctx.org} AND id = ${id}
      UNION ALL
      SELECT 'enrollments', status, NULL, NULL, count(*)::int FROM enrollments
       WHERE org_id = ${ctx.org} AND sequence_id = ${id} GROUP BY status
      UNION ALL
      SELECT 'goals', NULL, reason, NULL, count(*)::int FROM events
       WHERE org_id = ${ctx.org} AND sequence_id = ${id} AND type = 'converted' GROUP BY reason
      UNION ALL
      SELECT 'converts', NULL, NULL, NULL, count(DISTINCT contact_id)::int FROM events
       WHERE org_id = ${ctx.org} AND sequence_id = ${id} AND type = 'converted'
      UNION ALL
      SELECT 'touches', state, reason, step_id, count(*)::int FROM touches
       WHERE org_id = ${ctx.org} AND sequence_id = ${id} GROUP BY state, reason, step_id`);
    const published = await tx.maybe<{ steps: Step[] }>(sql`
      SELECT v.definition -> 'steps' AS steps FROM sequences s JOIN sequence_versions v ON v.org_id = s.org_id AND v.id = s.published_version_id
       WHERE s.org_id = ${ctx.org} AND s.id = ${id}`);
    return { rows, variants: await readVariantStats(tx, ctx.org, id, published?.steps ?? []) };
  });
  if (!rows.some((row) => row.of === 'sequence')) throw notFound('sequence', id);
  const touches = rows.filter((row) => row.of === 'touches');
  const byState = counted(TOUCH_STATES, touches);
  const waiting = WAITING_STATES.reduce((sum, state) => sum + byState[state], 0);
  return {
    sequence_id: id,
    enrollments: counted(
      ENROLLMENT_STATUSES,
      rows.filter((row) => row.of === 'enrollments'),
    ),
    touches: { ...byState, waiting },
    reasons: reasonsOf(touches),
    conversions: conversionsOf(rows),
    steps: stepsOf(touches, variants),
  };
}

function counted<K extends string>(keys: readonly K[], rows: readonly CountRow[]): Counts<K> {
  const counts = Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>;
  let total = 0;
  for (const { status, n } of rows) {
    counts[status as K] += n;
    total += n;
  }
  return { ...counts, total };
}

function conversionsOf(rows: readonly CountRow[]): SequenceStats['conversions'] {
  const goals = rows
    .filter((row) => row.of === 'goals')
    .map((row) => ({ goal: row.reason ?? '', count: row.n }));
  return {
    total: goals.reduce((sum, goal) => sum + goal.count, 0),
    contacts: rows.find((row) => row.of === 'converts')?.n ?? 0,
    goals: goals.sort((a, b) => b.count - a.count || (a.goal < b.goal ? -1 : 1)),
  };
}

function reasonsOf(rows: readonly CountRow[]): SequenceStats['reasons'] {
  const counts = new Map<string, SequenceStats['reasons'][number]>();
  for (const { status, reason, n } of rows) {
    if (reason === null) continue;
    const key = `${status} ${reason}`;
    const known = counts.get(key);
    if (known) known.count += n;
    else counts.set(key, { state: status as TouchState, reason, count: n });
  }
  return [...counts.values()].sort((a, b) => b.count - a.count || (a.reason < b.reason ? -1 : 1));
}

function stepsOf(
  rows: readonly CountRow[],
  variants: ReadonlyMap<Uuid, VariantStats>,
): SequenceStats['steps'] {
  const steps = [...new Set([...rows.map((row) => row.step_id!), ...variants.keys()])].sort();
  return steps.map((step) => ({
    step_id: step,
    variants: variants.get(step) ?? null,
    ...counted(
      TOUCH_STATES,
      rows.filter((row) => row.step_id === step),
    ),
  }));
}
