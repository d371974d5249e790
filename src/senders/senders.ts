/**
 * Sending accounts. Owns `senders`: their settings, limits and encrypted credentials. In: requests of the API and
 * CLI. Out: senders without secrets for people, with secrets for the dispatcher only.
 */
import type { Database, Row, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';

/** What planning and the gate need of a sender. */
export interface SenderSettings {
  id: Uuid;
  version: number;
  channel: string;
  provider: string;
  status: string;
  name: string;
  from_name: string | null;
  from_address: string;
  reply_to: string | null;
  config: Record<string, unknown>;
  secret: Buffer | null;
  daily_limit: number | null;
  hourly_limit: number | null;
  time_zone: string | null;
  sending_window: Row | null;
}

export async function senderSettings(
  db: Database | Tx,
  org: Uuid,
  ids: readonly Uuid[],
): Promise<Map<Uuid, SenderSettings>> {
  const read = (tx: Tx) =>
    tx.rows<SenderSettings>(sql`
      SELECT id, version, channel, provider, status, name, from_name, from_address, reply_to, config, secret, daily_limit, hourly_limit,
             time_zone, sending_window
        FROM senders WHERE org_id = ${org} AND id = ANY (${[...ids]})`);
  const rows = 'inOrg' in db ? await db.inOrg(org, read) : await read(db);
  return new Map(rows.map((row) => [row.id, row]));
}
