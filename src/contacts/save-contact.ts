/** Makes and changes one contact. */
import { type Database, pgConstraint, type Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { newId, type Uuid } from '../kernel/ids.ts';
import { notFound, Problem } from '../kernel/problem.ts';
import { audit } from '../tenancy/audit.ts';
import type { Context } from '../tenancy/context.ts';
import { typesOfAttributes } from './attribute-definition.ts';
import type { AttributeValue } from './attribute-value.ts';
import { replaceTags } from './change-tags.ts';
import { type Address, type Contact, type ContactDetail, findContactDetail } from './contact.ts';
import { type ContactInput, type ContactValues, readContactInput } from './contact-values.ts';
import { zoneOfPhone } from './phone-place.ts';
import { TEXT_FIELDS, type TextField } from './text-fields.ts';
import { wakeWaits } from './wake-waits.ts';

const SCALARS = [...TEXT_FIELDS, 'email', 'phone', 'whatsapp', 'time_zone', 'time_zone_from'] as const;
type Row = Pick<
  Contact,
  TextField | 'email' | 'phone' | 'whatsapp' | 'time_zone' | 'time_zone_from' | 'attributes'
>;

const EMPTY: Row = {
  external_id: null,
  first_name: null,
  last_name: null,
  company: null,
  title: null,
  linkedin: null,
  telegram: null,
  locale: null,
  email: null,
  phone: null,
  whatsapp: null,
  time_zone: null,
  time_zone_from: null,
  attributes: {},
};

/** @throws invalid_request, duplicate_contact */
export async function createContact(db: Database, ctx: Context, input: ContactInput): Promise<ContactDetail> {
  const id = newId();
  return namingTheOther(db, ctx, input, async (tx) => {
    const values = readContactInput(input, await typesOfAttributes(tx, ctx));
    const row = merged(EMPTY, values);
    if (KNOWN_BY.every((field) => row[field] === null)) throw nobody();
    await tx.run(sql`INSERT INTO contacts (org_id, id, external_id, first_name, last_name, company, title, email, phone,
        whatsapp, linkedin, telegram, locale, time_zone, time_zone_from, attributes)
      VALUES (${ctx.org}, ${id}, ${row.external_id}, ${row.first_name}, ${row.last_name}, ${row.company}, ${row.title},
        ${row.email}, ${row.phone}, ${row.whatsapp}, ${row.linkedin}, ${row.telegram}, ${row.locale},
        ${row.time_zone}, ${row.time_zone_from}, ${JSON.stringify(row.attributes)})`);
    await replaceTags(tx, ctx, id, values.tags ?? []);
    await replaceAddresses(tx, ctx, id, values.addresses ?? []);
    await audit(tx, ctx, { action: 'contact.create', subject_type: 'contact', subject_id: id });
    return findContactDetail(tx, ctx, id);
  });
}

/** Something by which a person, or a company, can be told from others. */
const KNOWN_BY = [
  'external_id',
  'first_name',
  'last_name',
  'company',
  'email',
  'phone',
  'whatsapp',
  'linkedin',
  'telegram',
] as const;

function nobody(): Problem {
  const message = 'A contact has a name, a company, an address or an external id at least';
  return new Problem('invalid_request', message, { errors: [{ field: 'email', code: 'required', message }] });
}

/**
 * Changes what is given. The version rises when the contact itself changed: not for tags and further addresses,
 * which no message is composed from. Nothing here touches consent or suppression (CON-3).
 * @throws not_found, invalid_request, duplicate_contact
 */
export async function updateContact(
  db: Database,
  ctx: Context,
  id: Uuid,
  input: ContactInput,
): Promise<ContactDetail> {
  return namingTheOther(db, ctx, input, async (tx) => {
    const values = readContactInput(input, await typesOfAttributes(tx, ctx));
    const before =
      await tx.maybe<Row>(sql`SELECT external_id, first_name, last_name, company, title, email, phone,
        whatsapp, linkedin, telegram, locale, time_zone, time_zone_from, attributes
      FROM contacts WHERE org_id = ${ctx.org} AND id = ${id} FOR NO KEY UPDATE`);
    if (before === null) throw notFound('contact', id);
    const row = merged(before, values);
    const changed: string[] = SCALARS.filter((field) => row[field] !== before[field]);
    if (!sameAttributes(row.attributes, before.attributes)) changed.push('attributes');
    if (changed.length > 0)
      await tx.run(sql`UPDATE contacts SET external_id = ${row.external_id}, first_name = ${row.first_name},
          last_name = ${row.last_name}, company = ${row.company}, title = ${row.title}, email = ${row.email},
          phone = ${row.phone}, whatsapp = ${row.whatsapp}, linkedin = ${row.linkedin}, telegram = ${row.telegram},
          locale = ${row.locale}, time_zone = ${row.time_zone}, time_zone_from = ${row.time_zone_from},
          attributes = ${JSON.stringify(row.attributes)}, version = version + 1, updated_at = now()
        WHERE org_id = ${ctx.org} AND id = ${id}`);
    if (values.tags !== null && (await replaceTags(tx, ctx, id, values.tags))) changed.push('tags');
    if (values.addresses !== null && (await replaceAddresses(tx, ctx, id, values.addresses)))
      changed.push('addresses');
    if (changed.length > 0) {
      await wakeWaits(tx, ctx.org, [id]);
      await audit(tx, ctx, {
        action: 'contact.update',
        subject_type: 'contact',
        subject_id: id,
        // Names alone: an erased contact must not live on in the audit trail.
        data: { changed },
      });
    }
    return findContactDetail(tx, ctx, id);
  });
}

/** The row as it is after the change. A zone inferred from a phone follows the phone. */
function merged(before: Row, { scalars, attributes }: ContactValues): Row {
  const row: Row = { ...before, ...scalars, attributes: mergedAttributes(before.attributes, attributes) };
  if (scalars.time_zone !== undefined && scalars.time_zone !== null) row.time_zone_from = 'given';
  else if (row.time_zone === null || (row.time_zone_from === 'phone' && row.phone !== before.phone)) {
    row.time_zone = row.phone === null ? null : zoneOfPhone(row.phone);
    row.time_zone_from = row.time_zone === null ? null : 'phone';
  }
  return row;
}

function mergedAttributes(
  before: Row['attributes'],
  change: Record<string, AttributeValue | null>,
): Row['attributes'] {
  const after: Record<string, AttributeValue> = { ...before };
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete after[key];
    else after[key] = value;
  }
  return after;
}

