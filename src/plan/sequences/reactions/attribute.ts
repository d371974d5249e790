/** Which touches events are about [INB-2, INB-4]: the one it names; of a message that came in, the last one sent before it. */
import type { Tx } from '../../../db/database.ts';
import { sql } from '../../../db/sql.ts';
import type { Channel } from '../../../kernel/channels.ts';
import type { Uuid } from '../../../kernel/ids.ts';
import { isMessageEvent } from '../../../records/event-names.ts';
import type { ContactEvent } from '../../../records/events.ts';

export interface Attributed {
  id: Uuid;
  enrollment_id: Uuid;
  contact_id: Uuid;
  sequence_id: Uuid;
  version_id: Uuid;
  channel: Channel;
}

/** Of one enrollment, so many of its latest are looked at for one of the right channel. */
const LATEST = 20;

const columns = sql`t.id, t.source_id AS enrollment_id, t.contact_id, t.sequence_id, t.version_id, t.channel`;

/** By event; those about no touch are not in it. One read for all that name theirs. */
export async function attribute(
  tx: Tx,
  org: Uuid,
  events: readonly ContactEvent[],
): Promise<Map<Uuid, Attributed>> {
  const found = new Map<Uuid, Attributed>();
  const told = events.filter((event) => isMessageEvent(event.name));
  // Of a reply that somebody died over it is the touch it was attributed to, though another has gone since.
  const named = [...new Set(told.flatMap((event) => event.touch_id ?? []))];
  if (named.length > 0) {
    const rows = await tx.rows<Attributed>(
      sql`SELECT ${columns} FROM touches t WHERE t.org_id = ${org} AND t.id = ANY (${named})`,
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const event of told) {
      const touch = event.touch_id === null ? undefined : byId.get(event.touch_id);
      if (touch) found.set(event.id, touch);
    }
  }
  for (const event of told) {
    if (event.touch_id !== null || event.name !== 'message_received') continue;
    const touch = await lastSent(tx, org, event);
    if (touch) found.set(event.id, touch);
  }
  return found;
}

/**
 * One whose answer is lost may be what is answered, so what is in flight counts as sent. That of the event's own channel
 * comes first; the time decides among the rest.
 */
async function lastSent(tx: Tx, org: Uuid, event: ContactEvent): Promise<Attributed | null> {
  const channel = typeof event.properties.channel === 'string' ? event.properties.channel : null;
  return tx.maybe<Attributed>(sql`
    SELECT ${columns} FROM enrollments e
     CROSS JOIN LATERAL (
       (SELECT v.touch_id AS id, v.at FROM events v
         WHERE v.org_id = ${org} AND v.source_id = e.id AND v.type = 'sent' AND v.at <= ${event.at} ORDER BY v.at DESC LIMIT ${LATEST})
       UNION ALL
       SELECT x.id, x.gated_at FROM touches x
        WHERE x.org_id = ${org} AND x.contact_id = e.contact_id AND x.source_id = e.id AND x.live AND x.state IN ('sending', 'unknown')
          AND x.gated_at <= ${event.at}) s
      JOIN touches t ON t.org_id = ${org} AND t.id = s.id
     WHERE e.org_id = ${org} AND e.contact_id = ${event.contact_id}
     ORDER BY (t.channel = ${channel}::text OR consent_channel(t.channel) = ${channel}::text) IS TRUE DESC, s.at DESC LIMIT 1`);
}
