/** What a segment costs, of those senders that say so. */
import type { Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { Price } from './price.ts';

export async function readPrices(
  tx: Tx,
  org: Uuid,
  senders: readonly Uuid[],
): Promise<ReadonlyMap<Uuid, Price>> {
  const rows = await tx.rows<{ id: Uuid; price: Price }>(sql`
    SELECT id, price FROM senders WHERE org_id = ${org} AND id = ANY (${[...senders]}::uuid[]) AND price IS NOT NULL`);
  return new Map(rows.map(({ id, price }) => [id, price]));
}
