/**
 * The task that carries a bulk enrolment out, chunk by chunk, from wherever it stands. While PostgreSQL writes one
 * chunk the next is read and decided. In: the job's row. Out: enrollments, results, counts and position, a chunk of
 * them in one transaction (bulk-enroll.sql), so it may be killed anywhere, and run by several processes at once: the
 * first to commit a chunk goes on, the others stop.
 *
 * A queue holds a dead worker's task for four hours. So a running job keeps a follower queued, a little ahead of
 * now, and removes it when it ends: whoever dies is succeeded in WATCH_MS.
 */
import { z } from 'zod';
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import { wake } from '../../ledger/wake.ts';
import { audit } from '../../tenancy/audit.ts';
import type { Context } from '../../tenancy/context.ts';
import type { EnrollPolicy } from './candidates.ts';
import { batchArguments, type EnrollPlan, planEnrollment, readAgain } from './enroll.ts';
import type { VersionCache } from './versions.ts';

export const BULK_ENROLL = 'bulk_enroll';
export const jobKey = (job: Uuid) => `${BULK_ENROLL}:${job}`;

/** Contacts a transaction. Larger ones gain little and hold a cancel up: 2,000 are written in some 60 ms. */
const CHUNK = 2_000;
const WATCH_MS = 30_000;

export interface BulkEnrollOptions {
  /** `host:pid`, for the audit trail. */
  worker: string;
  signal?: AbortSignal | undefined;
  chunk?: number;
  watch_ms?: number;
  /** Between any two transactions; tests stop or kill there. */
  failpoint?: (name: 'before_chunk' | 'after_chunk') => Promise<void> | void;
}

interface Job {
  id: Uuid;
  sequence_id: Uuid;
  policy: EnrollPolicy | null;
  tag: string | null;
  contact_ids: Uuid[] | null;
  next_index: number;
  after_contact: Uuid | null;
  created_by: string;
}

/** A stretch of the job's contacts: from `at`, `size` of them, distinct and new ones apart from repeated ones. */
interface Chunk {
  at: number;
  size: number;
  distinct: readonly Uuid[];
  repeated: readonly Uuid[];
  /** The last contact, for a tag. */
  last: Uuid;
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

/** Runs until the job has ended, was cancelled, `signal` fired or another process took over. */
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
    if (await writeAll(running)) await end(running, 'completed', null);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    // The sequence was archived or deleted meanwhile: no later try does better.
    await end(running, 'failed', error.message);
  }
}

/** Null: nothing to do. */
async function begin(db: Database, org: Uuid, id: Uuid): Promise<Job | null> {
  return db.inOrg(org, (tx) =>
    tx.maybe<Job>(sql`
      UPDATE enrollment_jobs j SET status = 'running', started_at = coalesce(j.started_at, clock_timestamp()),
             total = coalesce(j.total, (SELECT count(*) FROM contact_tags g WHERE g.org_id = ${org} AND g.tag = j.tag))
       WHERE j.org_id = ${org} AND j.id = ${id} AND j.status IN ('queued', 'running')
      RETURNING j.id, j.sequence_id, j.policy, j.tag, j.contact_ids, j.next_index, j.after_contact, j.created_by`),
  );
}

/** True: every contact was worked. */
async function writeAll(running: Running): Promise<boolean> {
  let writing: Promise<boolean> = Promise.resolve(true);
  const watch = follower(running);
  for await (const chunk of chunksOf(running)) {
    await watch();
    // Decided while the chunk before is written: no contact is in both.
    const plan = await planChunk(running, chunk);
    if (!(await writing)) return false;
    if (running.options.signal?.aborted) return false;
    writing = writeChunk(running, chunk, plan);
    // Waited for in the next turn; until then a failure is not an unhandled one.
    writing.catch(() => undefined);
  }
  return writing;
}

async function* chunksOf(running: Running): AsyncGenerator<Chunk> {
  const { job } = running;
  const size = running.options.chunk ?? CHUNK;
  if (job.tag !== null) return yield* taggedChunks(running, size);
  const ids = job.contact_ids ?? [];
  const seen = new Set(ids.slice(0, job.next_index));
  for (let at = job.next_index; at < ids.length; at += size) {
    const part = ids.slice(at, at + size);
    const distinct: Uuid[] = [];
    const repeated: Uuid[] = [];
    for (const id of part) {
      (seen.has(id) ? repeated : distinct).push(id);
      seen.add(id);
    }
    yield { at, size: part.length, distinct, repeated, last: part.at(-1)! };
  }
}

