/**
 * Bulk enrolments as jobs: made here, carried out by bulk-enroll.ts, read and cancelled here. Owns enrollment_jobs
 * and enrollment_job_results.
 */
import type { Database, Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { newId, type Uuid } from '../../kernel/ids.ts';
import { type Page, type PageRequest, pageOf, positionOf } from '../../kernel/page.ts';
import { notFound, Problem } from '../../kernel/problem.ts';
import { audit } from '../../tenancy/audit.ts';
import { actorText, type Context } from '../../tenancy/context.ts';
import { BULK_ENROLL, jobKey } from './bulk-enroll.ts';
import type { EnrollPolicy } from './candidates.ts';
import { type EnrollResult, enrollableVersion } from './enroll.ts';
import type { VersionCache } from './versions.ts';

export const JOB_STATUSES = ['queued', 'running', 'completed', 'cancelled', 'failed'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

export interface EnrollmentJob {
  job_id: Uuid;
  sequence_id: Uuid;
  status: JobStatus;
  policy: EnrollPolicy | null;
  tag: string | null;
  /** Null until a tag has been counted. */
  total: number | null;
  processed: number;
  enrolled: number;
  skipped: number;
  refused: number;
  error: string | null;
  created_by: string;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
}

const columns = sql`id AS job_id, sequence_id, status, policy, tag, total, next_index AS processed, enrolled, skipped,
  refused, error, created_by, created_at, started_at, ended_at`;

export type JobTarget = { contact_ids: readonly Uuid[] } | { tag: string };

/** @throws not_found, sequence_not_published */
export async function createEnrollmentJob(
  db: Database,
  versions: VersionCache,
  ctx: Context,
  input: { sequence_id: Uuid; policy?: EnrollPolicy | undefined } & JobTarget,
): Promise<EnrollmentJob> {
  await enrollableVersion(db, versions, ctx.org, input.sequence_id);
  const id = newId();
  const ids = 'contact_ids' in input ? input.contact_ids : null;
  const tag = 'tag' in input ? input.tag : null;
  return db.inOrg(ctx.org, async (tx) => {
    const job = await tx.one<EnrollmentJob>(sql`
      INSERT INTO enrollment_jobs (org_id, id, sequence_id, policy, status, tag, contact_ids, total, created_by)
      VALUES (${ctx.org}, ${id}, ${input.sequence_id}, ${input.policy ?? null}, 'queued', ${tag},
        ${ids === null ? null : `{${ids.join(',')}}`}::uuid[], ${ids?.length ?? null}, ${actorText(ctx.actor)})
      RETURNING ${columns}`);
    await tx.run(sql`
      SELECT graphile_worker.add_job(${BULK_ENROLL}, ${JSON.stringify({ org: ctx.org, job: id })}::json, job_key => ${jobKey(id)})`);
    await audit(tx, ctx, {
      action: 'enrollment_job.create',
      subject_type: 'enrollment_job',
      subject_id: id,
      data: { sequence_id: input.sequence_id, policy: input.policy ?? null, tag, total: ids?.length ?? null },
    });
    return job;
  });
}

export async function getEnrollmentJob(db: Database, org: Uuid, id: Uuid): Promise<EnrollmentJob> {
  return db.inOrg(org, (tx) => find(tx, org, id));
}

async function find(tx: Tx, org: Uuid, id: Uuid): Promise<EnrollmentJob> {
  const job = await tx.maybe<EnrollmentJob>(
    sql`SELECT ${columns} FROM enrollment_jobs WHERE org_id = ${org} AND id = ${id}`,
  );
  if (!job) throw notFound('enrollment job', id);
  return job;
}

/** Newest first. */
export async function listEnrollmentJobs(
  db: Database,
  org: Uuid,
  page: PageRequest,
): Promise<Page<EnrollmentJob>> {
  const after = positionOf(page, ['uuid'])?.[0] ?? null;
  const rows = await db.inOrg(org, (tx) =>
    tx.rows<EnrollmentJob>(sql`
      SELECT ${columns} FROM enrollment_jobs WHERE org_id = ${org} AND (${after}::uuid IS NULL OR id < ${after})
       ORDER BY id DESC LIMIT ${page.limit + 1}`),
  );
  return pageOf(rows, page, (row) => [row.job_id]);
}

interface ResultRow {
  n: number;
  ord: number;
  result: [Uuid, EnrollResult['result'], string | null, Uuid | null];
}

export interface JobResult {
  contact_id: Uuid;
  result: EnrollResult['result'];
  reason: string | null;
  enrollment_id: Uuid | null;
}

/** What became of each contact so far, in the order it was worked; `result` narrows. */
export async function jobResults(
  db: Database,
  org: Uuid,
  id: Uuid,
  page: PageRequest & { result?: EnrollResult['result'] | undefined },
): Promise<Page<JobResult>> {
  const [n, ord] = positionOf(page, ['int', 'int']) ?? [-1, 0];
  const rows = await db.inOrg(org, async (tx) => {
    await find(tx, org, id);
    return tx.rows<ResultRow>(sql`
      SELECT r.n, x.ord::int, x.result FROM enrollment_job_results r CROSS JOIN jsonb_array_elements(r.results) WITH ORDINALITY x(result, ord)
       WHERE r.org_id = ${org} AND r.job_id = ${id} AND r.n >= ${n}::int AND (r.n > ${n}::int OR x.ord > ${ord}::int)
         AND (${page.result ?? null}::text IS NULL OR x.result ->> 1 = ${page.result ?? null})
       ORDER BY r.n, x.ord LIMIT ${page.limit + 1}`);
  });
  const { items, next_cursor } = pageOf(rows, page, (row) => [row.n, row.ord]);
  return {
    items: items.map(({ result: [contact_id, result, reason, enrollment_id] }) => ({
      contact_id,
      result,
      reason,
      enrollment_id,
    })),
    next_cursor,
  };
}

/** Nothing is enrolled after this has answered. Cancelling again is no error. @throws not_found, conflict */
export async function cancelEnrollmentJob(db: Database, ctx: Context, id: Uuid): Promise<EnrollmentJob> {
  return db.inOrg(ctx.org, async (tx) => {
    // Waits for the chunk that is being written.
    const cancelled = await tx.run(sql`
      UPDATE enrollment_jobs SET status = 'cancelled', ended_at = clock_timestamp()
       WHERE org_id = ${ctx.org} AND id = ${id} AND status IN ('queued', 'running')`);
    const job = await find(tx, ctx.org, id);
    if (cancelled === 1) {
      await tx.run(sql`SELECT graphile_worker.remove_job(${jobKey(id)})`);
      await audit(tx, ctx, {
        action: 'enrollment_job.cancel',
        subject_type: 'enrollment_job',
        subject_id: id,
        data: { processed: job.processed, enrolled: job.enrolled },
      });
    } else if (job.status !== 'cancelled') {
      throw new Problem('conflict', `The job is ${job.status}; there is nothing left to cancel.`);
    }
    return job;
  });
}
