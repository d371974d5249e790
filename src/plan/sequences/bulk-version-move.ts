/**
 * The task that moves many enrollments to another version, from wherever it stands: a chunk at a time, read and decided
 * here and written in one transaction with the counts (version-move.sql). It may be killed anywhere, and run by several
 * processes at once. In: the job's row. Out: enrollments at their new version.
 */
import { z } from 'zod';
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import { wake } from '../../ledger/wake.ts';
import { audit, auditEntry } from '../../tenancy/audit.ts';
import type { Context } from '../../tenancy/context.ts';
import { follower } from './follower.ts';
import { LIVE_STATUSES } from './lifecycle.ts';
import { type MoveTarget, moveArguments, planMoves } from './version-move.ts';
import type { VersionCache } from './versions.ts';

export const MOVE_VERSION = 'move_version';
export const jobKey = (job: Uuid) => `${MOVE_VERSION}:${job}`;

/** Enrollments a transaction: what a pause of one of them may wait for. */
const CHUNK = 500;
/** How often a chunk is read again because enrollments in it changed; then the queue tries later. */
const MAX_ROUNDS = 50;

export interface MoveVersionOptions {
  /** `host:pid`, for the audit trail. */
  worker: string;
  signal?: AbortSignal | undefined;
  watch_ms?: number;
  chunk?: number;
  /** Between any two transactions; tests stop or kill there. */
  failpoint?: (name: 'before_chunk' | 'after_read' | 'after_chunk') => Promise<void> | void;
}

interface Deps {
  db: Database;
  versions: VersionCache;
}

interface Running extends Deps {
  org: Uuid;
  job: { id: Uuid; sequence_id: Uuid; created_by: string; named: boolean };
  target: MoveTarget;
  options: MoveVersionOptions;
}

const payloadSchema = z.object({ org: z.uuid(), job: z.uuid() });

export const moveVersionTask = {
  name: MOVE_VERSION,
  run(deps: Deps, payload: unknown, options: MoveVersionOptions): Promise<void> {
    const { org, job } = payloadSchema.parse(payload);
    return runVersionMove(deps, org, job, options);
  },
};

/** Runs until the job has ended, was cancelled or `signal` fired. */
export async function runVersionMove(
  { db, versions }: Deps,
  org: Uuid,
  id: Uuid,
  options: MoveVersionOptions,
): Promise<void> {
  const running = await begin({ db, versions }, org, id, options);
  if (!running) return;
  try {
    if (await moveAll(running)) await end(running, 'completed', null);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    await end(running, 'failed', error.message);
  }
}

/** Null: nothing to do. */
async function begin(deps: Deps, org: Uuid, id: Uuid, options: MoveVersionOptions): Promise<Running | null> {
  const row = await deps.db.inOrg(org, async (tx) => {
    await tx.run(sql`
      UPDATE version_moves SET status = 'running', started_at = clock_timestamp()
       WHERE org_id = ${org} AND id = ${id} AND status = 'queued'`);
    return tx.maybe(sql`
      SELECT id, sequence_id, created_by, from_version_id, to_version_id, enrollment_ids IS NOT NULL AS named
        FROM version_moves WHERE org_id = ${org} AND id = ${id} AND status = 'running'`);
  });
  if (!row) return null;
  const { from_version_id, to_version_id, ...job } = row;
  const to = (await deps.versions.one(org, to_version_id))!;
  const from = from_version_id === null ? null : await deps.versions.one(org, from_version_id);
  return { ...deps, org, job: job as Running['job'], target: { to, from }, options };
}

/** True: nobody is left. */
async function moveAll(running: Running): Promise<boolean> {
  const { db, org, job, options } = running;
  const watch = follower(db, MOVE_VERSION, jobKey(job.id), { org, job: job.id }, options.watch_ms);
  let rounds = 0;
  let before: Uuid | null = null;
  while (!options.signal?.aborted) {
    await watch();
    await options.failpoint?.('before_chunk');
    const chunk = await readChunk(running);
    if (chunk === null) return false;
    if (chunk.ids.length === 0) return true;
    rounds = chunk.cursor === before ? rounds + 1 : 0;
    before = chunk.cursor;
    if (rounds === MAX_ROUNDS) throw new Error(`the enrollments after ${before} keep changing`);
    await writeChunk(running, chunk);
    await options.failpoint?.('after_chunk');
  }
  return false;
}

