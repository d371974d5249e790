/**
 * Contacts: whom an organization reaches out to. This room owns contacts with their addresses, tags and custom
 * attributes, what they have agreed to (`consents`), what must not be written to (`suppressions`), and the imports
 * that fill it all. In: what callers, files and people who opt out say, in any spelling. Out: rows in one canonical
 * form, which everything else may rely on: e-mail lower-cased, phones in E.164, IANA time zones, typed attributes.
 *
 * `version` rises with each real change of a contact; the gate compares it with what was composed.
 */
import type { Database, Tx } from '../db/database.ts';
import { type Sql, sql } from '../db/sql.ts';
import type { AddressKind, ConsentChannel } from '../kernel/channels.ts';
import { isUuid, type Uuid } from '../kernel/ids.ts';
import { notFound } from '../kernel/problem.ts';
import type { Context } from '../tenancy/context.ts';
import type { AttributeValue } from './attribute-value.ts';

export type ConsentStatus = 'granted' | 'revoked';

/** A further address; the one each channel uses lies in the contact itself. */
export interface Address {
  kind: AddressKind;
  address: string;
  label: string | null;
}

export interface Contact {
  id: Uuid;
  version: number;
  external_id: string | null;
  first_name: string | null;
  last_name: string | null;
  company: string | null;
  title: string | null;
  email: string | null;
  phone: string | null;
  whatsapp: string | null;
  linkedin: string | null;
  telegram: string | null;
  locale: string | null;
  time_zone: string | null;
  time_zone_from: 'given' | 'phone' | null;
  attributes: Record<string, AttributeValue>;
  tags: string[];
  created_at: Date;
  updated_at: Date;
}

export interface ContactDetail extends Contact {
  addresses: Address[];
  /** Per channel, what the newest entry of the consent ledger says. */
  consent: Partial<Record<ConsentChannel, ConsentStatus>>;
  /** Addresses of this contact that nothing may be sent to. */
  suppressed: { kind: string; address: string; reason: string }[];
}

/** Of `contacts c`. */
export const CONTACT_COLUMNS: Sql = sql`c.id, c.version, c.external_id, c.first_name, c.last_name, c.company, c.title,
  c.email, c.phone, c.whatsapp, c.linkedin, c.telegram, c.locale, c.time_zone, c.time_zone_from, c.attributes,
  ARRAY(SELECT t.tag FROM contact_tags t WHERE t.org_id = c.org_id AND t.contact_id = c.id ORDER BY t.tag) AS tags,
  c.created_at, c.updated_at`;

/** @throws not_found */
export async function findContact(tx: Tx, ctx: Context, id: Uuid): Promise<Contact> {
  const row = isUuid(id)
    ? await tx.maybe<Contact>(
        sql`SELECT ${CONTACT_COLUMNS} FROM contacts c WHERE c.org_id = ${ctx.org} AND c.id = ${id}`,
      )
    : null;
  if (row === null) throw notFound('contact', id);
  return row;
}

/** @throws not_found */
export async function getContact(db: Database, ctx: Context, id: Uuid): Promise<ContactDetail> {
  return db.inOrg(ctx.org, (tx) => findContactDetail(tx, ctx, id));
}

export async function findContactDetail(tx: Tx, ctx: Context, id: Uuid): Promise<ContactDetail> {
  const contact = await findContact(tx, ctx, id);
  const addresses = await tx.rows<Address>(sql`SELECT kind, address, label FROM contact_addresses
    WHERE org_id = ${ctx.org} AND contact_id = ${id} ORDER BY kind, address`);
  const consents = await tx.rows<{ channel: ConsentChannel; status: ConsentStatus }>(sql`
    SELECT DISTINCT ON (channel) channel, status FROM consents
    WHERE org_id = ${ctx.org} AND contact_id = ${id} ORDER BY channel, id DESC`);
  const suppressed = await tx.rows<{ kind: string; address: string; reason: string }>(sql`
    SELECT s.kind, s.address, s.reason FROM suppressions s
    WHERE s.org_id = ${ctx.org} AND (s.kind, s.address) IN (
      SELECT kind, address FROM contact_addresses WHERE org_id = ${ctx.org} AND contact_id = ${id}
      UNION ALL VALUES ('email', ${contact.email}), ('phone', ${contact.phone}), ('whatsapp', ${contact.whatsapp}),
        ('telegram', ${contact.telegram}))
    ORDER BY s.kind, s.address`);
  const consent = Object.fromEntries(consents.map(({ channel, status }) => [channel, status]));
  return { ...contact, addresses, consent, suppressed };
}
