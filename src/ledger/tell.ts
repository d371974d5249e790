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

/** Part of the transaction that keeps it from being told twice: the stream itself has no key. */
export async function tellOfTouch(tx: Tx, org: Uuid, fact: TouchFact): Promise<void> {
  await tx.run(sql`
    INSERT INTO events (org_id, at, type, reason, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, actor, data)
    SELECT t.org_id, ${fact.at}, ${fact.type}, ${fact.reason}, t.source_id, t.id, t.contact_id, t.sequence_id, t.step_id, t.sender_id,
           ${fact.actor}, ${fact.data === null ? null : JSON.stringify(fact.data)}::jsonb
      FROM touches t WHERE t.org_id = ${org} AND t.id = ${fact.touch_id}`);
}
