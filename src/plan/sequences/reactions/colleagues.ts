/**
 * Colleagues of a contact who are on their way through the same sequence: the same company, or an address at the same
 * domain, unless that is one where everybody has an address.
 */
import { companyDomain } from '../../../contacts/company-domain.ts';
import type { Tx } from '../../../db/database.ts';
import { sql } from '../../../db/sql.ts';
import type { Uuid } from '../../../kernel/ids.ts';
import type { Incident } from './reaction.ts';

/** One reply stops no more than these. */
export const MAX_COLLEAGUES = 1_000;

interface Colleague {
  id: Uuid;
  contact_id: Uuid;
  sequence_id: Uuid;
}

/**
 * Reads the live enrollments of the sequence: no index leads from a domain to its addresses, which every import would
 * pay for. Only those that began before the event.
 */
export async function colleaguesEnrolled(
  tx: Tx,
  { ctx, event }: Incident,
  sequence: Uuid,
): Promise<{ colleagues: Colleague[]; more: boolean }> {
  const me = await tx.maybe<{ email: string | null; company: string | null }>(
    sql`SELECT email, search_company AS company FROM contacts WHERE org_id = ${ctx.org} AND id = ${event.contact_id}`,
  );
  const domain = companyDomain(me?.email ?? null);
  const company = me?.company?.trim() ? me.company : null;
  if (domain === null && company === null) return { colleagues: [], more: false };
  const rows = await tx.rows<Colleague>(sql`
    SELECT e.id, e.contact_id, e.sequence_id FROM enrollments e JOIN contacts c ON c.org_id = ${ctx.org} AND c.id = e.contact_id
     WHERE e.org_id = ${ctx.org} AND e.sequence_id = ${sequence} AND e.status IN ('active', 'paused') AND e.contact_id <> ${event.contact_id}
       AND e.created_at <= ${event.at} AND (c.search_company = ${company} OR split_part(c.email, '@', 2) = ${domain})
     ORDER BY e.id LIMIT ${MAX_COLLEAGUES + 1}`);
  return { colleagues: rows.slice(0, MAX_COLLEAGUES), more: rows.length > MAX_COLLEAGUES };
}
