/**
 * The task that carries a bulk enrolment out, from wherever it stands: WRITERS chunks at a time, each read and decided
 * here and written in one transaction (bulk-enroll.sql). It may be killed anywhere, and run by several processes at
 * once. In: the job's row. Out: enrollments and a row of results a chunk.
 */
import { z } from 'zod';
import type { Database, Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { refreshStatistics } from '../../db/statistics.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import { wake } from '../../ledger/wake.ts';
import { audit } from '../../tenancy/audit.ts';
import type { Actor, Context } from '../../tenancy/context.ts';
import { recordUnknown } from '../../tenancy/security-events.ts';
import type { EnrollPolicy } from './candidates.ts';
import { batchArguments, type EnrollPlan, type EnrollResult, planAndWrite, readAgain } from './enroll.ts';
import { follower } from './follower.ts';
import type { VersionCache } from './versions.ts';

export const BULK_ENROLL = 'bulk_enroll';
export const jobKey = (job: Uuid) => `${BULK_ENROLL}:${job}`;

/** Contacts a transaction. Larger ones gain little and hold a cancel up. */
export const CHUNK = 2_000;
/** Two connections beat one by two thirds on two cores; the third works while one of them waits for its commit. */
const WRITERS = 3;

export interface BulkEnrollOptions {
  /** `host:pid`, for the audit trail. */
  worker: string;
  logger: { warn(fields: object, text: string): void };
  signal?: AbortSignal | undefined;
  watch_ms?: number;
  /** Between any two transactions; tests stop or kill there. */
  failpoint?: (name: 'before_chunk' | 'after_chunk') => Promise<void> | void;
}

interface Job {
  id: Uuid;
  sequence_id: Uuid;
  policy: EnrollPolicy | null;
  policy_days: number | null;
  /** The contacts' ids, joined by commas: a million are 37 MB as one text, twice that as a list. */
  ids: string;
  chunk: number;
  created_by: string;
  /** An array's text. */
  assignees: string;
}

interface Running {
  db: Database;
  versions: VersionCache;
  org: Uuid;
  job: Job;
  options: BulkEnrollOptions;
}

const payloadSchema = z.object({ org: z.uuid(), job: z.uuid() });

/** The queued task. An error makes the follower go on where the last chunk ended. */
export const bulkEnrollTask = {
  name: BULK_ENROLL,
  run(
    deps: { db: Database; versions: VersionCache },
    payload: unknown,
    options: BulkEnrollOptions,
  ): Promise<void> {
    const { org, job } = payloadSchema.parse(payload);
    return runEnrollmentJob(deps, org, job, options);
  },
};

/** Runs until the job has ended, was cancelled or `signal` fired. */
export async function runEnrollmentJob(
  { db, versions }: { db: Database; versions: VersionCache },
  org: Uuid,
  id: Uuid,
  options: BulkEnrollOptions,
): Promise<void> {
  const job = await begin(db, org, id);
  if (!job) return;
  const running: Running = { db, versions, org, job, options };
  try {
    await writeAll(running);
    await end(running, 'completed', null);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    // The sequence was archived or deleted meanwhile: no later try does better.
    await end(running, 'failed', error.message);
  }
}

/**
 * Connections keep the plans they made while the tables were small, also those of the gate, and without a worker nobody else
 * looks before autovacuum does: on a new installation one gate took 38 ms after 6,000 contacts had been enrolled, 6 ms
 * with this. A failure costs speed only.
 */
async function keepStatistics({ db, org, job, options }: Running): Promise<void> {
  await refreshStatistics(db).catch((err: unknown) => {
    options.logger.warn({ err, org_id: org, job_id: job.id }, 'the statistics could not be refreshed');
  });
}

/** Null: nothing to do. */
async function begin(db: Database, org: Uuid, id: Uuid): Promise<Job | null> {
  return db.inOrg(org, async (tx) => {
    await tx.run(sql`
      UPDATE enrollment_jobs SET status = 'running', started_at = clock_timestamp()
       WHERE org_id = ${org} AND id = ${id} AND status = 'queued'`);
    return tx.maybe<Job>(sql`
      SELECT id, sequence_id, policy, policy_days, array_to_string(contact_ids, ',') AS ids, chunk, created_by, assignees::text AS assignees
        FROM enrollment_jobs WHERE org_id = ${org} AND id = ${id} AND status = 'running'`);
  });
}

/** Before these chunks the tables may have four times the rows of the time before. */
const GROWTH_CHUNKS: ReadonlySet<number> = new Set([0, 4, 16, 64, 256, 1_024, 4_096]);

/** A UUID and its comma. */
const ID_LENGTH = 37;

function chunkCount(job: Job): number {
  return Math.ceil(job.ids.length / (ID_LENGTH * job.chunk));
}

async function writeAll(running: Running): Promise<void> {
  const { db, org, job, options } = running;
  const done = await db.inOrg(org, (tx) =>
    tx.rows<{ n: number }>(
      sql`SELECT n FROM enrollment_job_results WHERE org_id = ${org} AND job_id = ${job.id}`,
    ),
  );
  const isDone = new Set(done.map((row) => row.n));
  const count = chunkCount(job);
  const watch = follower(db, BULK_ENROLL, jobKey(job.id), { org, job: job.id }, options.watch_ms);
  let next = 0;
  let failed = false;
  const writer = async () => {
    while (!failed && !options.signal?.aborted && next < count) {
      const n = next++;
      if (isDone.has(n)) continue;
      if (GROWTH_CHUNKS.has(n)) await keepStatistics(running);
      await watch();
      await writeChunk(running, n);
    }
    // The first who is done looks while the others still write, and the last one finds little to do.
    if (!failed && !options.signal?.aborted) await keepStatistics(running);
  };
  const outcomes = await Promise.allSettled(
    Array.from({ length: WRITERS }, () =>
      writer().catch((error: unknown) => {
        failed = true;
        throw error;
      }),
    ),
  );
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

async function writeChunk(running: Running, n: number): Promise<void> {
  const { db, versions, org, job, options } = running;
  const size = job.chunk * ID_LENGTH;
  const contact_ids = job.ids.slice(n * size, (n + 1) * size - 1).split(',');
  await options.failpoint?.('before_chunk');
  let unknown: Uuid[] = [];
  const { sequence_id } = job;
  const choice = { policy: job.policy ?? undefined, policy_days: job.policy_days ?? undefined };
  const written = await readAgain(() =>
    planAndWrite(db, versions, org, { sequence_id, contact_ids, ...choice }, (plan, tx) => {
      unknown = plan.decided.filter((one) => one.reason === 'unknown_contact').map((one) => one.contact_id);
      return callChunk(running, n, plan, tx);
    }),
  );
  await options.failpoint?.('after_chunk');
  if (!written) return;
  await wake(db, org);
  if (unknown.length > 0)
    await recordUnknown(db, options.logger, { org, actor: creatorOf(job) }, 'contact', unknown);
}

/** Who asked for the job. */
function creatorOf(job: Job): Actor {
  const [type = '', id = ''] = job.created_by.split(/:(.*)/s);
  return { type: type as Actor['type'], id, name: job.created_by };
}

/** In `tx` where there is one. False: the chunk was done before, or the job has ended. */
async function callChunk(
  { db, org, job }: Running,
  n: number,
  plan: EnrollPlan,
  tx: Tx | null,
): Promise<boolean> {
  const { version, decided } = plan;
  const step = version.definition.steps[0]!;
  const a = batchArguments(plan);
  const others = JSON.stringify(
    decided.map((one) => [one.contact_id, one.result, one.reason, one.enrollment_id]),
  );
  const count = (result: EnrollResult['result']) => decided.filter((one) => one.result === result).length;
  const statement = sql`
    SELECT bulk_enroll_chunk(${org}::uuid, ${job.id}::uuid, ${n}::int, ${others}::jsonb, ${count('skipped')}::int, ${count('refused')}::int,
      ${version.sequence_id}::uuid, ${version.id}::uuid, ${step.id}::uuid, ${step.channel}::text, ${step.mode}::text, ${job.created_by}::text,
      ${a.senders}::uuid[], ${a.from}::timestamptz[], ${a.until}::timestamptz[], ${a.days}::date[], ${a.kept}::text[], ${a.group}::text,
      ${a.contacts}::uuid[], ${a.enrollments}::uuid[], ${a.touches}::uuid[], ${a.sender_nos}::int[],
      ${a.old}::uuid[], ${a.old_generations}::int[], ${a.old_touches}::uuid[], ${a.old_sender_nos}::int[], ${a.restartable}::text[], ${job.assignees}::uuid[]) AS written`;
  if (tx !== null) return (await tx.one<{ written: boolean }>(statement)).written;
  const prepared = { name: 'bulk_enroll_chunk', text: statement.text };
  const [row] = await db.callPrepared(prepared, [...statement.values]);
  return row?.[0] === true;
}

/** Completed only when every chunk has its results; a cancelled job stays cancelled. */
async function end(running: Running, status: 'completed' | 'failed', error: string | null): Promise<void> {
  const { db, org, job, options } = running;
  const ctx: Context = { org, actor: { type: 'worker', id: options.worker, name: options.worker } };
  await db.inOrg(org, async (tx) => {
    const counts = await tx.one(sql`
      SELECT count(*) FILTER (WHERE n >= 0) AS chunks, coalesce(sum(enrolled), 0) AS enrolled, coalesce(sum(skipped), 0) AS skipped,
             coalesce(sum(refused), 0) AS refused
        FROM enrollment_job_results WHERE org_id = ${org} AND job_id = ${job.id}`);
    const { chunks, ...results } = counts;
    if (status === 'completed' && chunks < chunkCount(job)) return;
    const ended = await tx.run(sql`
      UPDATE enrollment_jobs SET status = ${status}, error = ${error}, ended_at = clock_timestamp()
       WHERE org_id = ${org} AND id = ${job.id} AND status = 'running'`);
    await tx.run(sql`SELECT graphile_worker.remove_job(${jobKey(job.id)})`);
    if (ended === 1)
      await audit(tx, ctx, {
        action: `enrollment_job.${status === 'completed' ? 'complete' : 'fail'}`,
        subject_type: 'enrollment_job',
        subject_id: job.id,
        data: { ...results, error },
      });
  });
}
