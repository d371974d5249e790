/**
 * Lists contacts: all, those with a tag, in a segment or fulfilling a condition, or those whose name, company, e-mail or phone begins with `q`. A search goes
 * through one index after another, in this order, each in its own order; a contact that an earlier one has found is
 * not shown again. So every page costs what it shows, however many contacts begin with an `a`.
 */
import type { Database, Tx } from '../db/database.ts';
import { type Sql, sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../kernel/page.ts';
import type { Context } from '../tenancy/context.ts';
import { cleanText } from './clean-text.ts';
import { CONTACT_COLUMNS, type Contact } from './contact.ts';
import type { Condition } from './segments/condition.ts';
import { findSegment, inSegment } from './segments/segments.ts';

const CONTACTS_ORDER = listOrder('contacts', ['uuid']);
const CONTACTS_FOUND_ORDER = listOrder('contacts_found', ['int', 'text', 'uuid']);

export interface ContactFilter {
  q?: string | undefined;
  tag?: string | undefined;
  segment_id?: Uuid | undefined;
  /** Checked: see segments.ts. */
  condition?: Condition | undefined;
}

/** @throws not_found for a segment that is not there */

export async function searchContacts(
  db: Database,
  ctx: Context,
  filter: ContactFilter,
  page: PageRequest,
): Promise<Page<Contact>> {
  const q = cleanText(filter.q ?? '');
  return db.inOrg(ctx.org, async (tx) => {
    const where = await whereOf(tx, ctx, filter);
    return q === ''
      ? listAll(tx, ctx, filter.tag, where, page)
      : searchByPrefix(tx, ctx, q, filter.tag, where, page);
  });
}

async function whereOf(tx: Tx, ctx: Context, { segment_id, condition }: ContactFilter): Promise<Sql> {
  const segment =
    segment_id === undefined
      ? sql``
      : sql`AND ${inSegment(ctx.org, await findSegment(tx, ctx.org, segment_id))}`;
  return condition === undefined ? segment : sql`${segment} AND ${inSegment(ctx.org, { condition })}`;
}

/** Newest first. */
async function listAll(
  tx: Tx,
  ctx: Context,
  tag: string | undefined,
  where: Sql,
  page: PageRequest,
): Promise<Page<Contact>> {
  const before = positionOf(page, CONTACTS_ORDER)?.[0] ?? LAST;
  const rows = await tx.rows<Contact>(listStatement(ctx, tag, before, page.limit + 1, where));
  return pageOf(rows, page, CONTACTS_ORDER, (row) => [row.id]);
}

const LAST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** `where`: what else is asked of `contacts c`, beginning with AND. */
export function listStatement(
  ctx: Context,
  tag: string | undefined,
  before: Uuid,
  limit: number,
  where: Sql = sql``,
): Sql {
  if (tag === undefined)
    return sql`SELECT ${CONTACT_COLUMNS} FROM contacts c WHERE c.org_id = ${ctx.org} AND c.id < ${before} ${where}
      ORDER BY c.id DESC LIMIT ${limit}`;
  return sql`SELECT ${CONTACT_COLUMNS} FROM contact_tags g JOIN contacts c ON c.org_id = ${ctx.org} AND c.id = g.contact_id
    WHERE g.org_id = ${ctx.org} AND g.tag = ${tag} AND g.contact_id < ${before} ${where}
    ORDER BY g.contact_id DESC LIMIT ${limit}`;
}

/** The searched columns, each with its index. */
const SEARCHED = {
  name: sql`c.search_name`,
  last_name: sql`c.search_last_name`,
  company: sql`c.search_company`,
  email: sql`c.email`,
  phone: sql`c.phone`,
} as const satisfies Record<string, Sql>;

type Searched = keyof typeof SEARCHED;
const ORDER = Object.keys(SEARCHED) as Searched[];

/** An index that is looked into, and where it goes on. */
interface Branch {
  field: Searched;
  prefix: string;
}

/** Which index, and the position in it: its key and the contact. */
type Position = readonly [branch: number, key: string, id: string];

interface Found extends Contact {
  found_by: number;
  found_key: string;
}

async function searchByPrefix(
  tx: Tx,
  ctx: Context,
  q: string,
  tag: string | undefined,
  where: Sql,
  page: PageRequest,
): Promise<Page<Contact>> {
  const branches = await branchesOf(tx, q);
  const from: Position = positionOf(page, CONTACTS_FOUND_ORDER) ?? [0, '', FIRST];
  const found: Found[] = [];
  for (let n = Math.max(0, from[0]); n < branches.length && found.length <= page.limit; n++) {
    const after: Position = n === from[0] ? from : [n, '', FIRST];
    const limit = page.limit + 1 - found.length;
    const statement = searchStatement(ctx, branches, after, tag, limit, where);
    const rows = await tx.rows<Omit<Found, 'found_by'>>(statement);
    for (const row of rows) found.push({ ...(row as Found), found_by: n });
  }
  const cut = pageOf(found, page, CONTACTS_FOUND_ORDER, (row) => [row.found_by, row.found_key, row.id]);
  return { ...cut, items: cut.items.map(({ found_by: _by, found_key: _key, ...contact }) => contact) };
}

const FIRST = '00000000-0000-0000-0000-000000000000';

/** Lower-cased by the database, as the indexes are: the two disagree beyond ASCII. */
async function branchesOf(tx: Tx, q: string): Promise<Branch[]> {
  const { lowered } = await tx.one<{ lowered: string }>(sql`SELECT lower(${q}) AS lowered`);
  const digits = /^\+?[\d ().-]+$/.test(q) ? q.replace(/\D/g, '') : '';
  const prefixes: Record<Searched, string> = {
    name: lowered,
    last_name: lowered,
    company: lowered,
    email: q.toLowerCase(),
    phone: digits === '' ? '' : `+${digits}`,
  };
  return ORDER.filter((field) => prefixes[field] !== '').map((field) => ({ field, prefix: prefixes[field] }));
}

/**
 * One page of one index. The range is written out: a bound LIKE pattern finds no index in a generic plan, and LIKE is
 * not leakproof, so row-level security would read every row of the organization. The operators compare bytes, as
 * `text_pattern_ops` does.
 */
export function searchStatement(
  ctx: Context,
  branches: readonly Branch[],
  [n, key, id]: Position,
  tag: string | undefined,
  limit: number,
  where: Sql = sql``,
): Sql {
  const { field, prefix } = branches[n]!;
  const searched = SEARCHED[field];
  const earlier = branches.slice(0, n).map((branch) => sql`AND NOT coalesce(${within(branch)}, false)`);
  return sql`SELECT ${CONTACT_COLUMNS}, ${searched} AS found_key FROM contacts c
    WHERE c.org_id = ${ctx.org} AND ${searched} ~>=~ ${prefix} AND ${searched} ~<~ ${after(prefix)} AND ${searched} ~>=~ ${key}
      AND (${searched} ~>~ ${key} OR c.id > ${id})
      ${earlier.reduce((all, one) => sql`${all} ${one}`, sql``)}
      ${tag === undefined ? sql`` : sql`AND EXISTS (SELECT 1 FROM contact_tags g WHERE g.org_id = ${ctx.org} AND g.tag = ${tag} AND g.contact_id = c.id)`} ${where}
    ORDER BY ${searched} USING ~<~, c.id LIMIT ${limit}`;
}

function within({ field, prefix }: Branch): Sql {
  return sql`(${SEARCHED[field]} ~>=~ ${prefix} AND ${SEARCHED[field]} ~<~ ${after(prefix)})`;
}

/** The first text that does not begin with the prefix: its last character raised by one. */
function after(prefix: string): string {
  const characters = [...prefix];
  const last = characters.pop()?.codePointAt(0) ?? 0;
  // Halves of surrogate pairs are no characters; beyond the last one there is nothing.
  const next = last === 0xd7ff ? 0xe000 : last + 1;
  if (next > 0x10ffff) return after(characters.join(''));
  return characters.join('') + String.fromCodePoint(next);
}
