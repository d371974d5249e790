/** What became of a sender's messages of today and yesterday, by its own calendar: what its circuit breaker goes by. */
import type { Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { DAY_MS } from '../schedule/zone.ts';
import type { SendingRecord } from './breaker.ts';
import { dayKey } from './periods.ts';

/**
 * What bounced later is among what was used. Whoever resumes it from a trip starts it anew (hold_flag in plan/stop.sql).
 * `today` is `YYYY-MM-DD` in the sender's zone.
 */
export async function readRecord(tx: Tx, org: Uuid, sender: Uuid, today: string): Promise<SendingRecord> {
  const since = dayBefore(today);
  const counted = await tx.one<Omit<SendingRecord, 'since'>>(sql`
    SELECT coalesce(sum(used - to_members + failed - sends_before), 0)::int AS sends, coalesce(sum(failed + bounced_later), 0)::int AS failed,
           coalesce(sum(bounced + bounced_later), 0)::int AS bounced
      FROM sender_usage WHERE org_id = ${org} AND sender_id = ${sender} AND period = ANY (${[dayKey(since), dayKey(today)]})`);
  return { since, ...counted };
}

function dayBefore(day: string): string {
  return new Date(Date.parse(day) - DAY_MS).toISOString().slice(0, 10);
}
