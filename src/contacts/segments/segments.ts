/**
 * Segments: conditions saved under a name. Owns `segments`. In: conditions of the language in condition.ts. Out: the
 * contacts that fulfil them at the moment of asking; nothing is stored about who is in a segment.
 */
import { type Database, pgConstraint, type Tx } from '../../db/database.ts';
import { type Sql, sql } from '../../db/sql.ts';
import { newId, type Uuid } from '../../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../../kernel/page.ts';
import { notFound, Problem } from '../../kernel/problem.ts';
import { audit } from '../../tenancy/audit.ts';
import { actorText, type Context } from '../../tenancy/context.ts';
import { typesOfAttributes } from '../attribute-definition.ts';
import { checkCondition } from './check-condition.ts';
import type { Condition } from './condition.ts';
import { conditionSql } from './condition-sql.ts';

export interface Segment {
  id: Uuid;
  name: string;
  condition: Condition;
  created_by: string;
  created_at: Date;
  updated_at: Date;
}

const COLUMNS = sql`id, name, condition, created_by, created_at, updated_at`;

const SEGMENTS_ORDER = listOrder('segments', ['text']);

/** By name. */
export async function listSegments(db: Database, ctx: Context, page: PageRequest): Promise<Page<Segment>> {
  const after = positionOf(page, SEGMENTS_ORDER)?.[0] ?? null;
  const rows = await db.inOrg(ctx.org, (tx) =>
    tx.rows<Segment>(sql`SELECT ${COLUMNS} FROM segments
      WHERE org_id = ${ctx.org} AND (${after}::text IS NULL OR name > ${after}) ORDER BY name LIMIT ${page.limit + 1}`),
  );
  return pageOf(rows, page, SEGMENTS_ORDER, (row) => [row.name]);
}

export async function getSegment(db: Database, ctx: Context, id: Uuid): Promise<Segment> {
  return db.inOrg(ctx.org, (tx) => findSegment(tx, ctx.org, id));
}

/** @throws not_found */
export async function findSegment(tx: Tx, org: Uuid, id: Uuid): Promise<Segment> {
  const row = await tx.maybe<Segment>(
    sql`SELECT ${COLUMNS} FROM segments WHERE org_id = ${org} AND id = ${id}`,
  );
  if (row === null) throw notFound('segment', id);
  return row;
}

/** @throws invalid_request with every problem of the condition; conflict when the name is taken */
export async function createSegment(
  db: Database,
  ctx: Context,
  { name, condition }: { name: string; condition: Condition },
): Promise<Segment> {
  const id = newId();
  return named(name, () =>
    db.inOrg(ctx.org, async (tx) => {
      await requireFitting(tx, ctx, condition);
      await tx.run(sql`INSERT INTO segments (org_id, id, name, condition, created_by)
        VALUES (${ctx.org}, ${id}, ${name}, ${JSON.stringify(condition)}::jsonb, ${actorText(ctx.actor)})`);
      await record(tx, ctx, 'segment.create', id, { name, condition });
      return findSegment(tx, ctx.org, id);
    }),
  );
}

/** @throws not_found, invalid_request, conflict when the name is taken */
export async function updateSegment(
  db: Database,
  ctx: Context,
  id: Uuid,
  patch: { name?: string | undefined; condition?: Condition | undefined },
): Promise<Segment> {
  return named(patch.name ?? '', () =>
    db.inOrg(ctx.org, async (tx) => {
      const before = await findSegment(tx, ctx.org, id);
      const { name = before.name, condition = before.condition } = patch;
      await requireFitting(tx, ctx, condition);
      await tx.run(sql`UPDATE segments SET name = ${name}, condition = ${JSON.stringify(condition)}::jsonb, updated_at = now()
        WHERE org_id = ${ctx.org} AND id = ${id}`);
      await record(tx, ctx, 'segment.update', id, { name, condition });
      return findSegment(tx, ctx.org, id);
    }),
  );
}

/** Jobs made from it keep their contacts. @throws not_found */
export async function deleteSegment(db: Database, ctx: Context, id: Uuid): Promise<void> {
  await db.inOrg(ctx.org, async (tx) => {
    const { name } = await findSegment(tx, ctx.org, id);
    await tx.run(sql`DELETE FROM segments WHERE org_id = ${ctx.org} AND id = ${id}`);
    await record(tx, ctx, 'segment.delete', id, { name });
  });
}

function record(tx: Tx, ctx: Context, action: string, id: Uuid, data: Record<string, unknown>) {
  return audit(tx, ctx, { action, subject_type: 'segment', subject_id: id, data });
}

async function named<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (pgConstraint(cause) !== 'segments_name') throw cause;
    throw new Problem('conflict', `There is a segment ${name} already.`, { cause });
  }
}

/** @throws invalid_request with every problem at once */
export async function requireFitting(tx: Tx, ctx: Context, condition: Condition): Promise<void> {
  const errors = checkCondition(condition, { attributes: await typesOfAttributes(tx, ctx) });
  if (errors.length > 0) throw new Problem('invalid_request', 'The condition does not fit.', { errors });
}

/** Of a row `contacts c`: is it in the segment? */
export function inSegment(org: Uuid, { condition }: Pick<Segment, 'condition'>): Sql {
  return conditionSql(condition, { org, contact: sql`c`, many: true });
}

/**
 * How many there are. Exact, and read in one go: at 50,000 contacts 20 to 60 ms, which grows with the organization.
 */
export async function countContacts(tx: Tx, org: Uuid, condition: Condition): Promise<number> {
  const { count } = await tx.one<{ count: number }>(countStatement(org, condition));
  return count;
}

export function countStatement(org: Uuid, condition: Condition): Sql {
  return sql`SELECT count(*) AS count FROM contacts c WHERE c.org_id = ${org} AND ${inSegment(org, { condition })}`;
}

/** @throws not_found */
export async function countSegment(db: Database, ctx: Context, id: Uuid): Promise<number> {
  return db.inOrg(ctx.org, async (tx) => {
    const { condition } = await findSegment(tx, ctx.org, id);
    return countContacts(tx, ctx.org, condition);
  });
}

/** The ids of all, in order, joined by commas: a million are 37 MB as one text, twice that as a list. */
export async function segmentContactIds(tx: Tx, org: Uuid, id: Uuid, limit: number): Promise<string> {
  const segment = await findSegment(tx, org, id);
  const row = await tx.one<{ ids: string }>(sql`
    SELECT array_to_string(ARRAY(SELECT c.id FROM contacts c WHERE c.org_id = ${org} AND ${inSegment(org, segment)}
      ORDER BY c.id LIMIT ${limit}), ',') AS ids`);
  return row.ids;
}
