/** What is told of a touch after it was sent: its provider's or its recipient's word, into the typed event stream. */
import type { Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { EventType } from './states.ts';

export interface TouchFact {
  touch_id: Uuid;
  type: Extract<EventType, 'delivered' | 'bounce' | 'complained' | 'opened' | 'clicked' | 'replied'>;
  at: Date;
  reason: string | null;
  actor: string;
  /** Typed facts alone, no text of a person. */
  data: Record<string, unknown> | null;
}

/** Part of the transaction that keeps them from being told twice: the stream itself has no key. */
export async function tellOfTouches(tx: Tx, org: Uuid, facts: readonly TouchFact[]): Promise<void> {
  if (facts.length === 0) return;
  await tx.run(sql`
    INSERT INTO events (org_id, at, type, reason, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, actor, data)
    SELECT t.org_id, r.at, r.type, r.reason, t.source_id, t.id, t.contact_id, t.sequence_id, t.step_id, t.sender_id, r.actor, r.data
      FROM json_to_recordset(${JSON.stringify(facts)}::json)
        AS r(touch_id uuid, type text, at timestamptz, reason text, actor text, data jsonb)
      JOIN touches t ON t.org_id = ${org} AND t.id = r.touch_id`);
}
