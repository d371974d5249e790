/**
 * Pauses a sender whose circuit breaker says so: a Hold, like a person's. In: a sender of which something has just failed or
 * bounced. Out: nothing, or a paused sender with the reason. Asked after a settle (dispatch/trip.ts) and when a provider
 * tells of a bounce later (sequences/reactions/breaker.ts).
 */
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { type Breaker, tripReason } from '../senders/breaker.ts';
import { readRecord } from '../senders/record.ts';
import type { Context } from '../tenancy/context.ts';
import { hold } from './stop.ts';

/** `today`: `YYYY-MM-DD` in the sender's zone. Answers with the reason; null: it need not stop. */
export async function tripBreaker(
  db: Database,
  ctx: Context,
  { id, breaker }: { id: Uuid; breaker: Breaker | null },
  today: string,
): Promise<string | null> {
  const { org } = ctx;
  const reason = await db.inOrg(org, async (tx) => tripReason(breaker, await readRecord(tx, org, id, today)));
  if (reason === null || !(await isActive(db, org, id))) return null;
  await hold(db, ctx, { class: 'sender', id, paused: true }, { reason });
  return reason;
}

/** The record stays while the sender is paused: what comes back meanwhile need not pause it again. */
async function isActive(db: Database, org: Uuid, id: Uuid): Promise<boolean> {
  const row = await db.inOrg(org, (tx) =>
    tx.maybe(sql`SELECT 1 FROM senders WHERE org_id = ${org} AND id = ${id} AND status = 'active'`),
  );
  return row !== null;
}
