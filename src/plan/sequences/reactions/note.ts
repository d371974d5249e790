/** What came back from a message stands in the event stream at its touch, step, enrollment and sequence [INB-4]. */
import { sql } from '../../../db/sql.ts';
import { type TouchFact, tellOfTouch } from '../../../ledger/tell.ts';
import type { MessageEvent } from '../../../records/event-names.ts';
import { actorText } from '../../../tenancy/context.ts';
import { conclude, intend, type Reaction } from './reaction.ts';

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

export const noteAtTouch: Reaction = async ({ db }, incident) => {
  const { event, ctx, touch } = incident;
  const type = TYPES[event.name];
  if (type === undefined || touch === null) return;
  const kept = Object.fromEntries(
    KEPT.filter((key) => ['string', 'boolean'].includes(typeof event.properties[key])).map((key) => [
      key,
      event.properties[key],
    ]),
  );
  await db.inOrg(ctx.org, async (tx) => {
    const pending = {
      reaction: 'note',
      subject_id: touch.id,
      reason: type,
      contact_id: touch.contact_id,
      sequence_id: touch.sequence_id,
      enrollment_id: touch.enrollment_id,
    } as const;
    // Whoever writes this row first tells it.
    if ((await intend(tx, incident, [pending])) === 0) return;
    await tellOfTouch(tx, ctx.org, {
      touch_id: touch.id,
      type,
      at: event.at,
      reason: null,
      actor: actorText(ctx.actor),
      data: { event_id: event.id, ...kept },
    });
    // So that whoever counts replies finds the message that was answered.
    if (event.touch_id === null)
      await tx.run(
        sql`UPDATE contact_events SET touch_id = ${touch.id} WHERE org_id = ${ctx.org} AND id = ${event.id}`,
      );
    await conclude(tx, incident, pending, { result: 'done' });
  });
};
