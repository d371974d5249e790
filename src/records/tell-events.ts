/**
 * Events as the API tells them: of a contact named by its id, its external id or its address, or by the touch it
 * answers. One bad entry of many refuses itself alone.
 */
import { normalizeEmail } from '../contacts/email-address.ts';
import type { Database, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { CHANNEL_NAMES } from '../kernel/channels.ts';
import { isUuid, type Uuid } from '../kernel/ids.ts';
import { notFound, Problem } from '../kernel/problem.ts';
import type { Context } from '../tenancy/context.ts';
import { EVENT_NAME } from './event-names.ts';
import { recordEvents } from './events.ts';
import { readMessageProperties } from './message-properties.ts';
import type { Properties } from './properties.ts';

/** Events of one request. */
export const MAX_EVENTS = 1_000;
/** Clocks differ; what is said to happen later than this has not happened. */
const MAX_AHEAD_MS = 5 * 60_000;
export const IN_THE_FUTURE = 'It has not happened yet';

/** A contact by one of what it is known by. */
export interface NamedContact {
  contact_id?: Uuid | undefined;
  contact_external_id?: string | undefined;
  email?: string | undefined;
}

export interface ToldEvent extends NamedContact {
  touch_id?: Uuid | undefined;
  name: string;
  /** Absent: now. */
  at?: Date | undefined;
  external_id?: string | undefined;
  properties?: Properties | undefined;
}

export const EVENT_REFUSALS = [
  'unknown_contact',
  'unknown_touch',
  'in_the_future',
  'bad_name',
  'other_event',
  'no_contact',
  'unknown_channel',
  'unknown_permanence',
] as const;
export type EventRefusal = (typeof EVENT_REFUSALS)[number];

export type Told =
  | { result: 'recorded' | 'duplicate'; event_id: Uuid; contact_id: Uuid; reason: null }
  | { result: 'refused'; event_id: null; contact_id: null; reason: EventRefusal };

/** One answer an entry, in order. `source` is who tells; its external ids are its own. */
export async function tellEvents(
  db: Database,
  ctx: Context,
  source: string,
  events: readonly ToldEvent[],
): Promise<Told[]> {
  const now = Date.now();
  return db.inOrg(ctx.org, async (tx) => {
    const found = await findContacts(tx, ctx.org, events);
    const judged = events.map((event, i) => judge(event, found[i]!, now));
    const good = events.flatMap((event, i) => {
      const { contact, properties } = judged[i]!;
      return contact === null
        ? []
        : [{ ...event, contact_id: contact, at: event.at ?? new Date(now), properties }];
    });
    const recorded = await recordEvents(tx, ctx, source, good);
    let next = 0;
    return judged.map(({ contact, refused }): Told => {
      if (refused !== null) return { result: 'refused', event_id: null, contact_id: null, reason: refused };
      const { id, is_new, is_other } = recorded[next++]!;
      if (is_other) return { result: 'refused', event_id: null, contact_id: null, reason: 'other_event' };
      return {
        result: is_new ? 'recorded' : 'duplicate',
        event_id: id,
        contact_id: contact,
        reason: null,
      };
    });
  });
}

interface Found {
  contact: Uuid | null;
  /** Of the touch named. */
  touched: Uuid | null;
}

type Judged =
  | { contact: Uuid; properties: Properties; refused: null }
  | { contact: null; properties?: undefined; refused: EventRefusal };

function judge(event: ToldEvent, found: Found, now: number): Judged {
  const no = (refused: EventRefusal): Judged => ({ contact: null, refused });
  if (!EVENT_NAME.test(event.name)) return no('bad_name');
  if (isAhead(event.at, now)) return no('in_the_future');
  const properties = readMessageProperties(event.name, event.properties ?? {});
  if (typeof properties === 'string') return no(properties);
  const named = isNamed(event);
  if (!named && event.touch_id === undefined) return no('no_contact');
  if (named && found.contact === null) return no('unknown_contact');
  if (event.touch_id !== undefined) {
    if (found.touched === null || (named && found.touched !== found.contact)) return no('unknown_touch');
    return { contact: found.touched, properties, refused: null };
  }
  return found.contact === null
    ? no('unknown_contact')
    : { contact: found.contact, properties, refused: null };
}

export function isAhead(at: Date | undefined, now: number): boolean {
  return at !== undefined && at.getTime() > now + MAX_AHEAD_MS;
}

function isNamed({ contact_id, contact_external_id, email }: NamedContact): boolean {
  return contact_id !== undefined || contact_external_id !== undefined || email !== undefined;
}

/** Null: none is named. @throws not_found */
export async function contactOf(tx: Tx, org: Uuid, named: NamedContact): Promise<Uuid | null> {
  if (!isNamed(named)) return null;
  const [found] = await findContacts(tx, org, [named]);
  if (found!.contact === null) throw unknownContact(named);
  return found!.contact;
}

function unknownContact(named: NamedContact): Problem {
  const id = named.contact_id ?? named.contact_external_id ?? 'by e-mail';
  return new Problem('not_found', 'There is no such contact', { unknown: [{ type: 'contact', id }] });
}

async function findContacts(
  tx: Tx,
  org: Uuid,
  events: readonly (NamedContact & { touch_id?: Uuid | undefined })[],
): Promise<Found[]> {
  const asked = events.map((event, n) => ({
    n,
    id: event.contact_id !== undefined && isUuid(event.contact_id) ? event.contact_id : null,
    external_id: event.contact_external_id ?? null,
    email: event.email === undefined ? null : normalizeEmail(event.email),
    touch: event.touch_id ?? null,
  }));
  return tx.rows<Found>(sql`
    SELECT coalesce(a.id, b.id, c.id) AS contact, t.contact_id AS touched
      FROM json_to_recordset(${JSON.stringify(asked)}::json) AS r(n int, id uuid, external_id text, email text, touch uuid)
      LEFT JOIN contacts a ON a.org_id = ${org} AND a.id = r.id
      LEFT JOIN contacts b ON b.org_id = ${org} AND b.external_id = r.external_id
      LEFT JOIN contacts c ON c.org_id = ${org} AND c.email = r.email
      LEFT JOIN touches t ON t.org_id = ${org} AND t.id = r.touch
     ORDER BY r.n`);
}

const WORDS = {
  in_the_future: { field: 'at', message: IN_THE_FUTURE },
  bad_name: { field: 'name', message: 'Lower-case letters, digits, and any of _ . : - after the first' },
  no_contact: {
    field: 'contact_id',
    message: 'name the contact by one of contact_id, contact_external_id, email or touch_id',
  },
  unknown_channel: {
    field: 'properties.channel',
    message: `must be one of ${CHANNEL_NAMES.join(', ')}, or absent`,
  },
  unknown_permanence: { field: 'properties.permanence', message: 'must be hard or soft, or absent' },
  other_event: {
    field: 'external_id',
    message: 'What was told under it is another event: of another contact, or under another name',
  },
} satisfies Partial<Record<EventRefusal, { field: string; message: string }>>;

/** For who tells one. @throws not_found, invalid_request, conflict */
export async function tellEvent(
  db: Database,
  ctx: Context,
  source: string,
  event: ToldEvent,
): Promise<Exclude<Told, { result: 'refused' }>> {
  const [told] = await tellEvents(db, ctx, source, [event]);
  if (told!.result !== 'refused') return told!;
  const { reason } = told!;
  if (reason === 'unknown_contact') throw unknownContact(event);
  if (reason === 'unknown_touch') throw notFound('touch', event.touch_id!);
  const { field, message } = WORDS[reason];
  throw new Problem(reason === 'other_event' ? 'conflict' : 'invalid_request', message, {
    errors: [{ field, code: reason, message }],
  });
}
