/**
 * From what providers told to events of contacts [INB-3, INB-4]: the touch that it is about, or the contacts who have the
 * address. In any order and as often as they like: each becomes one event, by the provider's own id.
 */
import { z } from 'zod';
import type { WebhookEvent } from '../channels/channel.ts';
import { normalizeEmail } from '../contacts/email-address.ts';
import { type SuppressionReason, suppress } from '../contacts/suppression.ts';
import type { Database, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { CHANNELS, type SenderChannel } from '../kernel/channels.ts';
import { isUuid, type Uuid } from '../kernel/ids.ts';
import { reactNow } from '../plan/sequences/react.ts';
import type { ReactDeps } from '../plan/sequences/reactions/reaction.ts';
import { isMessageEvent, type MessageEvent } from '../records/event-names.ts';
import { type NewEvent, recordEvents } from '../records/events.ts';
import { MAX_PROPERTIES_BYTES } from '../records/properties.ts';
import type { Context } from '../tenancy/context.ts';
import { queueReading, READ_INBOUND } from './receive.ts';

/** Events read at once. */
const BATCH = 200;
/** A provider may tell what became of a message before its answer to the sending was written down. */
const WAIT_FOR_TOUCH_MS = 15 * 60_000;
const LOOK_AGAIN_MS = 30_000;
/** Contacts that share one address. */
const MAX_SHARING = 20;

interface Row {
  event_id: string;
  sender_id: Uuid;
  hook_id: Uuid;
  provider: string;
  channel: SenderChannel;
  fact: Omit<WebhookEvent, 'at'> & { at: string } & Record<string, unknown>;
  received_at: Date;
}

function nameOf({ fact }: Row): MessageEvent | null {
  return isMessageEvent(fact.type) ? fact.type : null;
}

type Result = 'recorded' | 'suppressed' | 'unmatched' | 'ignored';

const payloadSchema = z.object({ org: z.uuid() });

/** The queued task. */
export const readInboundTask = {
  name: READ_INBOUND,
  async run(deps: ReactDeps, payload: unknown, signal?: AbortSignal): Promise<void> {
    const { org } = payloadSchema.parse(payload);
    await readInbound(deps, org, signal);
  },
};

/** Never throws: what is stored is acknowledged, and the task follows. */
export async function readInboundNow(deps: ReactDeps, org: Uuid): Promise<void> {
  try {
    await readInbound(deps, org);
  } catch (error) {
    deps.log.warn({ error, org_id: org }, 'what a provider told could not be read at once; it will be');
  }
}

/** @throws when one of them cannot be read: the others are, and the queue tries that one again later. */
export async function readInbound(deps: ReactDeps, org: Uuid, signal?: AbortSignal): Promise<void> {
  let after: { received_at: Date; event_id: string } | null = null;
  let left = 0;
  let failure: unknown = null;
  while (!signal?.aborted) {
    const rows = await waiting(deps.db, org, after);
    if (rows.length === 0) break;
    after = rows.at(-1)!;
    const told: Uuid[] = [];
    for (const row of rows) {
      try {
        const ids = await read(deps.db, org, row);
        if (ids === null) left++;
        else told.push(...ids);
      } catch (error) {
        deps.log.error(
          { error, org_id: org, event_id: row.event_id },
          'what a provider told could not be read',
        );
        failure ??= error;
      }
    }
    await reactNow(deps, org, told);
  }
  if (left > 0) await deps.db.inOrg(org, (tx) => queueReading(tx, org, LOOK_AGAIN_MS));
  if (failure !== null) throw failure;
}

async function waiting(
  db: Database,
  org: Uuid,
  after: { received_at: Date; event_id: string } | null,
): Promise<Row[]> {
  return db.inOrg(org, (tx) =>
    tx.rows<Row>(sql`
      SELECT i.event_id, i.sender_id, i.hook_id, s.provider, s.channel, i.fact, date_trunc('milliseconds', i.received_at) AS received_at
        FROM inbound_events i JOIN senders s ON s.org_id = ${org} AND s.id = i.sender_id
       WHERE i.org_id = ${org} AND i.result IS NULL
         ${after === null ? sql`` : sql`AND (date_trunc('milliseconds', i.received_at), i.event_id) > (${after.received_at}, ${after.event_id})`}
       ORDER BY date_trunc('milliseconds', i.received_at), i.event_id LIMIT ${BATCH}`),
  );
}

/** The new events; null: it waits for its touch. */
async function read(db: Database, org: Uuid, row: Row): Promise<Uuid[] | null> {
  return db.inOrg(org, async (tx) => {
    const held = await tx.maybe(sql`
      SELECT 1 FROM inbound_events WHERE org_id = ${org} AND sender_id = ${row.sender_id} AND event_id = ${row.event_id} AND result IS NULL
         FOR UPDATE`);
    if (!held) return [];
    const name = nameOf(row);
    if (name === null) return conclude(tx, org, row, 'ignored', []);
    const address = addressOf(row);
    const touch = await touchOf(tx, org, row, address);
    if (!touch && row.fact.provider_id && Date.now() - row.received_at.getTime() < WAIT_FOR_TOUCH_MS)
      return null;
    const contacts = touch ? [touch.contact_id] : await contactsAt(tx, org, row.channel, address);
    const ctx: Context = { org, actor: { type: 'system', id: `hook:${row.hook_id}`, name: row.provider } };
    if (contacts.length === 0) {
      const suppressed = await suppressAlone(tx, ctx, row, address);
      return conclude(tx, org, row, suppressed ? 'suppressed' : 'unmatched', []);
    }
    const events = contacts.map((contact): NewEvent => eventOf(row, name, contact, touch?.id ?? null));
    const recorded = await recordEvents(tx, ctx, `${row.provider}:${row.sender_id}`, events);
    const fresh = recorded.filter((one) => one.is_new).map((one) => one.id);
    return conclude(tx, org, row, 'recorded', fresh);
  });
}

async function conclude(tx: Tx, org: Uuid, row: Row, result: Result, ids: Uuid[]): Promise<Uuid[]> {
  await tx.run(sql`
    UPDATE inbound_events SET result = ${result}
     WHERE org_id = ${org} AND sender_id = ${row.sender_id} AND event_id = ${row.event_id}`);
  return ids;
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

/** In the form in which contacts and suppressions have it; null: it has none, or none that we can read. */
function addressOf({ fact, channel }: Row): string | null {
  const { recipient } = fact;
  if (typeof recipient !== 'string') return null;
  if (channel === 'email') return normalizeEmail(recipient);
  if (channel === 'telegram') return recipient;
  const number = recipient.replace(/^whatsapp:/, '');
  return /^\+[1-9][0-9]{6,14}$/.test(number) ? number : null;
}

interface Found {
  id: Uuid;
  contact_id: Uuid;
}

/**
 * By what came back of ours; else by the provider's id, among what was sent to that address: an index over provider ids
 * would cost every send. Never one of another sender.
 */
async function touchOf(tx: Tx, org: Uuid, row: Row, address: string | null): Promise<Found | null> {
  const { touch_id, idempotency_key, provider_id } = row.fact;
  const echoed = touch_id ?? idempotency_key?.split('.')[0];
  if (echoed !== undefined && isUuid(echoed))
    return tx.maybe<Found>(
      sql`SELECT id, contact_id FROM touches WHERE org_id = ${org} AND id = ${echoed} AND sender_id = ${row.sender_id}`,
    );
  if (provider_id === undefined || address === null) return null;
  const contacts = await contactsAt(tx, org, row.channel, address);
  return tx.maybe<Found>(sql`
    SELECT t.id, t.contact_id FROM enrollments e
      JOIN events v ON v.org_id = ${org} AND v.source_id = e.id AND v.type = 'sent'
      JOIN touches t ON t.org_id = ${org} AND t.id = v.touch_id
     WHERE e.org_id = ${org} AND e.contact_id = ANY (${contacts}) AND t.sender_id = ${row.sender_id} AND t.provider_id = ${provider_id}
     LIMIT 1`);
}

async function contactsAt(
  tx: Tx,
  org: Uuid,
  channel: SenderChannel,
  address: string | null,
): Promise<Uuid[]> {
  if (address === null) return [];
  const kind = CHANNELS[channel].writes_to;
  const column =
    kind === 'email'
      ? sql`email`
      : kind === 'phone'
        ? sql`phone`
        : kind === 'whatsapp'
          ? sql`whatsapp`
          : sql`telegram`;
  const rows = await tx.rows<{ id: Uuid }>(sql`
    SELECT id FROM contacts WHERE org_id = ${org} AND ${column} = ${address} ORDER BY id LIMIT ${MAX_SHARING}`);
  return rows.map((row) => row.id);
}

/** Nobody here has the address (any more); it is not to be written to all the same. */
async function suppressAlone(tx: Tx, ctx: Context, row: Row, address: string | null): Promise<boolean> {
  const kind = CHANNELS[row.channel].suppressed_as;
  const reason = suppressionFor(row);
  if (kind === null || reason === null || address === null) return false;
  await suppress(tx, ctx, { kind, address, reason, source: `${row.provider}:${row.sender_id}` });
  return true;
}

function suppressionFor({ fact }: Row): SuppressionReason | null {
  if (fact.type === 'complained') return 'complaint';
  if (fact.type === 'unsubscribed') return 'unsubscribe';
  return fact.type === 'bounced' && fact.permanence === 'hard' ? 'hard_bounce' : null;
}
