/**
 * Touches by state, reason and step, of a sequence or of all: what the numbers of stats.ts are made of. No index leads to
 * them, on purpose (ledger/touches.ts), so a page walks through all that may be, newest enrollments first, a stretch of ids
 * at a time, and gives up after a while: it is then shorter than asked for, and says where the next one goes on.
 */
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { cursorOf, listOrder, type Page, type PageRequest, positionOf } from '../../kernel/page.ts';
import { conditionsOf, type Touch, type TouchFilter, touchColumns } from '../../ledger/touches.ts';
import { ENROLLMENT_STATUSES } from './lifecycle.ts';

/** Enrollments whose touches are looked through at once, or touches where no sequence is named. */
const STRETCH = 5_000;
/** Stretches of a page. */
const MAX_STRETCHES = 20;

const ORDER = listOrder('touches_walked', ['uuid']);

export async function walkTouches(
  db: Database,
  org: Uuid,
  filter: TouchFilter,
  page: PageRequest,
): Promise<Page<Touch>> {
  let below = positionOf(page, ORDER)?.[0] ?? null;
  const items: Touch[] = [];
  for (let n = 0; n < MAX_STRETCHES; n++) {
    const low = await lowEnd(db, org, filter.sequence_id, below);
    if (low === null) return { items, next_cursor: null };
    const room = page.limit - items.length;
    const rows = await read(db, org, filter, below, low, room + 1);
    items.push(...rows.slice(0, room));
    if (rows.length > room) return { items, next_cursor: cursorOf(ORDER.name, [items.at(-1)!.id]) };
    below = filter.sequence_id === undefined ? low : before(low);
  }
  return { items, next_cursor: below === null ? null : cursorOf(ORDER.name, [below]) };
}

/** The last id that the millisecond before the one of this id can have: enrollments of one lie among each other. */
function before(low: Uuid): Uuid {
  const millisecond = (BigInt(`0x${low.slice(0, 8)}${low.slice(9, 13)}`) - 1n).toString(16).padStart(12, '0');
  return `${millisecond.slice(0, 8)}-${millisecond.slice(8)}-ffff-ffff-ffffffffffff`;
}

/** Where a stretch ends, itself included; null: there is none below. */
async function lowEnd(
  db: Database,
  org: Uuid,
  sequence: Uuid | undefined,
  below: Uuid | null,
): Promise<Uuid | null> {
  const high =
    below === null
      ? sql`true`
      : sequence === undefined
        ? sql`x.id < ${below}`
        : sql`x.id <= last_touch_id(${below}::uuid)`;
  const row = await db.inOrg(org, (tx) =>
    tx.maybe<{ low: Uuid | null }>(
      sequence === undefined
        ? sql`SELECT min(c.id::text)::uuid AS low FROM (
            SELECT x.id FROM touches x WHERE x.org_id = ${org} AND ${high} ORDER BY x.id DESC LIMIT ${STRETCH}) c`
        : sql`SELECT first_touch_id(min(c.id::text)::uuid) AS low FROM (
            SELECT e.id FROM unnest(${[...ENROLLMENT_STATUSES]}::text[]) s(status) CROSS JOIN LATERAL (
              SELECT x.id FROM enrollments x WHERE x.org_id = ${org} AND x.sequence_id = ${sequence} AND x.status = s.status AND ${high}
               ORDER BY x.id DESC LIMIT ${STRETCH}) e
             ORDER BY e.id DESC LIMIT ${STRETCH}) c`,
    ),
  );
  return row?.low ?? null;
}

/** Those of a stretch, newest first. Of a sequence they are found by its enrollments, whose touches lie together. */
async function read(
  db: Database,
  org: Uuid,
  filter: TouchFilter,
  below: Uuid | null,
  low: Uuid,
  limit: number,
): Promise<Touch[]> {
  const { sequence_id } = filter;
  const conditions = sql`${conditionsOf(org, filter, below)} AND t.id >= ${low}`;
  return db.inOrg(org, (tx) =>
    tx.rows<Touch>(
      sequence_id === undefined
        ? sql`SELECT ${touchColumns} FROM touches t WHERE ${conditions} ORDER BY t.id DESC LIMIT ${limit}`
        : sql`
          SELECT ${touchColumns} FROM (
            SELECT DISTINCT first_touch_id(e.id) AS first, last_touch_id(e.id) AS last FROM enrollments e
             WHERE e.org_id = ${org} AND e.sequence_id = ${sequence_id} AND e.status = ANY (${[...ENROLLMENT_STATUSES]}) AND e.id >= ${low}
               AND (${below}::uuid IS NULL OR e.id <= last_touch_id(${below}::uuid))) p
           CROSS JOIN LATERAL (SELECT t.* FROM touches t WHERE t.org_id = ${org} AND t.id BETWEEN p.first AND p.last AND ${conditions} OFFSET 0) t
           ORDER BY t.id DESC LIMIT ${limit}`,
    ),
  );
}
