/**
 * Tells the waits of sequences that something about these contacts has changed: those that have begun are looked at now,
 * not when their time is over. Call it in the transaction that changes it, after the change.
 */
import { uuids } from '../db/arrays.ts';
import type { Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';

export async function wakeWaits(tx: Tx, org: Uuid, contacts: readonly Uuid[]): Promise<void> {
  if (contacts.length === 0) return;
  await tx.run(sql`SELECT wake_waits(${org}::uuid, ${uuids(contacts)}::uuid[])`);
}