function sameAttributes(a: Row['attributes'], b: Row['attributes']): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

/** True when something changed. */
async function replaceAddresses(tx: Tx, ctx: Context, id: Uuid, addresses: Address[]): Promise<boolean> {
  const wanted = sql`json_to_recordset(${JSON.stringify(addresses)}::json) AS r(kind text, address text, label text)`;
  const removed =
    await tx.run(sql`DELETE FROM contact_addresses a WHERE a.org_id = ${ctx.org} AND a.contact_id = ${id}
    AND NOT EXISTS (SELECT 1 FROM ${wanted} WHERE r.kind = a.kind AND r.address = a.address)`);
  const written =
    await tx.run(sql`INSERT INTO contact_addresses AS a (org_id, contact_id, kind, address, label)
    SELECT ${ctx.org}::uuid, ${id}::uuid, r.kind, r.address, r.label FROM ${wanted}
    ON CONFLICT (org_id, contact_id, kind, address) DO UPDATE SET label = excluded.label
      WHERE a.label IS DISTINCT FROM excluded.label`);
  return removed + written > 0;
}

/** Of a unique value taken by another contact, says whose it is. */
async function namingTheOther<T>(
  db: Database,
  ctx: Context,
  input: ContactInput,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  try {
    return await db.inOrg(ctx.org, work);
  } catch (error) {
    const field = { contacts_email: 'email', contacts_external_id: 'external_id' }[pgConstraint(error) ?? ''];
    if (field === undefined) throw error;
    const { scalars } = readContactInput({ [field]: input[field as 'email'] }, new Map());
    const other = await db.inOrg(ctx.org, (tx) =>
      tx.maybe<{ id: Uuid }>(sql`SELECT id FROM contacts WHERE org_id = ${ctx.org}
        AND ${field === 'email' ? sql`email = ${scalars.email}` : sql`external_id = ${scalars.external_id}`}`),
    );
    throw new Problem(
      'duplicate_contact',
      `Another contact has this ${field === 'email' ? 'e-mail address' : 'external id'}.`,
      {
        errors: [{ field, code: 'taken', message: 'Another contact has it.' }],
        extra: { contact_id: other?.id ?? null },
        cause: error,
      },
    );
  }
}
