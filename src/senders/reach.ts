/**
 * Whether the provider of a sender can be reached, by what its sends and tries met. Kept with the sender, because the
 * process that met it is seldom the one that is asked. Its touches wait and are tried again by themselves; a person has
 * to know, since nothing else says that they wait for this.
 */
import type { Database, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';

const MAX_REASON = 500;
const MAX_SHOWN = 100;

/** `reason`: what a person can act on, without secrets. The first moment stays while it goes on. */
export async function noteUnreachable(db: Database, org: Uuid, sender: Uuid, reason: string): Promise<void> {
  await db.inOrg(org, (tx) =>
    tx.run(sql`
      UPDATE senders SET unreachable_since = coalesce(unreachable_since, clock_timestamp()), unreachable_reason = ${reason.slice(0, MAX_REASON)}
       WHERE org_id = ${org} AND id = ${sender}`),
  );
}

/** Writes only where something stood. */
export async function noteReached(db: Database, org: Uuid, sender: Uuid): Promise<void> {
  await db.inOrg(org, (tx) =>
    tx.run(sql`
      UPDATE senders SET unreachable_since = NULL, unreachable_reason = NULL
       WHERE org_id = ${org} AND id = ${sender} AND unreachable_since IS NOT NULL`),
  );
}

export interface UnreachableSender {
  id: Uuid;
  name: string;
  reason: string;
  since: Date;
}

export function unreachableSenders(tx: Tx, org: Uuid): Promise<UnreachableSender[]> {
  return tx.rows<UnreachableSender>(sql`
    SELECT id, name, unreachable_reason AS reason, unreachable_since AS since FROM senders
     WHERE org_id = ${org} AND status <> 'archived' AND unreachable_since IS NOT NULL ORDER BY id LIMIT ${MAX_SHOWN}`);
}
