/** What came back from a message stands in the event stream at its touch, step, enrollment and sequence [INB-4]. */
import type { Tx } from '../../../db/database.ts';
import { sql } from '../../../db/sql.ts';
import type { Uuid } from '../../../kernel/ids.ts';
import { type TouchFact, tellOfTouches } from '../../../ledger/tell.ts';
import type { MessageEvent } from '../../../records/event-names.ts';
import { actorText } from '../../../tenancy/context.ts';
import type { Attributed } from './attribute.ts';
import { concluded, type Incident, type ReactDeps } from './reaction.ts';

/** An opt-out has an event of its own, written where it is carried out. */
const TYPES: Partial<Record<string, TouchFact['type']>> = {
  message_received: 'replied',
  opened: 'opened',
  clicked: 'clicked',
  delivered: 'delivered',
  bounced: 'bounce',
  complained: 'complained',
} satisfies Partial<Record<MessageEvent, TouchFact['type']>>;

/** Facts that reports divide by; nothing else of what was told is copied. */
const KEPT = ['machine', 'auto_reply', 'permanence'] as const;

/** All of a batch in one transaction. */
export async function noteAtTouches(
  { db }: ReactDeps,
  org: Uuid,
  incidents: readonly Incident[],
): Promise<void> {
  const noted = incidents.flatMap(({ event, ctx, touch }) => {
    const type = TYPES[event.name];
    return type === undefined || touch === null ? [] : [{ event, ctx, touch, type }];
  });
  if (noted.length === 0) return;
  await db.inOrg(org, async (tx) => {
    const fresh = await concluded(
      tx,
      org,
      noted.map(({ event, touch, type }) => ({
        event_id: event.id,
        reaction: 'note',
        subject_id: touch.id,
        reason: type,
        contact_id: touch.contact_id,
        sequence_id: touch.sequence_id,
        enrollment_id: touch.enrollment_id,
        result: 'done',
        detail: null,
      })),
    );
    // Whoever wrote the reaction first tells it.
    const facts = noted.filter(({ event }) => fresh.has(event.id)).map(factOf);
    await tellOfTouches(tx, org, facts);
    await nameTouches(
      tx,
      org,
      noted.filter(({ event }) => event.touch_id === null),
    );
  });
}

type Noted = Incident & { touch: Attributed; type: TouchFact['type'] };

function factOf({ event, ctx, touch, type }: Noted): TouchFact {
  const kept = Object.fromEntries(
    KEPT.filter((key) => ['string', 'boolean'].includes(typeof event.properties[key])).map((key) => [
      key,
      event.properties[key],
    ]),
  );
  const data = { event_id: event.id, ...kept };
  return { touch_id: touch.id, type, at: event.at, reason: null, actor: actorText(ctx.actor), data };
}

/** So that whoever counts replies finds the message that was answered. */
async function nameTouches(tx: Tx, org: Uuid, noted: readonly Noted[]): Promise<void> {
  if (noted.length === 0) return;
  const list = noted.map(({ event, touch }) => ({ event: event.id, touch: touch.id }));
  await tx.run(sql`
    UPDATE contact_events e SET touch_id = r.touch FROM json_to_recordset(${JSON.stringify(list)}::json) AS r(event uuid, touch uuid)
     WHERE e.org_id = ${org} AND e.id = r.event`);
}
