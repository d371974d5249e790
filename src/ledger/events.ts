/** The typed event stream, read back: what happened to one source. */
import type { Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { EventType } from './states.ts';

export interface RecordedEvent {
  at: Date;
  type: EventType;
  reason: string | null;
  touch_id: Uuid | null;
  step_id: Uuid | null;
  attempt: number | null;
  /** The gate it settles. */
  token: Uuid | null;
  actor: string | null;
  /** moved: `from_version` and `to_version`, as numbers. */
  data: Record<string, unknown> | null;
}

/** Of an enrollment, oldest first; `limit` of the newest, or those of one touch. */
export async function eventsOf(
  tx: Tx,
  org: Uuid,
  source: Uuid,
  limit: number,
  touch: Uuid | null = null,
): Promise<RecordedEvent[]> {
  const rows = await tx.rows<RecordedEvent>(sql`
    SELECT at, type, reason, touch_id, step_id, attempt, token, actor, data FROM events
     WHERE org_id = ${org} AND source_id = ${source} AND (${touch}::uuid IS NULL OR touch_id = ${touch})
     ORDER BY at DESC LIMIT ${limit}`);
  return rows.reverse();
}
