/**
 * What events lead to. In: contact events that are stored (records/events.ts). Out: enrollments paused, ended, begun,
 * addresses suppressed, touches that know what came back; each once, written at the event. The queue is the events
 * without `reacted_at`: `reactNow` works those just told, the task whatever is left, in any process, after any crash.
 */
import { z } from 'zod';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { isMessageEvent } from '../../records/event-names.ts';
import { type ContactEvent, eventColumns, REACT } from '../../records/events.ts';
import { heedAddress } from './reactions/address.ts';
import { attribute } from './reactions/attribute.ts';
import { countBounce } from './reactions/breaker.ts';
import { enrollByEvent, readTriggers } from './reactions/enroll.ts';
import { noteAtTouch } from './reactions/note.ts';
import { contextOf, type Incident, type ReactDeps, type Reaction } from './reactions/reaction.ts';
import { stopByEvent } from './reactions/stops.ts';

/**
 * In this order. Ends before beginnings: an event may lead from one sequence to another. Each may be called again for
 * the same event and then does nothing; one that waits for events (a condition that is true now) is added here.
 */
const REACTIONS: readonly Reaction[] = [noteAtTouch, stopByEvent, heedAddress, countBounce];

/** Events read at once. */
const BATCH = 200;
/** Of a request that told events, for reacting to them; the task does the rest. */
const AT_ONCE_MS = 1_500;

/** Events with nothing to react to, found in one read, cost a share of one write. */
interface Waiting extends ContactEvent {
  has_live: boolean;
}

export interface ReactLimits {
  /** Unix milliseconds after which no further event is begun. */
  until?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * At once, in the request that told them, as far as its time goes. Never throws: what is stored is acknowledged, and the
 * task follows [INB-1].
 */
export async function reactNow(deps: ReactDeps, org: Uuid, ids: readonly Uuid[]): Promise<void> {
  const until = Date.now() + AT_ONCE_MS;
  try {
    for (let i = 0; i < ids.length && Date.now() < until; i += BATCH)
      await reactTo(deps, org, ids.slice(i, i + BATCH), { until });
  } catch (error) {
    deps.log.warn({ error, org_id: org }, 'an event could not be reacted to at once; it will be');
  }
}

const payloadSchema = z.object({ org: z.uuid() });

/** The queued task. */
export const reactTask = {
  name: REACT,
  async run(deps: ReactDeps, payload: unknown, signal?: AbortSignal): Promise<void> {
    const { org } = payloadSchema.parse(payload);
    await reactPending(deps, org, { signal });
  },
};

/** @throws when one of them cannot be reacted to: the others are, and the queue tries that one again later. */
export async function reactPending(deps: ReactDeps, org: Uuid, limits: ReactLimits = {}): Promise<void> {
  let after: Uuid | null = null;
  let failure: unknown = null;
  while (!limits.signal?.aborted) {
    const rows: { id: Uuid }[] = await deps.db.inOrg(org, (tx) =>
      tx.rows<{ id: Uuid }>(sql`
        SELECT id FROM contact_events WHERE org_id = ${org} AND reacted_at IS NULL AND (${after}::uuid IS NULL OR id > ${after})
         ORDER BY id LIMIT ${BATCH}`),
    );
    if (rows.length === 0) break;
    after = rows.at(-1)!.id;
    const ids = rows.map((row) => row.id);
    await reactTo(deps, org, ids, limits).catch((error: unknown) => {
      failure ??= error;
    });
  }
  if (failure !== null) throw failure;
}

/** Up to BATCH of them, oldest first. One that fails keeps none of the others from its turn. */
async function reactTo(
  deps: ReactDeps,
  org: Uuid,
  ids: readonly Uuid[],
  { until, signal }: ReactLimits,
): Promise<void> {
  const { events, triggers } = await deps.db.inOrg(org, async (tx) => ({
    triggers: await readTriggers(tx, org),
    events: await tx.rows<Waiting>(sql`
      SELECT ${eventColumns}, EXISTS (SELECT FROM enrollments e WHERE e.org_id = ${org} AND e.contact_id = contact_events.contact_id
               AND e.status IN ('active', 'paused')) AS has_live
        FROM contact_events WHERE org_id = ${org} AND id = ANY (${[...ids]}) AND reacted_at IS NULL ORDER BY id`),
  }));
  const done: Uuid[] = [];
  let failure: unknown = null;
  for (const event of events) {
    if (signal?.aborted || (until !== undefined && Date.now() > until)) break;
    try {
      const incident = await incidentOf(deps, org, event);
      if (event.has_live || isMessageEvent(event.name) || (await begun(deps, incident)))
        for (const reaction of REACTIONS) await reaction(deps, incident);
      if (triggers.length > 0) await enrollByEvent(deps, incident, triggers);
      done.push(event.id);
    } catch (error) {
      deps.log.error({ error, org_id: org, event_id: event.id }, 'an event could not be reacted to');
      failure ??= error;
    }
  }
  await settleReacted(deps, org, done);
  if (failure !== null) throw failure;
}

/** Did somebody die over it? Then what it ended is no longer live. */
async function begun({ db }: ReactDeps, { ctx, event }: Incident): Promise<boolean> {
  const row = await db.inOrg(ctx.org, (tx) =>
    tx.maybe(
      sql`SELECT 1 FROM event_reactions WHERE org_id = ${ctx.org} AND event_id = ${event.id} AND result = 'pending' LIMIT 1`,
    ),
  );
  return row !== null;
}

async function incidentOf({ db }: ReactDeps, org: Uuid, event: ContactEvent): Promise<Incident> {
  const touch = isMessageEvent(event.name) ? await db.inOrg(org, (tx) => attribute(tx, org, event)) : null;
  return { event, touch, ctx: contextOf(org, event) };
}

async function settleReacted({ db }: ReactDeps, org: Uuid, ids: readonly Uuid[]): Promise<void> {
  if (ids.length === 0) return;
  await db.inOrg(org, (tx) =>
    tx.run(sql`
      UPDATE contact_events SET reacted_at = clock_timestamp()
       WHERE org_id = ${org} AND id = ANY (${[...ids]}) AND reacted_at IS NULL`),
  );
}
