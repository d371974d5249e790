/**
 * What bulk enrolments and version moves share as jobs: each is a row of its kind's table beside a job of the queue, found,
 * listed and cancelled alike.
 */
import type { Database, Tx } from '../../db/database.ts';
import { type Sql, sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { type ListOrder, type Page, type PageRequest, pageOf, positionOf } from '../../kernel/page.ts';
import { notFound, Problem } from '../../kernel/problem.ts';
import { type AuditEntry, audit } from '../../tenancy/audit.ts';
import type { Context } from '../../tenancy/context.ts';

export const JOB_STATUSES = ['queued', 'running', 'completed', 'cancelled', 'failed'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

interface Kind<Job> {
  name: string;
  /** Where it is clear which. */
  noun: string;
  table: Sql;
  /** The statement of its rows up to WHERE, with the table as `j`. */
  select: Sql;
  list: ListOrder<['uuid']>;
  idOf: (job: Job) => Uuid;
  /** Its key in the queue. */
  key: (id: Uuid) => string;
  /** What the audit trail keeps of one that was cancelled. */
  cancelled: (job: Job) => AuditEntry;
}

export function jobsOf<Job extends { status: JobStatus }>(kind: Kind<Job>) {
  async function find(tx: Tx, org: Uuid, id: Uuid): Promise<Job> {
    const job = await tx.maybe<Job>(sql`${kind.select} WHERE j.org_id = ${org} AND j.id = ${id}`);
    if (!job) throw notFound(kind.name, id);
    return job;
  }

  return {
    find,

    get: (db: Database, org: Uuid, id: Uuid): Promise<Job> => db.inOrg(org, (tx) => find(tx, org, id)),

    /** Newest first. */
    async list(db: Database, org: Uuid, page: PageRequest): Promise<Page<Job>> {
      const after = positionOf(page, kind.list)?.[0] ?? null;
      const rows = await db.inOrg(org, (tx) =>
        tx.rows<Job>(sql`
          ${kind.select} WHERE j.org_id = ${org} AND (${after}::uuid IS NULL OR j.id < ${after})
           ORDER BY j.id DESC LIMIT ${page.limit + 1}`),
      );
      return pageOf(rows, page, kind.list, (job) => [kind.idOf(job)]);
    },

    /** Nothing more is written after this has answered. Cancelling again is no error. @throws not_found, conflict */
    cancel: (db: Database, ctx: Context, id: Uuid): Promise<Job> =>
      db.inOrg(ctx.org, async (tx) => {
        // Waits for the chunk that is being written.
        const ended = await tx.run(sql`
          UPDATE ${kind.table} SET status = 'cancelled', ended_at = clock_timestamp()
           WHERE org_id = ${ctx.org} AND id = ${id} AND status IN ('queued', 'running')`);
        const job = await find(tx, ctx.org, id);
        if (job.status !== 'cancelled')
          throw new Problem(
            'conflict',
            `The ${kind.noun} is ${job.status}; there is nothing left to cancel.`,
          );
        if (ended === 0) return job;
        await tx.run(sql`SELECT graphile_worker.remove_job(${kind.key(id)})`);
        await audit(tx, ctx, kind.cancelled(job));
        return job;
      }),
  };
}
