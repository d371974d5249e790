/** Moves of many enrollments as jobs: made, read and cancelled here, carried out by bulk-version-move.ts. Owns version_moves. */
import type { Database, Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { newId, type Uuid } from '../../kernel/ids.ts';
import { listOrder } from '../../kernel/page.ts';
import { audit } from '../../tenancy/audit.ts';
import { actorText, type Context } from '../../tenancy/context.ts';
import { jobKey, MOVE_VERSION } from './bulk-version-move.ts';
import { type JobStatus, jobsOf } from './jobs.ts';
import { LIVE_STATUSES } from './lifecycle.ts';
import type { MoveInput } from './move-enrollments.ts';
import { type MoveTarget, moveTarget } from './version-move.ts';
import type { VersionCache } from './versions.ts';

export interface VersionMoveJob {
  move_id: Uuid;
  sequence_id: Uuid;
  /** null: from whichever they are at. */
  from_version: number | null;
  to_version: number;
  status: JobStatus;
  total: number;
  processed: number;
  moved: number;
  /** Ended, because none of their steps is left. */
  completed: number;
  /** Nothing was to be done, or they had ended before their turn came. */
  skipped: number;
  refused: number;
  error: string | null;
  created_by: string;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
}

const columns = sql`j.id AS move_id, j.sequence_id, a.number AS from_version, b.number AS to_version, j.status, j.total,
  j.moved + j.completed + j.skipped + j.refused AS processed, j.moved, j.completed, j.skipped, j.refused, j.error, j.created_by,
  j.created_at, j.started_at, j.ended_at`;

const versionsOf = sql`
  LEFT JOIN sequence_versions a ON a.org_id = j.org_id AND a.id = j.from_version_id
  JOIN sequence_versions b ON b.org_id = j.org_id AND b.id = j.to_version_id`;

const jobs = jobsOf<VersionMoveJob>({
  name: 'version move',
  noun: 'move',
  table: sql`version_moves`,
  select: sql`SELECT ${columns} FROM version_moves j ${versionsOf}`,
  list: listOrder('version_moves', ['uuid']),
  idOf: (job) => job.move_id,
  key: jobKey,
  cancelled: ({ move_id, sequence_id, moved, completed }) => ({
    action: 'version_move.cancel',
    subject_type: 'sequence',
    subject_id: sequence_id,
    data: { move_id, moved, completed },
  }),
});
export const { get: getVersionMove, list: listVersionMoves, cancel: cancelVersionMove } = jobs;

/** All that are live, or those named. @throws what moveTarget does */
export async function createVersionMove(
  db: Database,
  versions: VersionCache,
  ctx: Context,
  input: MoveInput & { enrollment_ids?: readonly Uuid[] | undefined },
): Promise<VersionMoveJob & { unknown: Uuid[] }> {
  const target = await moveTarget(db, versions, ctx.org, input);
  const id = newId();
  const ids = input.enrollment_ids === undefined ? null : [...new Set(input.enrollment_ids)].sort();
  return db.inOrg(ctx.org, async (tx) => {
    const counts = await counted(tx, ctx.org, target, ids);
    const total = input.enrollment_ids?.length ?? counts.candidates;
    const refused = counts.unknown.length;
    await tx.run(sql`
      INSERT INTO version_moves (org_id, id, sequence_id, from_version_id, to_version_id, status, enrollment_ids, total, skipped, refused, created_by)
      VALUES (${ctx.org}, ${id}, ${input.sequence_id}, ${target.from?.id ?? null}, ${target.to.id}, 'queued',
        ${ids && `{${ids.join(',')}}`}::uuid[], ${total}, ${total - counts.candidates - refused}, ${refused}, ${actorText(ctx.actor)})`);
    await tx.run(sql`
      SELECT graphile_worker.add_job(${MOVE_VERSION}, ${JSON.stringify({ org: ctx.org, job: id })}::json, job_key => ${jobKey(id)})`);
    await audit(tx, ctx, {
      action: 'version_move.create',
      subject_type: 'sequence',
      subject_id: input.sequence_id,
      data: { move_id: id, from_version: target.from?.number ?? null, to_version: target.to.number, total },
    });
    return { ...(await jobs.find(tx, ctx.org, id)), unknown: counts.unknown };
  });
}

/** Who is to be moved, and of those named who is not there. */
async function counted(
  tx: Tx,
  org: Uuid,
  { to, from }: MoveTarget,
  ids: readonly Uuid[] | null,
): Promise<{ candidates: number; unknown: Uuid[] }> {
  const movable = sql`e.status = ANY (${[...LIVE_STATUSES]}) AND e.version_id <> ${to.id}
    AND (${from?.id ?? null}::uuid IS NULL OR e.version_id = ${from?.id ?? null})`;
  if (ids === null)
    return tx.one(sql`
      SELECT count(*)::int AS candidates, '{}'::uuid[] AS unknown FROM enrollments e
       WHERE e.org_id = ${org} AND e.sequence_id = ${to.sequence_id} AND ${movable}`);
  return tx.one(sql`
    SELECT count(*) FILTER (WHERE ${movable})::int AS candidates, coalesce(array_agg(i.id) FILTER (WHERE e.id IS NULL), '{}') AS unknown
      FROM unnest(${`{${ids.join(',')}}`}::uuid[]) i(id)
      LEFT JOIN enrollments e ON e.org_id = ${org} AND e.id = i.id AND e.sequence_id = ${to.sequence_id}`);
}
