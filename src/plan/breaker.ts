/**
 * Pauses a sender whose circuit breaker says so: a Hold, like a person's. In: a sender of which something has just failed or
 * bounced. Out: nothing, or a paused sender with the reason. Asked after a settle (dispatch/trip.ts) and when a provider
 * tells of a bounce later (sequences/reactions/breaker.ts).
 */
import type { Database } from '../db/database.ts';
import type { Uuid } from '../kernel/ids.ts';
import { type Breaker, tripReason } from '../senders/breaker.ts';
import { clearRecord, readRecord } from '../senders/record.ts';
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
  const record = await db.inOrg(org, (tx) => readRecord(tx, org, id, today));
  const reason = tripReason(breaker, record);
  if (reason === null) return null;
  await hold(db, ctx, { class: 'sender', id, paused: true }, { reason });
  await db.inOrg(org, (tx) => clearRecord(tx, org, id, record));
  return reason;
}
