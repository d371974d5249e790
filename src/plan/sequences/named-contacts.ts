/** Contacts by the words that name them: e-mail addresses, external ids, their own ids. In a request or in a file. */
import { normalizeEmail } from '../../contacts/email-address.ts';
import type { Database, Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { isUuid, type Uuid } from '../../kernel/ids.ts';
import type { Context } from '../../tenancy/context.ts';
import { type EnrollInput, type EnrollResult, enrollContacts } from './enroll.ts';
import type { VersionCache } from './versions.ts';

export const NAMED_BY = ['email', 'external_id', 'contact_id'] as const;
export type NamedBy = (typeof NAMED_BY)[number];

export interface NamedContact {
  by: NamedBy;
  /** As it was written. */
  entry: string;
  /** Of a file. */
  row: number | null;
}

export interface Located {
  contact_id: Uuid;
  entry: string | null;
  row: number | null;
}

export interface Found {
  /** In the order given; one contact may be named several times. */
  found: Located[];
  unknown: NamedContact[];
}

export async function findNamed(tx: Tx, org: Uuid, named: readonly NamedContact[]): Promise<Found> {
  const keys = named.map(keyOf);
  const known = new Map<string, Uuid>();
  for (const by of NAMED_BY) {
    const words = [...new Set(keys.filter((_key, i) => named[i]!.by === by).filter((key) => key !== null))];
    if (words.length === 0) continue;
    const rows = await tx.rows<{ id: Uuid; word: string }>(
      by === 'email'
        ? sql`SELECT id, email AS word FROM contacts WHERE org_id = ${org} AND email = ANY (${words}::text[])`
        : by === 'external_id'
          ? sql`SELECT id, external_id AS word FROM contacts WHERE org_id = ${org} AND external_id = ANY (${words}::text[])`
          : sql`SELECT id, id::text AS word FROM contacts WHERE org_id = ${org} AND id = ANY (${words}::uuid[])`,
    );
    for (const { id, word } of rows) known.set(`${by} ${word}`, id);
  }
  const found: Located[] = [];
  const unknown: NamedContact[] = [];
  named.forEach((one, i) => {
    const contact_id = known.get(`${one.by} ${keys[i]}`);
    if (contact_id === undefined) unknown.push(one);
    else found.push({ contact_id, entry: one.entry, row: one.row });
  });
  return { found, unknown };
}

/** As contacts are kept. Null: it names nobody. */
function keyOf({ by, entry }: NamedContact): string | null {
  const word = entry.trim();
  if (by === 'email') return normalizeEmail(word);
  if (by === 'external_id') return word === '' ? null : word;
  const id = word.toLowerCase();
  return isUuid(id) ? id : null;
}

export type NamedResult = (
  | EnrollResult
  | { contact_id: null; result: 'refused'; reason: 'unknown_contact'; enrollment_id: null }
) & {
  entry: string;
};

/** A list short enough to be answered at once: one answer an entry, in its order. */
export async function enrollNamed(
  db: Database,
  versions: VersionCache,
  ctx: Context,
  { named, ...input }: Omit<EnrollInput, 'contact_ids'> & { named: readonly NamedContact[] },
): Promise<NamedResult[]> {
  const { found, unknown } = await db.inOrg(ctx.org, (tx) => findNamed(tx, ctx.org, named));
  const contact_ids = found.map((one) => one.contact_id);
  const results = await enrollContacts(db, versions, ctx, { ...input, contact_ids });
  const missing = new Set(unknown);
  let next = 0;
  return named.map((one) =>
    missing.has(one)
      ? {
          contact_id: null,
          result: 'refused',
          reason: 'unknown_contact',
          enrollment_id: null,
          entry: one.entry,
        }
      : { ...results[next++]!, entry: one.entry },
  );
}
