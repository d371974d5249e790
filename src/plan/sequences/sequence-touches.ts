/** The touches of a sequence, enrollment by enrollment, newest first: its lists of each status merged, then their touches. */
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../../kernel/page.ts';
import { type Touch, touchColumns } from '../../ledger/touches.ts';
import { ENROLLMENT_STATUSES } from './lifecycle.ts';

const ORDER = listOrder('sequence_touches', ['uuid', 'uuid']);

export async function touchesOfSequence(
  db: Database,
  org: Uuid,
  sequence: Uuid,
  page: PageRequest,
): Promise<Page<Touch>> {
  const [source, touch] = positionOf(page, ORDER) ?? [null, null];
  // OFFSET 0: see ledger/touches.ts. The cursor's own enrollment may have nothing left; every other one has a touch.
  const enrollments = page.limit + 2;
  const rows = await db.inOrg(org, (tx) =>
    tx.rows<Touch>(sql`
      WITH chosen AS (
        SELECT e.id FROM unnest(${[...ENROLLMENT_STATUSES]}::text[]) s(status) CROSS JOIN LATERAL (
          SELECT x.id FROM enrollments x
           WHERE x.org_id = ${org} AND x.sequence_id = ${sequence} AND x.status = s.status AND (${source}::uuid IS NULL OR x.id <= ${source})
           ORDER BY x.id DESC LIMIT ${enrollments}) e
         ORDER BY e.id DESC LIMIT ${enrollments}
      )
      SELECT ${touchColumns} FROM chosen c CROSS JOIN LATERAL (
        SELECT * FROM touches x WHERE x.org_id = ${org} AND x.source_id = c.id AND x.id BETWEEN first_touch_id(c.id) AND last_touch_id(c.id)
          AND (${source}::uuid IS NULL OR x.source_id < ${source} OR x.id < ${touch}::uuid) OFFSET 0) t
       ORDER BY t.source_id DESC, t.id DESC LIMIT ${page.limit + 1}`),
  );
  return pageOf(rows, page, ORDER, (row) => [row.enrollment_id, row.id]);
}
