/** Puts tags on contacts and takes them off. Owns `contact_tags`. */
import type { Database, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { type FieldError, notFound, Problem } from '../kernel/problem.ts';
import { audit } from '../tenancy/audit.ts';
import type { Context } from '../tenancy/context.ts';
import { readTags } from './contact-values.ts';
import { wakeWaits } from './wake-waits.ts';

export interface TagChange {
  contact_ids: Uuid[];
  add?: string[] | undefined;
  remove?: string[] | undefined;
}

/** Contacts of one call. */
export const MAX_TAGGED = 10_000;

/** How many contacts got or lost a tag. @throws invalid_request; not_found, naming the contacts that do not exist */
export async function changeTags(
  db: Database,
  ctx: Context,
  change: TagChange,
): Promise<{ added: number; removed: number }> {
  const errors: FieldError[] = [];
  const wrong = (field: string, code: string, message: string) => {
    errors.push({ field, code, message });
    return null;
  };
  const add = readTags(change.add ?? [], 'add', wrong);
  const remove = readTags(change.remove ?? [], 'remove', wrong);
  const ids = [...new Set(change.contact_ids)].sort();
  if (ids.length > MAX_TAGGED) wrong('contact_ids', 'too_many', `At most ${MAX_TAGGED} contacts.`);
  if (errors.length > 0) throw new Problem('invalid_request', 'The tags are not valid.', { errors });
  return db.inOrg(ctx.org, async (tx) => {
    await requireContacts(tx, ctx, ids);
    const removed = await tx.run(sql`DELETE FROM contact_tags WHERE org_id = ${ctx.org}
      AND tag = ANY(${remove}::text[]) AND contact_id = ANY(${ids}::uuid[])`);
    const added = await tx.run(sql`INSERT INTO contact_tags (org_id, tag, contact_id)
      SELECT ${ctx.org}::uuid, tag, id FROM unnest(${add}::text[]) AS tag, unnest(${ids}::uuid[]) AS id
      ORDER BY tag, id ON CONFLICT DO NOTHING`);
    const [only] = ids;
    if (added + removed > 0) {
      await wakeWaits(tx, ctx.org, ids);
      await audit(tx, ctx, {
        action: 'contact.tag',
        subject_type: 'contact',
        subject_id: ids.length === 1 && only !== undefined ? only : 'many',
        data: { contacts: ids.length, add, remove, added, removed },
      });
    }
    return { added, removed };
  });
}

/** An unknown id is refused, so that a wrong list does not look like a right one. */
async function requireContacts(tx: Tx, ctx: Context, ids: Uuid[]): Promise<void> {
  const missing = await tx.rows<{ id: Uuid }>(sql`SELECT id FROM unnest(${ids}::uuid[]) AS id
    WHERE NOT EXISTS (SELECT 1 FROM contacts c WHERE c.org_id = ${ctx.org} AND c.id = id.id) LIMIT 10`);
  const [first] = missing;
  if (first === undefined) return;
  if (ids.length === 1) throw notFound('contact', first.id);
  throw new Problem('not_found', 'Some of these contacts do not exist.', {
    extra: { contact_ids: missing.map(({ id }) => id) },
    unknown: missing.map(({ id }) => ({ type: 'contact', id })),
  });
}

/** Makes these the contact's tags. True when that changed something. */
export async function replaceTags(tx: Tx, ctx: Context, id: Uuid, tags: string[]): Promise<boolean> {
  const removed = await tx.run(sql`DELETE FROM contact_tags
    WHERE org_id = ${ctx.org} AND contact_id = ${id} AND tag <> ALL(${tags}::text[])`);
  const added = await tx.run(sql`INSERT INTO contact_tags (org_id, tag, contact_id)
    SELECT ${ctx.org}::uuid, tag, ${id}::uuid FROM unnest(${tags}::text[]) AS tag ORDER BY tag ON CONFLICT DO NOTHING`);
  return added + removed > 0;
}

export interface TagCount {
  tag: string;
  contacts: number;
}

/** All tags with how many contacts have each. */
export async function listTags(db: Database, ctx: Context): Promise<TagCount[]> {
  return db.inOrg(ctx.org, (tx) =>
    tx.rows<TagCount>(
      sql`SELECT tag, count(*) AS contacts FROM contact_tags WHERE org_id = ${ctx.org} GROUP BY tag ORDER BY tag`,
    ),
  );
}
