/**
 * Which touch, or which contacts, the events of a batch are about [INB-4]: by what came back of ours; else by the
 * provider's own id; else whoever has the address. A statement each for a whole batch.
 */
import type { WebhookEvent } from '../channels/channel.ts';
import { normalizeEmail } from '../contacts/email-address.ts';
import type { Tx } from '../db/database.ts';
import { type Sql, sql } from '../db/sql.ts';
import { CHANNELS, type SenderChannel } from '../kernel/channels.ts';
import { isUuid, type Uuid } from '../kernel/ids.ts';

/** Contacts that share one address. */
const MAX_SHARING = 20;

/** What a provider told, as it is stored. */
export interface ToldRow {
  event_id: string;
  sender_id: Uuid;
  hook_id: Uuid;
  provider: string;
  channel: SenderChannel;
  fact: Omit<WebhookEvent, 'at'> & { at: string } & Record<string, unknown>;
  received_at: Date;
}

export interface FoundTouch {
  id: Uuid;
  contact_id: Uuid;
}

export interface About {
  /** Never one of another sender. */
  touch: FoundTouch | null;
  /** Of the touch, or who has the address. */
  contacts: readonly Uuid[];
  /** In the form in which contacts and suppressions have it; null: none, or none that we can read. */
  address: string | null;
}

/** One answer a row, in order. */
export async function aboutWhom(tx: Tx, org: Uuid, rows: readonly ToldRow[]): Promise<About[]> {
  const addresses = rows.map(addressOf);
  const touches = await echoedTouches(tx, org, rows);
  const lost = rows.flatMap((_, n) => (touches.has(n) || addresses[n] === null ? [] : [n]));
  const contacts = await contactsAt(tx, org, rows, addresses, lost);
  const byId = lost.filter((n) => echoOf(rows[n]!) === null && rows[n]!.fact.provider_id !== undefined);
  for (const [n, touch] of await sentUnder(tx, org, rows, byId, contacts)) touches.set(n, touch);
  return rows.map((_, n): About => {
    const touch = touches.get(n) ?? null;
    return { touch, contacts: touch ? [touch.contact_id] : (contacts.get(n) ?? []), address: addresses[n]! };
  });
}

function addressOf({ fact, channel }: ToldRow): string | null {
  const { recipient } = fact;
  if (typeof recipient !== 'string') return null;
  if (channel === 'email') return normalizeEmail(recipient);
  if (channel === 'telegram') return recipient;
  const number = recipient.replace(/^whatsapp:/, '');
  return /^\+[1-9][0-9]{6,14}$/.test(number) ? number : null;
}

/** The touch's id as we sent it along. */
function echoOf({ fact: { touch_id, idempotency_key } }: ToldRow): Uuid | null {
  const echoed = touch_id ?? idempotency_key?.split('.')[0];
  return echoed !== undefined && isUuid(echoed) ? echoed : null;
}

type ByRow<T> = Map<number, T>;

async function echoedTouches(tx: Tx, org: Uuid, rows: readonly ToldRow[]): Promise<ByRow<FoundTouch>> {
  const asked = rows.flatMap((row, n) => {
    const touch = echoOf(row);
    return touch === null ? [] : [{ n, touch, sender: row.sender_id }];
  });
  if (asked.length === 0) return new Map();
  const found = await tx.rows<FoundTouch & { n: number }>(sql`
    SELECT r.n, t.id, t.contact_id FROM json_to_recordset(${JSON.stringify(asked)}::json) AS r(n int, touch uuid, sender uuid)
      JOIN touches t ON t.org_id = ${org} AND t.id = r.touch AND t.sender_id = r.sender`);
  return new Map(found.map(({ n, id, contact_id }) => [n, { id, contact_id }]));
}

/** By the column that the channel writes to; most batches are of one channel. */
async function contactsAt(
  tx: Tx,
  org: Uuid,
  rows: readonly ToldRow[],
  addresses: readonly (string | null)[],
  lost: readonly number[],
): Promise<ByRow<Uuid[]>> {
  const kinds = new Map<string, number[]>();
  for (const n of lost) {
    const kind = CHANNELS[rows[n]!.channel].writes_to ?? 'telegram';
    kinds.set(kind, [...(kinds.get(kind) ?? []), n]);
  }
  const found: ByRow<Uuid[]> = new Map();
  for (const [kind, places] of kinds) {
    const wanted = [...new Set(places.map((n) => addresses[n]!))];
    const at = await tx.rows<{ address: string; contacts: Uuid[] }>(sql`
      SELECT a.address, array(SELECT c.id FROM contacts c WHERE c.org_id = ${org} AND ${columnOf(kind)} = a.address
               ORDER BY c.id LIMIT ${MAX_SHARING}) AS contacts
        FROM unnest(${wanted}::text[]) a(address)`);
    const byAddress = new Map(at.map((row) => [row.address, row.contacts]));
    for (const n of places) found.set(n, byAddress.get(addresses[n]!)!);
  }
  return found;
}

function columnOf(kind: string): Sql {
  if (kind === 'email') return sql`c.email`;
  if (kind === 'phone') return sql`c.phone`;
  return kind === 'whatsapp' ? sql`c.whatsapp` : sql`c.telegram`;
}

/** By the provider's own id, among what was sent to who has the address. */
async function sentUnder(
  tx: Tx,
  org: Uuid,
  rows: readonly ToldRow[],
  places: readonly number[],
  contacts: ByRow<Uuid[]>,
): Promise<ByRow<FoundTouch>> {
  const asked = places.flatMap((n) => {
    const { sender_id: sender, fact } = rows[n]!;
    return (contacts.get(n) ?? []).map((contact) => ({ n, contact, sender, provider_id: fact.provider_id! }));
  });
  if (asked.length === 0) return new Map();
  const found = await tx.rows<FoundTouch & { n: number }>(sql`
    SELECT r.n, t.id, t.contact_id
      FROM json_to_recordset(${JSON.stringify(asked)}::json) AS r(n int, contact uuid, sender uuid, provider_id text)
      JOIN enrollments e ON e.org_id = ${org} AND e.contact_id = r.contact
      JOIN events v ON v.org_id = ${org} AND v.source_id = e.id AND v.type = 'sent'
      JOIN touches t ON t.org_id = ${org} AND t.id = v.touch_id AND t.sender_id = r.sender AND t.provider_id = r.provider_id`);
  return new Map(found.map(({ n, id, contact_id }) => [n, { id, contact_id }]));
}
