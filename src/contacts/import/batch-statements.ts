/**
 * The statements of a batch for contacts that are there already, and for what hangs on them. Rows travel as one JSON parameter
 * (those that are new in another way: insert-contacts.ts).
 */
import type { Tx } from '../../db/database.ts';
import { type Sql, sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { Context } from '../../tenancy/context.ts';
import type { ExistingPolicy } from './import.ts';
import type { Identity, RowContact } from './row.ts';

/** What a batch goes by: the same for the whole import. */
export interface BatchRules {
  import_id: Uuid;
  identity: Identity;
  existing: ExistingPolicy;
  tags: string[];
}

const RECORD: Sql = sql`r(id uuid, n bigint, external_id text, first_name text, last_name text, company text,
  title text, email text, phone text, whatsapp text, linkedin text, telegram text, locale text, time_zone text,
  time_zone_from text, attributes jsonb)`;

/** The contact an identity finds. Phones are not unique: the oldest contact has it. */
const FIND: Record<Identity, Sql> = {
  email: sql`c.email = i.key`,
  phone: sql`c.phone = i.key`,
  external_id: sql`c.external_id = i.key`,
};

export interface Match {
  n: number;
  id: Uuid;
  of_this_import: boolean;
  email_taken: boolean;
  external_id_taken: boolean;
}

/** By row number, the contacts that have the rows' identities, and whether their other unique values are free. */
export async function matchExisting(
  tx: Tx,
  ctx: Context,
  rules: BatchRules,
  contacts: RowContact[],
): Promise<Map<number, Match>> {
  const input = contacts.map((c) => ({
    n: c.n,
    key: c[rules.identity],
    email: c.email,
    external_id: c.external_id,
  }));
  const rows = await tx.rows<Match>(sql`
    SELECT i.n, found.id, coalesce(found.import_id = ${rules.import_id}, false) AS of_this_import,
      EXISTS (SELECT 1 FROM contacts o WHERE o.org_id = ${ctx.org} AND o.email = i.email AND o.id <> found.id) AS email_taken,
      EXISTS (SELECT 1 FROM contacts o WHERE o.org_id = ${ctx.org} AND o.external_id = i.external_id AND o.id <> found.id) AS external_id_taken
    FROM json_to_recordset(${JSON.stringify(input)}::json) AS i(n bigint, key text, email text, external_id text)
    CROSS JOIN LATERAL (SELECT c.id, c.import_id FROM contacts c
      WHERE c.org_id = ${ctx.org} AND ${FIND[rules.identity]} ORDER BY c.id LIMIT 1) found`);
  return new Map(rows.map((row) => [row.n, row]));
}

/**
 * Merges rows into the contacts whose ids they carry. `update` lets what the row says win, `fill_blanks` what is
 * already there; neither ever empties a value. Out: the contacts that changed. The others are marked as seen by
 * this import too, so that a later row with the same identity is a duplicate.
 *
 * A zone given beats one inferred from a phone; an inferred one follows the phone that is kept.
 */
export async function mergeContacts(
  tx: Tx,
  ctx: Context,
  rules: BatchRules,
  contacts: RowContact[],
): Promise<Uuid[]> {
  const win = rules.existing === 'update';
  const rows = await tx.rows<{ id: Uuid }>(sql`
    WITH input AS MATERIALIZED (SELECT * FROM json_to_recordset(${JSON.stringify(contacts)}::json) AS ${RECORD}),
    held AS (
      SELECT c.* FROM contacts c JOIN input i ON c.org_id = ${ctx.org} AND c.id = i.id
      ORDER BY c.id FOR NO KEY UPDATE OF c),
    merged AS (
      SELECT c.id,
        ${prefer(win, sql`i.external_id`, sql`c.external_id`)} AS external_id,
        ${prefer(win, sql`i.first_name`, sql`c.first_name`)} AS first_name,
        ${prefer(win, sql`i.last_name`, sql`c.last_name`)} AS last_name,
        ${prefer(win, sql`i.company`, sql`c.company`)} AS company,
        ${prefer(win, sql`i.title`, sql`c.title`)} AS title,
        ${prefer(win, sql`i.email`, sql`c.email`)} AS email,
        ${prefer(win, sql`i.phone`, sql`c.phone`)} AS phone,
        ${prefer(win, sql`i.whatsapp`, sql`c.whatsapp`)} AS whatsapp,
        ${prefer(win, sql`i.linkedin`, sql`c.linkedin`)} AS linkedin,
        ${prefer(win, sql`i.telegram`, sql`c.telegram`)} AS telegram,
        ${prefer(win, sql`i.locale`, sql`c.locale`)} AS locale,
        ${win ? ZONE_OF_ROW : ZONE_OF_CONTACT} AS from_row,
        i.time_zone AS row_zone, i.time_zone_from AS row_zone_from,
        ${win ? sql`c.attributes || coalesce(i.attributes, '{}')` : sql`coalesce(i.attributes, '{}') || c.attributes`} AS attributes
      FROM held c JOIN input i ON i.id = c.id),
    compared AS (
      SELECT m.*, CASE WHEN m.from_row THEN m.row_zone ELSE c.time_zone END AS time_zone,
        CASE WHEN m.from_row THEN m.row_zone_from ELSE c.time_zone_from END AS time_zone_from,
        (c.external_id, c.first_name, c.last_name, c.company, c.title, c.email, c.phone, c.whatsapp, c.linkedin,
          c.telegram, c.locale, c.attributes, c.time_zone, c.time_zone_from)
        IS DISTINCT FROM
        (m.external_id, m.first_name, m.last_name, m.company, m.title, m.email, m.phone, m.whatsapp, m.linkedin,
          m.telegram, m.locale, m.attributes, CASE WHEN m.from_row THEN m.row_zone ELSE c.time_zone END,
          CASE WHEN m.from_row THEN m.row_zone_from ELSE c.time_zone_from END) AS changed
      FROM merged m JOIN held c ON c.id = m.id),
    written AS (
      UPDATE contacts c SET external_id = m.external_id, first_name = m.first_name, last_name = m.last_name,
        company = m.company, title = m.title, email = m.email, phone = m.phone, whatsapp = m.whatsapp,
        linkedin = m.linkedin, telegram = m.telegram, locale = m.locale, time_zone = m.time_zone,
        time_zone_from = m.time_zone_from, attributes = m.attributes, import_id = ${rules.import_id},
        version = c.version + m.changed::int,
        updated_at = CASE WHEN m.changed THEN now() ELSE c.updated_at END
      FROM compared m WHERE c.org_id = ${ctx.org} AND c.id = m.id
      RETURNING c.id, m.changed)
    SELECT id FROM written WHERE changed`);
  return rows.map((row) => row.id);
}

function prefer(row: boolean, i: Sql, c: Sql): Sql {
  return row ? sql`coalesce(${i}, ${c})` : sql`coalesce(${c}, ${i})`;
}

/** Whether the row's zone replaces the contact's when the row wins. A new phone takes its old zone away. */
const ZONE_OF_ROW: Sql = sql`coalesce(i.time_zone_from = 'given', false)
  OR (c.time_zone_from IS DISTINCT FROM 'given' AND i.phone IS NOT NULL AND i.phone IS DISTINCT FROM c.phone)
  OR (c.time_zone IS NULL AND i.time_zone IS NOT NULL)`;

const ZONE_OF_CONTACT: Sql = sql`c.time_zone IS NULL AND i.time_zone IS NOT NULL
  AND (i.time_zone_from = 'given' OR c.phone IS NULL)`;

/** Tags of contacts that were there before. */
export async function tagContacts(
  tx: Tx,
  ctx: Context,
  tags: string[],
  contacts: RowContact[],
): Promise<void> {
  const pairs = contacts.flatMap(({ id, tags: own = [] }) => [...tags, ...own].map((tag) => ({ id, tag })));
  if (pairs.length > 0)
    await tx.run(sql`INSERT INTO contact_tags (org_id, tag, contact_id)
      SELECT ${ctx.org}::uuid, tag, id FROM json_to_recordset(${JSON.stringify(pairs)}::json) AS r(id uuid, tag text)
      ORDER BY tag, id ON CONFLICT DO NOTHING`);
}

/** The rows' further addresses. */
export async function addAddresses(tx: Tx, ctx: Context, contacts: RowContact[]): Promise<void> {
  const further = contacts.flatMap((c) =>
    (c.addresses ?? []).map(([kind, address]) => ({ id: c.id, kind, address })),
  );
  if (further.length > 0)
    await tx.run(sql`INSERT INTO contact_addresses (org_id, contact_id, kind, address)
      SELECT ${ctx.org}::uuid, id, kind, address
      FROM json_to_recordset(${JSON.stringify(further)}::json) AS r(id uuid, kind text, address text)
      ORDER BY id, kind, address ON CONFLICT DO NOTHING`);
}
