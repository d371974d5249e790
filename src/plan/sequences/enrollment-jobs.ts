/**
 * Bulk enrolments as jobs: made here, carried out by bulk-enroll.ts, read and cancelled here. Owns enrollment_jobs
 * and enrollment_job_results.
 */
import { segmentContactIds } from '../../contacts/segments/segments.ts';
import { uuids } from '../../db/arrays.ts';
import type { Database, Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { newId, type Uuid } from '../../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../../kernel/page.ts';
import { Problem } from '../../kernel/problem.ts';
import { audit } from '../../tenancy/audit.ts';
import { actorText, type Context } from '../../tenancy/context.ts';
import { type Assignee, assigneesOf, requireAssignable } from './assignees.ts';
import { BULK_ENROLL, CHUNK, jobKey } from './bulk-enroll.ts';
import type { EnrollPolicy, PolicyChoice } from './candidates.ts';
import { type EnrollResult, enrollableVersion } from './enroll.ts';
import { type JobStatus, jobsOf } from './jobs.ts';
import { findNamed, type Located, type NamedContact } from './named-contacts.ts';
import type { VersionCache } from './versions.ts';

const ENROLLMENT_JOB_RESULTS_ORDER = listOrder('enrollment_job_results', ['int', 'int']);

export interface EnrollmentJob {
  job_id: Uuid;
  sequence_id: Uuid;
  status: JobStatus;
  policy: EnrollPolicy | null;
  policy_days: number | null;
  tag: string | null;
  segment_id: Uuid | null;
  /** Who does the steps of people: one, or several in turn. */
  assignees: Uuid[];
  total: number;
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

const columns = sql`j.id AS job_id, j.sequence_id, j.status, j.policy, j.policy_days, j.tag, j.segment_id, j.assignees, j.total, r.enrolled + r.skipped + r.refused AS processed,
  r.enrolled, r.skipped, r.refused, j.error, j.created_by, j.created_at, j.started_at, j.ended_at`;

/** A chunk's results are one row, so the sums of a job of a million are those of 500 rows. */
const counted = sql`CROSS JOIN LATERAL (
  SELECT coalesce(sum(x.enrolled), 0)::int AS enrolled, coalesce(sum(x.skipped), 0)::int AS skipped, coalesce(sum(x.refused), 0)::int AS refused
    FROM enrollment_job_results x WHERE x.org_id = j.org_id AND x.job_id = j.id) r`;

const jobs = jobsOf<EnrollmentJob>({
  name: 'enrollment job',
  noun: 'job',
  table: sql`enrollment_jobs`,
  select: sql`SELECT ${columns} FROM enrollment_jobs j ${counted}`,
  list: listOrder('enrollment_jobs', ['uuid']),
  idOf: (job) => job.job_id,
  key: jobKey,
  cancelled: ({ job_id, processed, enrolled }) => ({
    action: 'enrollment_job.cancel',
    subject_type: 'enrollment_job',
    subject_id: job_id,
    data: { processed, enrolled },
  }),
});
export const { get: getEnrollmentJob, list: listEnrollmentJobs, cancel: cancelEnrollmentJob } = jobs;

/** Contacts of one job. */
export const MAX_JOB_CONTACTS = 2_000_000;

export type JobTarget =
  | { contact_ids: readonly Uuid[] }
  | { tag: string }
  | { segment_id: Uuid }
  | { named: readonly NamedContact[] };

/** @throws not_found, sequence_not_published, invalid_request (too many) */
export async function createEnrollmentJob(
  db: Database,
  versions: VersionCache,
  ctx: Context,
  input: { sequence_id: Uuid; chunk?: number; assignee?: Assignee | undefined } & PolicyChoice & JobTarget,
): Promise<EnrollmentJob> {
  await enrollableVersion(db, versions, ctx.org, input.sequence_id);
  const id = newId();
  const assignees = assigneesOf(input.assignee);
  return db.inOrg(ctx.org, async (tx) => {
    await requireAssignable(tx, ctx.org, assignees);
    const { ids, entries, rows, repeated, unknown } = await audienceOf(tx, ctx.org, input);
    if (ids.length > MAX_JOB_CONTACTS)
      throw new Problem('invalid_request', `A job takes at most ${MAX_JOB_CONTACTS} contacts.`);
    const tag = 'tag' in input ? input.tag : null;
    const segment = 'segment_id' in input ? input.segment_id : null;
    const total = ids.length + repeated.length + unknown.length;
    await tx.run(sql`
      INSERT INTO enrollment_jobs (org_id, id, sequence_id, policy, policy_days, status, tag, segment_id, contact_ids, entries, rows, chunk, total,
        created_by, assignees)
      VALUES (${ctx.org}, ${id}, ${input.sequence_id}, ${input.policy ?? null}, ${input.policy_days ?? null}, 'queued', ${tag}, ${segment},
        ${`{${ids.join(',')}}`}::uuid[], ${entries}::text[], ${rows}::int[], ${input.chunk ?? CHUNK}, ${total}, ${actorText(ctx.actor)},
        ${`{${assignees.join(',')}}`}::uuid[])`);
    if (repeated.length + unknown.length > 0) {
      const others = [
        ...repeated.map((one) => [one.contact_id, 'skipped', 'duplicate', null, one.entry, one.row]),
        ...unknown.map((one) => [null, 'refused', 'unknown_contact', null, one.entry, one.row]),
      ];
      await tx.run(sql`
        INSERT INTO enrollment_job_results (org_id, job_id, n, skipped, refused, others)
        VALUES (${ctx.org}, ${id}, -1, ${repeated.length}, ${unknown.length}, ${JSON.stringify(others)})`);
    }
    await tx.run(sql`
      SELECT graphile_worker.add_job(${BULK_ENROLL}, ${JSON.stringify({ org: ctx.org, job: id })}::json, job_key => ${jobKey(id)})`);
    await audit(tx, ctx, {
      action: 'enrollment_job.create',
      subject_type: 'enrollment_job',
      subject_id: id,
      data: {
        ...{ sequence_id: input.sequence_id, policy: input.policy ?? null, tag, segment_id: segment, total },
        ...(assignees.length > 0 ? { assignees } : {}),
      },
    });
    return jobs.find(tx, ctx.org, id);
  });
}

async function taggedContacts(tx: Tx, org: Uuid, tag: string): Promise<Uuid[]> {
  const row = await tx.one<{ ids: string }>(sql`
    SELECT array_to_string(ARRAY(SELECT contact_id FROM contact_tags WHERE org_id = ${org} AND tag = ${tag}
      ORDER BY contact_id LIMIT ${MAX_JOB_CONTACTS + 1}), ',') AS ids`);
  return row.ids === '' ? [] : row.ids.split(',');
}

interface Audience {
  /** Each once, in the order of their index. */
  ids: Uuid[];
  /** Beside each id, what named it; null where ids themselves were given. */
  entries: string[] | null;
  rows: (number | null)[] | null;
  repeated: Located[];
  /** What names nobody. */
  unknown: Pick<Located, 'entry' | 'row'>[];
}

/** The contacts, as they are now: who comes into a segment or gets a tag later is not in the job. */
async function audienceOf(tx: Tx, org: Uuid, target: JobTarget): Promise<Audience> {
  const plain = { entries: null, rows: null, repeated: [], unknown: [] };
  if ('tag' in target) return { ...plain, ids: await taggedContacts(tx, org, target.tag) };
  if ('segment_id' in target) {
    const ids = await segmentContactIds(tx, org, target.segment_id, MAX_JOB_CONTACTS + 1);
    return { ...plain, ids: ids === '' ? [] : ids.split(',') };
  }
  if ('contact_ids' in target) {
    const { once, repeated } = apart(
      target.contact_ids.map((id) => ({ contact_id: id, entry: null, row: null })),
    );
    return { ...plain, ids: once.map((one) => one.contact_id), repeated };
  }
  const { found, unknown } = await findNamed(tx, org, target.named);
  const { once, repeated } = apart(found);
  return {
    ids: once.map((one) => one.contact_id),
    entries: once.map((one) => one.entry ?? ''),
    rows: once.map((one) => one.row),
    repeated,
    unknown,
  };
}

/** Each once, in the order of their index; and those named again. */
function apart(named: readonly Located[]): { once: Located[]; repeated: Located[] } {
  const first = new Map<Uuid, Located>();
  const repeated: Located[] = [];
  for (const one of named) {
    if (first.has(one.contact_id)) repeated.push(one);
    else first.set(one.contact_id, one);
  }
  const once = [...first.values()].sort((a, b) => (a.contact_id < b.contact_id ? -1 : 1));
  return { once, repeated };
}

export interface JobResult {
  /** Null: nobody has that address or id. */
  contact_id: Uuid | null;
  result: EnrollResult['result'];
  reason: string | null;
  enrollment_id: Uuid | null;
  /** The words that named the contact, and the row of the file they were in. */
  entry: string | null;
  row: number | null;
}

type ResultRow = JobResult & { n: number; ord: number };

/** Results with the words that named their contacts, which the job keeps. Those of a page's chunks are unpacked once. */
async function withEntries(tx: Tx, org: Uuid, id: Uuid, results: ResultRow[]): Promise<ResultRow[]> {
  const chunks = results.flatMap(({ n }) => (n >= 0 ? [n] : []));
  if (chunks.length === 0) return results;
  const ids = results.flatMap(({ contact_id }) => contact_id ?? []);
  const [first, last] = [Math.min(...chunks), Math.max(...chunks)];
  const names = await tx.rows<{ contact_id: Uuid; entry: string | null; row: number | null }>(sql`
    SELECT m.contact AS contact_id, m.entry, m.row
      FROM (SELECT contact_ids, entries, rows, ${first}::int * chunk + 1 AS lo, (${last}::int + 1) * chunk AS hi FROM enrollment_jobs
             WHERE org_id = ${org} AND id = ${id} AND entries IS NOT NULL) j,
        unnest(j.contact_ids[lo:hi], j.entries[lo:hi], j.rows[lo:hi]) m(contact, entry, row)
     WHERE m.contact = ANY (${uuids(ids)}::uuid[])`);
  const named = new Map(names.map((name) => [name.contact_id, name]));
  return results.map((result) => {
    const name = result.n >= 0 && result.contact_id !== null ? named.get(result.contact_id) : undefined;
    return { ...result, entry: result.entry ?? name?.entry ?? null, row: result.row ?? name?.row ?? null };
  });
}

/** What became of each contact so far; `result` narrows. */
export async function jobResults(
  db: Database,
  org: Uuid,
  id: Uuid,
  page: PageRequest & { result?: EnrollResult['result'] | undefined },
): Promise<Page<JobResult>> {
  const [n, ord] = positionOf(page, ENROLLMENT_JOB_RESULTS_ORDER) ?? [-2, 0];
  const rows = await db.inOrg(org, async (tx) => {
    await jobs.find(tx, org, id);
    const found = await tx.rows<ResultRow>(sql`
      SELECT r.n, x.ord::int, x.contact_id, x.result, x.reason, x.enrollment_id, x.entry, x.row
        FROM enrollment_job_results r CROSS JOIN LATERAL (
          SELECT u.ord, u.contact AS contact_id, 'enrolled' AS result, NULL AS reason, u.enrollment AS enrollment_id, NULL AS entry, NULL::int AS row
            FROM unnest(r.contacts, r.enrollments) WITH ORDINALITY u(contact, enrollment, ord)
          UNION ALL
          SELECT cardinality(r.contacts) + u.ord, (u.one ->> 0)::uuid, u.one ->> 1, u.one ->> 2, (u.one ->> 3)::uuid, u.one ->> 4, (u.one ->> 5)::int
            FROM jsonb_array_elements(r.others) WITH ORDINALITY u(one, ord)) x
       WHERE r.org_id = ${org} AND r.job_id = ${id} AND r.n >= ${n}::int AND (r.n > ${n}::int OR x.ord > ${ord}::int)
         AND (${page.result ?? null}::text IS NULL OR x.result = ${page.result ?? null})
       ORDER BY r.n, x.ord LIMIT ${page.limit + 1}`);
    return withEntries(tx, org, id, found);
  });
  return pageOf(rows, page, ENROLLMENT_JOB_RESULTS_ORDER, (row) => [row.n, row.ord]);
}
