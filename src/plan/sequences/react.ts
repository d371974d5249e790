/**
 * What events lead to. In: contact events that are stored (records/events.ts). Out: enrollments paused, ended, begun,
 * addresses suppressed, touches that know what came back; each once, written at the event. The queue is the events
 * without `reacted_at`: `reactNow` works those just told, the task whatever is left, in any process, after any crash.
 */
import { z } from 'zod';
import { uuids } from '../../db/arrays.ts';
import { pgCode } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { type ContactEvent, eventColumns, REACT } from '../../records/events.ts';
import { heedAddress, suppressAddresses, takesOff } from './reactions/address.ts';
import { attribute } from './reactions/attribute.ts';
import { countBounce } from './reactions/breaker.ts';
import { enrollByEvent, readTriggers, type Trigger, begins as wouldBegin } from './reactions/enroll.ts';
import { noteAtTouches } from './reactions/note.ts';
import { contextOf, type Incident, type ReactDeps } from './reactions/reaction.ts';
import { mayStop, stopByEvent } from './reactions/stops.ts';

/** Events read at once. */
const BATCH = 500;
const LOCK_NOT_AVAILABLE = '55P03';
/** Of a request that told events, for reacting to them; the task does the rest. */
const AT_ONCE_MS = 1_500;

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
      // Somebody who enrols does not come to an end: every batch would wait for him.
      if (pgCode(error) === LOCK_NOT_AVAILABLE) throw error;
      failure ??= error;
    });
  }
  if (failure !== null) throw failure;
}

/** Up to BATCH of them, oldest first. One that fails keeps none of the others from its turn. */
async function reactTo(deps: ReactDeps, org: Uuid, ids: readonly Uuid[], limits: ReactLimits): Promise<void> {
  const batch = await readBatch(deps, org, ids);
  if (batch.incidents.length === 0) return;
  const failures = await reactTogether(deps, org, batch, limits).catch(async (error: unknown) => {
    const { incidents } = batch;
    if (incidents.length === 1) return [failed(deps, incidents[0]!, error)];
    // One of them may be at fault, or the moment: each by itself.
    const alone: unknown[] = [];
    for (const incident of incidents) {
      if (isOver(limits)) break;
      const one = { ...batch, incidents: [incident] };
      const found = await reactTogether(deps, org, one, limits).catch((cause: unknown) => [
        failed(deps, incident, cause),
      ]);
      alone.push(...found);
    }
    return alone;
  });
  if (failures.length > 0) throw failures[0];
}

function isOver({ until, signal }: ReactLimits): boolean {
  return signal?.aborted === true || (until !== undefined && Date.now() > until);
}

function failed({ log }: ReactDeps, { ctx, event }: Incident, error: unknown): unknown {
  log.error({ error, org_id: ctx.org, event_id: event.id }, 'an event could not be reacted to');
  return error;
}

interface Batch {
  incidents: Incident[];
  triggers: Trigger[];
  /** Somebody died over these, or is at them: what they ended may no longer be live. */
  begun: ReadonlySet<Uuid>;
}

/** After whoever was enrolling has written: an enrolment that it does not see is younger than each of these events. */
async function readBatch({ db }: ReactDeps, org: Uuid, ids: readonly Uuid[]): Promise<Batch> {
  await db.call(sql`SELECT enrollments_written(${org}::uuid)`);
  return db.inOrg(org, async (tx) => {
    const list = uuids(ids);
    const events = await tx.rows<ContactEvent>(sql`
      SELECT ${eventColumns} FROM contact_events WHERE org_id = ${org} AND id = ANY (${list}::uuid[]) AND reacted_at IS NULL ORDER BY id`);
    const begun = await tx.rows<{ event_id: Uuid }>(sql`
      SELECT event_id FROM event_reactions WHERE org_id = ${org} AND event_id = ANY (${list}::uuid[]) AND result = 'pending'`);
    const touches = await attribute(tx, org, events);
    return {
      incidents: events.map((event) => ({
        event,
        touch: touches.get(event.id) ?? null,
        ctx: contextOf(org, event),
      })),
      triggers: await readTriggers(tx, org),
      begun: new Set(begun.map((row) => row.event_id)),
    };
  });
}

/**
 * What is noted and suppressed is written for all at once; what stops, begins, opts out or bounces has transactions of its own,
 * in the order of the events, ends before beginnings: an event may lead from one sequence to another. Each may be carried
 * out again for the same event and then does nothing. Gives the failures of these.
 */
async function reactTogether(
  deps: ReactDeps,
  org: Uuid,
  { incidents, triggers, begun }: Batch,
  limits: ReactLimits,
): Promise<unknown[]> {
  await noteAtTouches(deps, org, incidents);
  const stopping = await mayStop(deps, org, incidents);
  const done: Incident[] = [];
  const failures: unknown[] = [];
  for (const incident of incidents) {
    const { id } = incident.event;
    const begins = wouldBegin(incident, triggers);
    const whole = begins || takesOff(incident) || begun.has(id);
    const stops = whole || stopping.has(id);
    if (stops && isOver(limits)) break;
    try {
      if (stops) await stopByEvent(deps, incident);
      if (whole) await heedAddress(deps, incident);
      await countBounce(deps, incident);
      if (begins || begun.has(id)) await enrollByEvent(deps, incident, triggers);
    } catch (error) {
      failures.push(failed(deps, incident, error));
      continue;
    }
    done.push(incident);
  }
  await suppressAddresses(deps, org, done);
  await settleReacted(deps, org, done);
  return failures;
}

async function settleReacted({ db }: ReactDeps, org: Uuid, done: readonly Incident[]): Promise<void> {
  if (done.length === 0) return;
  const ids = uuids(done.map(({ event }) => event.id));
  await db.inOrg(org, (tx) =>
    tx.run(sql`
      UPDATE contact_events SET reacted_at = clock_timestamp()
       WHERE org_id = ${org} AND id = ANY (${ids}::uuid[]) AND reacted_at IS NULL`),
  );
}
