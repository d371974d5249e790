/**
 * When contacts last wrote to us over WhatsApp, from their events named `message_received`: what free text depends on.
 * One statement a batch, through the index over contact and name.
 */
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';

/** Unix milliseconds; null: never. */
export interface LastMessages {
  /** Over the Cloud API, by which WhatsApp itself counts. */
  whatsapp: number | null;
  /** Over that or a gateway. */
  any: number | null;
}

/** Those who never wrote are not in it. */
export async function readLastMessages(
  db: Database,
  org: Uuid,
  contacts: readonly Uuid[],
): Promise<Map<Uuid, LastMessages>> {
  const rows = await db.inOrg(org, (tx) =>
    tx.rows<{ contact_id: Uuid; whatsapp: Date | null; any: Date | null }>(sql`
      SELECT contact_id, max(at) FILTER (WHERE properties ->> 'channel' = 'whatsapp') AS whatsapp, max(at) AS any
        FROM contact_events
       WHERE org_id = ${org} AND contact_id = ANY (${[...new Set(contacts)]}) AND name = 'message_received'
         AND properties ->> 'channel' IN ('whatsapp', 'whatsapp_lite')
       GROUP BY contact_id`),
  );
  return new Map(
    rows.map(({ contact_id, whatsapp, any }) => [
      contact_id,
      { whatsapp: whatsapp?.getTime() ?? null, any: any?.getTime() ?? null },
    ]),
  );
}
