/**
 * From what providers told to events of contacts [INB-3, INB-4]: the touch that it is about, or the contacts who have the
 * address. In any order and as often as they like: each becomes one event, by the provider's own id. A batch is one
 * transaction of a statement for each thing to do; one that fails is read one by one, so that a bad event keeps none
 * of the others.
 */
import { z } from 'zod';
import { type Suppressed, type SuppressionReason, suppress } from '../contacts/suppression.ts';
import type { Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { CHANNELS } from '../kernel/channels.ts';
import type { Uuid } from '../kernel/ids.ts';
import { reactNow } from '../plan/sequences/react.ts';
import type { ReactDeps } from '../plan/sequences/reactions/reaction.ts';
import { isMessageEvent, type MessageEvent } from '../records/event-names.ts';
import { type NewEvent, recordEvents } from '../records/events.ts';
import { MAX_PROPERTIES_BYTES } from '../records/properties.ts';
import type { Context } from '../tenancy/context.ts';
import { type About, aboutWhom, type ToldRow } from './attribute.ts';
import { queueReading, READ_INBOUND } from './receive.ts';

/** Events read at once. */
const BATCH = 500;
/** A provider may tell what became of a message before its answer to the sending was written down. */
const WAIT_FOR_TOUCH_MS = 15 * 60_000;
const LOOK_AGAIN_MS = 30_000;
/** Of a provider's call, for reading what it told; the task does the rest. */
const AT_ONCE_MS = 1_500;

interface Row extends ToldRow {
  /** When it came, to the microsecond. */
  came: string;
}

type Result = 'recorded' | 'suppressed' | 'unmatched' | 'ignored';

export interface ReadLimits {
  /** Unix milliseconds after which no further batch is begun; what another reads just now is left to it. */
  until?: number | undefined;
  signal?: AbortSignal | undefined;
}

const payloadSchema = z.object({ org: z.uuid() });

/** The queued task. */
export const readInboundTask = {
  name: READ_INBOUND,
  async run(deps: ReactDeps, payload: unknown, signal?: AbortSignal): Promise<void> {
    const { org } = payloadSchema.parse(payload);
    await readInbound(deps, org, { signal });
  },
};

/** Never throws: what is stored is acknowledged, and the task follows. */
export async function readInboundNow(deps: ReactDeps, org: Uuid): Promise<void> {
  try {
    await readInbound(deps, org, { until: Date.now() + AT_ONCE_MS });
  } catch (error) {
    deps.log.warn({ error, org_id: org }, 'what a provider told could not be read at once; it will be');
  }
}

/** @throws when one of them cannot be read: the others are, and the queue tries that one again later. */
export async function readInbound(deps: ReactDeps, org: Uuid, limits: ReadLimits = {}): Promise<void> {
  let after: Row | null = null;
  let left = 0;
  let failure: unknown = null;
  while (!limits.signal?.aborted && Date.now() < (limits.until ?? Number.POSITIVE_INFINITY)) {
    const page: Page = await readPage(deps, org, { after, skip: limits.until !== undefined });
    if (page.rows.length === 0) break;
    after = page.rows.at(-1)!;
    left += page.left;
    failure ??= page.failure;
    await reactNow(deps, org, page.told);
  }
  if (left > 0) await deps.db.inOrg(org, (tx) => queueReading(tx, org, LOOK_AGAIN_MS));
  if (failure !== null) throw failure;
}

interface Read {
  /** The new events. */
  told: Uuid[];
  /** How many wait for their touch. */
  left: number;
}

interface Page extends Read {
  rows: Row[];
  failure: unknown;
}

interface Where {
  after: Row | null;
  skip: boolean;
}

async function readPage(deps: ReactDeps, org: Uuid, where: Where): Promise<Page> {
  let rows: Row[] = [];
  try {
    const read = await deps.db.inOrg(org, async (tx) => {
      rows = await waiting(tx, org, where);
      return interpret(tx, org, rows);
    });
    return { rows, ...read, failure: null };
  } catch (error) {
    if (rows.length === 0) throw error;
    return oneByOne(deps, org, rows);
  }
}

async function oneByOne(deps: ReactDeps, org: Uuid, rows: Row[]): Promise<Page> {
  const page: Page = { rows, told: [], left: 0, failure: null };
  for (const row of rows) {
    try {
      const read = await deps.db.inOrg(org, async (tx) =>
        interpret(tx, org, await waiting(tx, org, { after: null, skip: false }, row)),
      );
      page.told.push(...read.told);
      page.left += read.left;
    } catch (error) {
      const { event_id } = row;
      deps.log.error({ error, org_id: org, event_id }, 'what a provider told could not be read');
      page.failure ??= error;
    }
  }
  return page;
}

/**
 * In the order they came, each held until the end: of two processes one reads it. Who reads it because it was just told
 * passes over what another holds; the task waits, so that nothing is left when it ends.
 */
async function waiting(tx: Tx, org: Uuid, { after, skip }: Where, only?: Row): Promise<Row[]> {
  return tx.rows<Row>(sql`
    SELECT i.event_id, i.sender_id, i.hook_id, s.provider, s.channel, i.fact, i.received_at, i.received_at::text AS came
      FROM inbound_events i JOIN senders s ON s.org_id = ${org} AND s.id = i.sender_id
     WHERE i.org_id = ${org} AND i.result IS NULL
       ${after === null ? sql`` : sql`AND (i.received_at, i.event_id) > (${after.came}::timestamptz, ${after.event_id})`}
       ${only === undefined ? sql`` : sql`AND i.sender_id = ${only.sender_id} AND i.event_id = ${only.event_id}`}
     ORDER BY i.received_at, i.event_id LIMIT ${BATCH} FOR UPDATE OF i ${skip ? sql`SKIP LOCKED` : sql``}`);
}

/** Part of the transaction that holds them. */
async function interpret(tx: Tx, org: Uuid, rows: readonly Row[]): Promise<Read> {
  const about = await aboutWhom(tx, org, rows);
  const read: Read = { told: [], left: 0 };
  const results: { row: Row; result: Result }[] = [];
  const suppressed: Suppressed[] = [];
  const hooks = new Map<Uuid, { ctx: Context; source: string; events: NewEvent[] }>();
  for (const [n, row] of rows.entries()) {
    const name = nameOf(row);
    const { touch, contacts } = about[n]!;
    if (name === null) results.push({ row, result: 'ignored' });
    else if (!touch && row.fact.provider_id && Date.now() - row.received_at.getTime() < WAIT_FOR_TOUCH_MS)
      read.left++;
    else if (contacts.length > 0) {
      const events = contacts.map((contact) => eventOf(row, name, contact, touch?.id ?? null));
      const told = hooks.get(row.hook_id);
      if (told) told.events.push(...events);
      else hooks.set(row.hook_id, { ctx: contextOf(org, row), source: sourceOf(row), events });
      results.push({ row, result: 'recorded' });
    } else {
      const one = suppressedAlone(row, about[n]!);
      if (one) suppressed.push(one);
      results.push({ row, result: one ? 'suppressed' : 'unmatched' });
    }
  }
  for (const { ctx, source, events } of hooks.values()) {
    const recorded = await recordEvents(tx, ctx, source, events);
    read.told.push(...recorded.filter((one) => one.is_new).map((one) => one.id));
  }
  if (suppressed.length > 0) await suppress(tx, { org }, suppressed);
  await conclude(tx, org, results);
  return read;
}

function nameOf({ fact }: Row): MessageEvent | null {
  return isMessageEvent(fact.type) ? fact.type : null;
}

function contextOf(org: Uuid, row: Row): Context {
  return { org, actor: { type: 'system', id: `hook:${row.hook_id}`, name: row.provider } };
}

function sourceOf({ provider, sender_id }: Row): string {
  return `${provider}:${sender_id}`;
}

async function conclude(tx: Tx, org: Uuid, results: readonly { row: Row; result: Result }[]): Promise<void> {
  if (results.length === 0) return;
  const list = results.map(({ row: { sender_id: sender, event_id: event }, result }) => ({
    sender,
    event,
    result,
  }));
  await tx.run(sql`
    UPDATE inbound_events i SET result = r.result
      FROM json_to_recordset(${JSON.stringify(list)}::json) AS r(sender uuid, event text, result text)
     WHERE i.org_id = ${org} AND i.sender_id = r.sender AND i.event_id = r.event`);
}

function eventOf(row: Row, name: MessageEvent, contact_id: Uuid, touch_id: Uuid | null): NewEvent {
  const { event_id: _id, at, touch_id: _touch, idempotency_key: _key, type: _type, ...said } = row.fact;
  const properties = { ...said, channel: row.channel, provider: row.provider };
  const small = JSON.stringify(properties).length <= MAX_PROPERTIES_BYTES / 2;
  return {
    contact_id,
    touch_id,
    name,
    // A provider's clock may be ahead of ours; nothing has happened after it was told.
    at: new Date(Math.min(Date.parse(at) || row.received_at.getTime(), row.received_at.getTime())),
    external_id: touch_id === null ? `${row.event_id}.${contact_id}` : row.event_id,
    properties: small ? properties : { channel: row.channel, provider: row.provider },
  };
}

/** Nobody here has the address (any more); it is not to be written to all the same. */
function suppressedAlone(row: Row, { address }: About): Suppressed | null {
  const kind = CHANNELS[row.channel].suppressed_as;
  const reason = suppressionFor(row);
  return kind === null || reason === null || address === null
    ? null
    : { kind, address, reason, source: sourceOf(row) };
}

function suppressionFor({ fact }: Row): SuppressionReason | null {
  if (fact.type === 'complained') return 'complaint';
  if (fact.type === 'unsubscribed') return 'unsubscribe';
  return fact.type === 'bounced' && fact.permanence === 'hard' ? 'hard_bounce' : null;
}
