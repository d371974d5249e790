/**
 * What a run acts on, made through the command line and the public API alone: organizations with their keys, senders of
 * every channel and class, sequences without delays, contacts with an address for each channel.
 */
import type { Organization } from './checker/evidence.ts';
import type { Client } from './client.ts';
import { dayZone } from './day.ts';
import { type Random, random } from './random.ts';
import { routes } from './routes.ts';
import { plannedSenders, type SenderName } from './senders.ts';
import { EVENTS, type PlannedSequence, plannedSequences } from './sequences.ts';

export const LABELS = ['alder', 'birch', 'cedar'] as const;
const CONTACTS = 400;
/** Which all imported contacts have; each has one of TAGS besides. */
export const TAGS = ['north', 'east', 'south', 'west'] as const;
const IMPORT_MS = 60_000;
/** Of the first organization only, and of the second. */
const DAILY_CAP = 3;
const CHANNEL_CAPS: Record<string, number> = { sms: 2 };

export interface Enrolled {
  id: string;
  contact: string;
  sequence: string;
}

/** A step that waits for a person. */
export interface Due {
  /** Of its touch. */
  id: string;
  channel: string;
  enrollment: Enrolled;
}

/** What clients know of one organization. */
export interface Book {
  organization: Organization;
  /** Where it and its contacts are. */
  zone: string;
  contacts: string[];
  sequences: {
    id: string;
    human: boolean;
    arms: boolean;
    definition(name: string, draw: Random): Record<string, unknown>;
  }[];
  enrollments: Enrolled[];
  /** Of those, paused by a client and not resumed since; and being drafted for by one just now. */
  paused: Enrolled[];
  drafting: Enrolled[];
  /** Seen in a list, and not yet done. */
  due: Due[];
  /** A saved condition that some of its contacts fit. */
  segment: string;
  /** Its quiet hours are being changed by a client. */
  hushed: boolean;
  /** Contact by address, and the links to opt out that reached it, by contact and channel. */
  byAddress: Map<string, string>;
  links: Map<string, string>;
}

/** `turn`: when windows of this run open and close. */
export async function makeBook(
  client: Client,
  { label, id, turn, seed }: { label: string; id: string; turn: number; seed: number },
  providerUrl: string,
): Promise<Book> {
  const number = LABELS.findIndex((known) => known === label);
  const zone = dayZone(number);
  const daily_cap = number === 0 ? DAILY_CAP : null;
  const channel_caps = number === 1 ? CHANNEL_CAPS : {};
  const book: Book = {
    organization: { label, id, daily_cap, channel_caps, senders: [], sequences: [], contacts: {} },
    ...{ zone, contacts: [], sequences: [], enrollments: [], paused: [], drafting: [], due: [] },
    ...{ hushed: false, segment: '' },
    byAddress: new Map(),
    links: new Map(),
  };
  await must(client, label, 'PATCH', routes.organization, {
    postal_address: '1 Test Street',
    time_zone: zone,
    ...(daily_cap === null ? {} : { contact_daily_cap: daily_cap }),
    channel_caps: Object.fromEntries(
      Object.entries(channel_caps).map(([channel, day]) => [channel, { day }]),
    ),
  });
  const senders = new Map<SenderName, string>();
  for (const { name, body, sender } of plannedSenders({ label, number, zone, turn }, providerUrl)) {
    const { id: made } = await must(client, label, 'POST', routes.senders, body);
    senders.set(name, made);
    book.organization.senders.push({ id: made, ...sender });
  }
  const draw = random(seed, label.length, label.charCodeAt(0));
  for (const [n, planned] of plannedSequences(zone, turn).entries())
    await makeSequence(client, book, planned, { senders, draw, name: `${label} ${n}` });
  await importContacts(client, book, number);
  const condition = { any: [{ tag: TAGS[0] }, { event: EVENTS.news }] };
  book.segment = (await must(client, label, 'POST', routes.segments, { name: 'Some', condition })).id;
  return book;
}

async function must(client: Client, org: string, method: 'POST' | 'PATCH', path: string, body: unknown) {
  const answer = await client.act({ org, act: 'setup', method, path, body, persist: true });
  if (answer.status === null || answer.status >= 300)
    throw new Error(`${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

async function makeSequence(
  client: Client,
  book: Book,
  { human, arms, opening, ends_on, definition }: PlannedSequence,
  { senders, draw, name }: { senders: ReadonlyMap<SenderName, string>; draw: Random; name: string },
): Promise<void> {
  const { label } = book.organization;
  const { id } = await must(client, label, 'POST', routes.sequences, definition(name, senders, draw));
  await must(client, label, 'POST', routes.publish(id), {});
  book.organization.sequences.push({ id, ends_on, ...opening });
  book.sequences.push({ id, human, arms, definition: (anew, dice) => definition(anew, senders, dice) });
}

/** Of an organization, none given twice. */
const numberOf = (org: number, n: number) => `+4915550${org}${String(n).padStart(4, '0')}`;

async function importContacts(client: Client, book: Book, number: number): Promise<void> {
  const { label } = book.organization;
  for (const [nth, tag] of TAGS.entries()) {
    const share = CONTACTS / TAGS.length;
    const rows = Array.from({ length: share }, (_, n) => {
      const phone = numberOf(number, nth * share + n);
      return `${tag}${n}@${label}.example.org,${tag} ${n},${phone},${phone},${book.zone}`;
    });
    const upload = new FormData();
    upload.set('tags', tag);
    upload.set('start', 'true');
    const text = `email,first_name,phone,whatsapp,time_zone\n${rows.join('\n')}\n`;
    upload.set('file', new Blob([text], { type: 'text/csv' }), `${tag}.csv`);
    const path = '/api/contacts/import';
    const { status, body } = await client.act({ org: label, act: 'setup', method: 'POST', path, upload });
    if (status !== 202) throw new Error(`importing answered ${status}: ${JSON.stringify(body)}`);
    await completed(client, label, body.import_id);
  }
  for (const item of await client.all(label, routes.contacts))
    know(book, String(item.id), String(item.email), String(item.phone));
}

async function completed(client: Client, org: string, id: string): Promise<void> {
  const end = performance.now() + IMPORT_MS;
  for (;;) {
    const { body } = await client.act({ org, act: 'setup', method: 'GET', path: `/api/imports/${id}` });
    if (body?.status === 'completed') return;
    if (body?.status === 'failed' || performance.now() > end)
      throw new Error(`the import did not end: ${JSON.stringify(body)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function know(book: Book, id: string, email: string, phone: string): void {
  book.organization.contacts[id] = [email, phone];
  book.contacts.push(id);
  book.byAddress.set(email, id);
  book.byAddress.set(phone, id);
}

let made = 0;

/** One more contact; null when nobody answered. */
export async function makeContact(client: Client, book: Book): Promise<string | null> {
  const { label } = book.organization;
  const email = `p${++made}@${label}.example.org`;
  const phone = numberOf(
    LABELS.findIndex((known) => known === label),
    CONTACTS + made,
  );
  const { status, body } = await client.act({
    org: label,
    act: 'contact',
    method: 'POST',
    path: routes.contacts,
    body: { email, first_name: `Person ${made}`, phone, whatsapp: phone, time_zone: book.zone },
    persist: true,
  });
  if (status === null || status >= 300) return null;
  know(book, body.id, email, phone);
  return body.id;
}