async function* taggedChunks({ db, org, job }: Running, size: number): AsyncGenerator<Chunk> {
  let at = job.next_index;
  let after = job.after_contact;
  for (;;) {
    const rows = await db.inOrg(org, (tx) =>
      tx.rows<{ contact_id: Uuid }>(sql`
        SELECT contact_id FROM contact_tags
         WHERE org_id = ${org} AND tag = ${job.tag} AND (${after}::uuid IS NULL OR contact_id > ${after}) ORDER BY contact_id LIMIT ${size}`),
    );
    if (rows.length === 0) return;
    const distinct = rows.map((row) => row.contact_id);
    after = distinct.at(-1)!;
    yield { at, size: distinct.length, distinct, repeated: [], last: after };
    at += distinct.length;
  }
}

async function planChunk({ db, versions, org, job }: Running, chunk: Chunk): Promise<EnrollPlan> {
  const plan = await planEnrollment(db, versions, org, {
    sequence_id: job.sequence_id,
    contact_ids: chunk.distinct,
    policy: job.policy ?? undefined,
  });
  for (const contact_id of chunk.repeated)
    plan.decided.push({ contact_id, result: 'skipped', reason: 'duplicate', enrollment_id: null });
  return plan;
}

/** False: the job is not at this place any more. */
async function writeChunk(running: Running, chunk: Chunk, first: EnrollPlan): Promise<boolean> {
  await running.options.failpoint?.('before_chunk');
  let plan: EnrollPlan | null = first;
  const written = await readAgain(async () => {
    const current = plan ?? (await planChunk(running, chunk));
    plan = null;
    return callChunk(running, chunk, current);
  });
  await running.options.failpoint?.('after_chunk');
  if (written) await wake(running.db, running.org);
  return written;
}

const CHUNK_STATEMENT = {
  name: 'bulk_enroll_chunk',
  text: `SELECT bulk_enroll_chunk($1::uuid, $2::uuid, $3::int, $4::int, $5::uuid, $6::jsonb, $7::int, $8::int, $9::uuid, $10::uuid,
    $11::uuid, $12::text, $13::text, $14::uuid[], $15::timestamptz[], $16::timestamptz[], $17::uuid[], $18::uuid[], $19::uuid[],
    $20::int[], $21::uuid[], $22::int[], $23::uuid[], $24::int[], $25::text[])`,
};

async function callChunk({ db, org, job }: Running, chunk: Chunk, plan: EnrollPlan): Promise<boolean> {
  const { version, decided } = plan;
  const step = version.definition.steps[0]!;
  const a = batchArguments(plan);
  const [row] = await db.callPrepared(CHUNK_STATEMENT, [
    org,
    job.id,
    chunk.at,
    chunk.at + chunk.size,
    chunk.last,
    JSON.stringify(decided.map((one) => [one.contact_id, one.result, one.reason, one.enrollment_id])),
    decided.filter((one) => one.result === 'skipped').length,
    decided.filter((one) => one.result === 'refused').length,
    version.sequence_id,
    version.id,
    step.id,
    step.channel,
    job.created_by,
    a.senders,
    a.from,
    a.until,
    a.contacts,
    a.enrollments,
    a.touches,
    a.sender_nos,
    a.old,
    a.old_generations,
    a.old_touches,
    a.old_sender_nos,
    a.restartable,
  ]);
  return row?.[0] === true;
}

/** Keeps a task queued that goes on when this process dies. */
function follower({ db, org, job, options }: Running): () => Promise<void> {
  const watch = options.watch_ms ?? WATCH_MS;
  let queued = Number.NEGATIVE_INFINITY;
  return async () => {
    if (performance.now() - queued < watch / 3) return;
    queued = performance.now();
    await db.call(sql`
      SELECT graphile_worker.add_job(${BULK_ENROLL}, ${JSON.stringify({ org, job: job.id })}::json, job_key => ${jobKey(job.id)},
        run_at => clock_timestamp() + ${watch}::int * interval '1 millisecond', job_key_mode => 'replace')`);
  };
}

async function end(running: Running, status: 'completed' | 'failed', error: string | null): Promise<void> {
  const { db, org, job, options } = running;
  const ctx: Context = { org, actor: { type: 'worker', id: options.worker, name: options.worker } };
  await db.inOrg(org, async (tx) => {
    const row = await tx.maybe(sql`
      UPDATE enrollment_jobs SET status = ${status}, error = ${error}, ended_at = clock_timestamp(),
             total = CASE WHEN ${status} = 'completed' THEN next_index ELSE total END
       WHERE org_id = ${org} AND id = ${job.id} AND status = 'running' RETURNING enrolled, skipped, refused`);
    await tx.run(sql`SELECT graphile_worker.remove_job(${jobKey(job.id)})`);
    if (row)
      await audit(tx, ctx, {
        action: `enrollment_job.${status === 'completed' ? 'complete' : 'fail'}`,
        subject_type: 'enrollment_job',
        subject_id: job.id,
        data: { ...row, error },
      });
  });
}
