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
import { ENROLLMENT_STATUSES, type EnrollmentStatus } from './lifecycle.ts';

type Counts<K extends string> = Record<K, number> & { total: number };

export interface SequenceStats {
  sequence_id: Uuid;
  enrollments: Counts<EnrollmentStatus>;
  /** `waiting`: planned, sending and unknown together. */
  touches: Counts<TouchState> & { waiting: number };
  /** Why, where a touch says why; most first. */
  reasons: { state: TouchState; reason: string; count: number }[];
  /** By step, over all versions. */
  steps: ({ step_id: Uuid } & Counts<TouchState>)[];
}

interface CountRow {
  of: 'sequence' | 'enrollments' | 'touches';
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
  const rows = await db.inOrg(ctx.org, (tx) =>
    tx.rows<CountRow>(sql`
      SELECT 'sequence' AS of, NULL AS status, NULL AS reason, NULL::uuid AS step_id, 1 AS n FROM sequences
       WHERE org_id = ${ctx.org} AND id = ${id}
      UNION ALL
      SELECT 'enrollments', status, NULL, NULL, count(*)::int FROM enrollments
       WHERE org_id = ${ctx.org} AND sequence_id = ${id} GROUP BY status
      UNION ALL
      SELECT 'touches', state, reason, step_id, count(*)::int FROM touches
       WHERE org_id = ${ctx.org} AND sequence_id = ${id} GROUP BY state, reason, step_id`),
  );
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
    steps: stepsOf(touches),
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

function stepsOf(rows: readonly CountRow[]): SequenceStats['steps'] {
  const steps = [...new Set(rows.map((row) => row.step_id!))].sort();
  return steps.map((step) => ({
    step_id: step,
    ...counted(
      TOUCH_STATES,
      rows.filter((row) => row.step_id === step),
    ),
  }));
}
