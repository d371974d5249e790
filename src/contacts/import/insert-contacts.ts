/**
 * The statement that makes a batch's new contacts, with their tags. Rows travel as one array a column, in PostgreSQL's
 * binary form: 2 µs a row where one JSON parameter costs the server 7. It takes some 50 µs a row with two tags on a quiet
 * machine: 20 of it the ten index entries (those of the three searched names 8), 18 the three foreign keys, each looked up
 * by itself. Sorting by identity saves a tenth (and keeps two imports from a deadlock). Tried without gain: two statements,
 * a prepared statement, tags sorted by tag, ascending ids within a batch, tags keyed by contact first.
 */
import { jsonbArray, textArray, uuidArray } from '../../db/binary-arrays.ts';
import type { Tx } from '../../db/database.ts';
import { type Sql, sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { Context } from '../../tenancy/context.ts';
import type { BatchRules } from './batch-statements.ts';
import type { Identity, RowContact } from './row.ts';

/**
 * What is looked for before a row goes in. `nothing`: every row is taken for a new contact, and one that is not ends the
 * statement. `identity`: the one unique index of the identity; `all`: every unique index (a row that meets another
 * of them than the identity's ends the statement too). Each step costs 5 µs a row.
 */
export type LookedFor = 'nothing' | 'identity' | 'all';

/** Phones have no unique index. */
const CONFLICT: Record<Identity, Sql> = {
  email: sql`(org_id, email) WHERE email IS NOT NULL`,
  phone: sql``,
  external_id: sql`(org_id, external_id) WHERE external_id IS NOT NULL`,
};

/** As the identity's index is ordered. */
const IN_ORDER: Record<Identity, Sql> = {
  email: sql`email USING ~<~`,
  phone: sql`phone USING ~<~`,
  external_id: sql`external_id`,
};

/**
 * Inserts what is new, with its tags. Out: the ids of the rows that were not inserted, because something has a value of
 * theirs.
 */
export async function insertContacts(
  tx: Tx,
  ctx: Context,
  rules: BatchRules,
  contacts: RowContact[],
  lookedFor: LookedFor,
): Promise<Uuid[]> {
  if (contacts.length === 0) return [];
  const ids = uuidArray(contacts.map((contact) => contact.id));
  const insert = insertOf(ctx, rules, contacts, ids);
  const tags = tagsOf(contacts, rules.tags);
  if (takenAsNew(rules, lookedFor)) {
    await tx.run(sql`WITH created AS (${insert})
      INSERT INTO contact_tags (org_id, tag, contact_id) SELECT ${ctx.org}::uuid, t.tag, t.id FROM ${tags}`);
    return [];
  }
  const rows = await tx.rows<{ id: Uuid }>(sql`
    WITH created AS (
      ${insert} ON CONFLICT ${lookedFor === 'all' ? sql`` : CONFLICT[rules.identity]} DO NOTHING RETURNING id),
    tagged AS (
      INSERT INTO contact_tags (org_id, tag, contact_id)
      SELECT ${ctx.org}::uuid, t.tag, t.id FROM ${tags} JOIN created ON created.id = t.id)
    SELECT i.id FROM unnest(${ids}::uuid[]) AS i(id) LEFT JOIN created ON created.id = i.id WHERE created.id IS NULL`);
  return rows.map((row) => row.id);
}

/** No index forbids two contacts with one phone: those are always looked for. */
function takenAsNew(rules: BatchRules, lookedFor: LookedFor): boolean {
  return lookedFor === 'nothing' && rules.identity !== 'phone';
}

function insertOf(ctx: Context, rules: BatchRules, contacts: RowContact[], ids: Buffer): Sql {
  // No index forbids two contacts with one phone, so ON CONFLICT cannot see them.
  const unlessThere =
    rules.identity === 'phone'
      ? sql`WHERE NOT EXISTS (SELECT 1 FROM contacts c WHERE c.org_id = ${ctx.org} AND c.phone = input.phone)`
      : sql``;
  const texts = TEXTS.map((field) => sql`${textColumn(contacts, field)}::text[]`);
  return sql`INSERT INTO contacts (org_id, id, external_id, first_name, last_name, company, title, email, phone,
      whatsapp, linkedin, telegram, locale, time_zone, time_zone_from, attributes, import_id)
    SELECT ${ctx.org}::uuid, id, external_id, first_name, last_name, company, title, email, phone,
      whatsapp, linkedin, telegram, locale, time_zone, time_zone_from, coalesce(attributes, '{}'), ${rules.import_id}::uuid
    FROM unnest(${ids}::uuid[], ${texts.reduce((all, one) => sql`${all}, ${one}`)}, ${attributesColumn(contacts)}::jsonb[])
      AS input(id, external_id, first_name, last_name, company, title, email, phone, whatsapp, linkedin, telegram,
        locale, time_zone, time_zone_from, attributes)
    ${unlessThere} ORDER BY ${IN_ORDER[rules.identity]}`;
}

/** In the order in which the statement names them. */
const TEXTS = [
  'external_id',
  'first_name',
  'last_name',
  'company',
  'title',
  'email',
  'phone',
  'whatsapp',
  'linkedin',
  'telegram',
  'locale',
  'time_zone',
  'time_zone_from',
] as const satisfies (keyof RowContact)[];

/** Null for a column that no row fills, which is most of them. */
function textColumn(contacts: readonly RowContact[], field: (typeof TEXTS)[number]): Buffer | null {
  const values = contacts.map((contact) => contact[field]);
  return values.some((value) => value !== undefined) ? textArray(values) : null;
}

function attributesColumn(contacts: readonly RowContact[]): Buffer | null {
  const values = contacts.map((contact) => contact.attributes);
  return values.some((value) => value !== undefined) ? jsonbArray(values) : null;
}

/** The tags of all rows as `t(tag, id)`, a contact's together: its row is in reach when they look for it. */
function tagsOf(contacts: readonly RowContact[], all: readonly string[]): Sql {
  const tags: string[] = [];
  const ids: Uuid[] = [];
  for (const contact of contacts) {
    const own =
      contact.tags === undefined
        ? all
        : all.length === 0
          ? contact.tags
          : [...new Set([...all, ...contact.tags])];
    for (const tag of own) {
      tags.push(tag);
      ids.push(contact.id);
    }
  }
  return sql`unnest(${textArray(tags)}::text[], ${uuidArray(ids)}::uuid[]) AS t(tag, id)`;
}
