/** Enrollments as they are listed, newest first, each filter served by an index; and one with its touches and events. */
import type { Database, Tx } from '../../db/database.ts';
import { type Sql, sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../../kernel/page.ts';
import { notFound } from '../../kernel/problem.ts';
import { eventsOf, type RecordedEvent } from '../../ledger/events.ts';
import { reasonIs, type Touch, touchesOfEnrollment } from '../../ledger/touches.ts';
import { type Enrollment, enrollmentColumns } from './enrollments.ts';
import { ENROLLMENT_STATUSES, type EnrollmentStatus } from './lifecycle.ts';

const ORDER = listOrder('enrollments', ['uuid']);

/** Shown with one enrollment; its older ones are left out. */
const MAX_TOUCHES = 500;
const MAX_EVENTS = 1_000;

export interface EnrollmentFilter extends PageRequest {
  sequence_id?: Uuid | undefined;
  contact_id?: Uuid | undefined;
  status?: EnrollmentStatus | undefined;
  /** `none`: those without. */
  reason?: string | undefined;
}

export async function listEnrollments(
  db: Database,
  org: Uuid,
  filter: EnrollmentFilter,
): Promise<Page<Enrollment>> {
  const after = positionOf(filter, ORDER)?.[0] ?? null;
  const rows = await db.inOrg(org, (tx) =>
    tx.rows<Enrollment>(sql`
      SELECT ${enrollmentColumns} FROM ${chosen(org, filter, after)} e
        LEFT JOIN touches t ON t.org_id = ${org} AND t.id = e.live_touch
       ORDER BY e.id DESC LIMIT ${filter.limit + 1}`),
  );
  return pageOf(rows, filter, ORDER, (row) => [row.id]);
}

/** The rows of one page. The index of a sequence is ordered within a status, so several statuses are merged. */
function chosen(org: Uuid, filter: EnrollmentFilter, after: Uuid | null): Sql {
  const { sequence_id, contact_id, status, reason } = filter;
  const limit = filter.limit + 1;
  const newest = after === null ? sql`true` : sql`x.id < ${after}`;
  const older = reason === undefined ? newest : sql`${newest} AND ${reasonIs(sql`x.status_reason`, reason)}`;
  if (contact_id !== undefined)
    return sql`(SELECT * FROM enrollments x WHERE x.org_id = ${org} AND x.contact_id = ${contact_id} AND ${older}
      AND ${sequence_id === undefined ? sql`true` : sql`x.sequence_id IS NOT DISTINCT FROM ${sequence_id}`}
      AND ${status === undefined ? sql`true` : sql`x.status = ${status}`})`;
  if (sequence_id === undefined && status === undefined)
    return sql`(SELECT * FROM enrollments x WHERE x.org_id = ${org} AND ${older} ORDER BY x.id DESC LIMIT ${limit})`;
  const statuses = status === undefined ? [...ENROLLMENT_STATUSES] : [status];
  const sequences =
    sequence_id === undefined
      ? sql`(SELECT id FROM sequences WHERE org_id = ${org})`
      : sql`(SELECT ${sequence_id}::uuid AS id)`;
  return sql`(SELECT m.* FROM ${sequences} q CROSS JOIN unnest(${statuses}::text[]) s(status) CROSS JOIN LATERAL (
      SELECT * FROM enrollments x WHERE x.org_id = ${org} AND x.sequence_id = q.id AND x.status = s.status AND ${older}
       ORDER BY x.id DESC LIMIT ${limit}) m
    ORDER BY m.id DESC LIMIT ${limit})`;
}

export interface EnrollmentDetail extends Enrollment {
  /** In the order they were planned. */
  touches: Touch[];
  /** What happened, oldest first. */
  events: RecordedEvent[];
}

/** @throws not_found */
export async function enrollmentDetail(db: Database, org: Uuid, id: Uuid): Promise<EnrollmentDetail> {
  return db.inOrg(org, async (tx: Tx) => {
    const row = await tx.maybe<Enrollment>(sql`
      SELECT ${enrollmentColumns} FROM enrollments e LEFT JOIN touches t ON t.org_id = e.org_id AND t.id = e.live_touch
       WHERE e.org_id = ${org} AND e.id = ${id}`);
    if (!row) throw notFound('enrollment', id);
    return {
      ...row,
      touches: await touchesOfEnrollment(tx, org, id, MAX_TOUCHES),
      events: await eventsOf(tx, org, id, MAX_EVENTS),
    };
  });
}
