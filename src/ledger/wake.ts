/**
 * Wakes idle workers. Only a hint: correctness never depends on it, polling lies beneath. A statement of its own,
 * after the commit that planned something due.
 */
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';

export const WAKE_CHANNEL = 'cadenza_wake';

export async function wake(db: Database, org: Uuid): Promise<void> {
  await db.call(sql`SELECT pg_notify(${WAKE_CHANNEL}, ${org})`);
}