interface Chunk {
  cursor: Uuid | null;
  /** In order. */
  ids: Uuid[];
}

/** Those after the cursor that are to be moved; null: the job has ended. The lists of each status are merged, each in the order of its index. */
async function readChunk({ db, org, job, target, options }: Running): Promise<Chunk | null> {
  const limit = options.chunk ?? CHUNK;
  const { to, from } = target;
  return db.inOrg(org, async (tx) => {
    const row = await tx.maybe<{ cursor: Uuid | null }>(
      sql`SELECT cursor FROM version_moves WHERE org_id = ${org} AND id = ${job.id} AND status = 'running'`,
    );
    if (!row) return null;
    const after = sql`x.org_id = ${org} AND x.sequence_id = ${job.sequence_id} AND (${row.cursor}::uuid IS NULL OR x.id > ${row.cursor})
      AND x.version_id <> ${to.id} AND (${from?.id ?? null}::uuid IS NULL OR x.version_id = ${from?.id ?? null})`;
    const rows = job.named
      ? await tx.rows<{ id: Uuid }>(sql`
          SELECT x.id FROM version_moves j CROSS JOIN unnest(j.enrollment_ids) i(id) JOIN enrollments x ON x.org_id = ${org} AND x.id = i.id
           WHERE j.org_id = ${org} AND j.id = ${job.id} AND ${after} AND x.status = ANY (${[...LIVE_STATUSES]})
           ORDER BY x.id LIMIT ${limit}`)
      : await tx.rows<{ id: Uuid }>(sql`
          SELECT m.id FROM unnest(${[...LIVE_STATUSES]}::text[]) s(status) CROSS JOIN LATERAL (
            SELECT x.id FROM enrollments x WHERE ${after} AND x.status = s.status ORDER BY x.id LIMIT ${limit}) m
           ORDER BY m.id LIMIT ${limit}`);
    return { cursor: row.cursor, ids: rows.map((one) => one.id) };
  });
}

async function writeChunk(running: Running, { cursor, ids }: Chunk): Promise<void> {
  const { db, versions, org, job, target, options } = running;
  const { moves, refused } = await planMoves(db, versions, org, target, ids);
  await options.failpoint?.('after_read');
  const entry = auditEntry(contextOf(running), {
    action: 'enrollment.move',
    subject_type: 'sequence',
    subject_id: job.sequence_id,
    data: { move_id: job.id, to_version: target.to.number, asked_by: job.created_by },
  });
  const [row] = await db.call<{ written: boolean }>(sql`
    SELECT version_move_chunk(${org}::uuid, ${job.id}::uuid, ${cursor}::uuid, ${ids.at(-1)!}::uuid, ${refused.map((one) => one.enrollment_id)}::uuid[],
      ${target.to.id}::uuid, ${job.created_by}, ${moveArguments(moves)}, ${moves.length === 0 ? null : entry}::jsonb) AS written`);
  if (row?.written) await wake(db, org);
}

function contextOf({ org, options }: Running): Context {
  return { org, actor: { type: 'worker', id: options.worker, name: options.worker } };
}

/** Who ended before their turn came was skipped; a cancelled job stays cancelled. */
async function end(running: Running, status: 'completed' | 'failed', error: string | null): Promise<void> {
  const { db, org, job } = running;
  await db.inOrg(org, async (tx) => {
    const ended = await tx.maybe(sql`
      UPDATE version_moves SET status = ${status}, error = ${error}, ended_at = clock_timestamp(),
             skipped = CASE WHEN ${status === 'completed'} THEN greatest(0, total - moved - completed - refused) ELSE skipped END
       WHERE org_id = ${org} AND id = ${job.id} AND status = 'running'
      RETURNING moved, completed, skipped, refused`);
    await tx.run(sql`SELECT graphile_worker.remove_job(${jobKey(job.id)})`);
    if (!ended) return;
    await audit(tx, contextOf(running), {
      action: `version_move.${status === 'completed' ? 'complete' : 'fail'}`,
      subject_type: 'sequence',
      subject_id: job.sequence_id,
      data: { move_id: job.id, ...ended, error },
    });
  });
}
