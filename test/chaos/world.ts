/**
 * What a run acts on, made through the command line and the public API alone: organizations with their keys, senders of
 * every class (some with quotas that run out), sequences of two to four steps without delays, contacts.
 */
import type { Organization } from './checker/evidence.ts';
import type { Client } from './client.ts';
import { SHORT_KEY_LIFE_MS, TOLD_KEY_LIFE_MS } from './limits.ts';
import { type Random, random } from './random.ts';
import { routes } from './routes.ts';

export const LABELS = ['alder', 'birch', 'cedar'] as const;
const CONTACTS = 400;
/** Which all imported contacts have; each has one of TAGS besides. */
export const TAGS = ['north', 'east', 'south', 'west'] as const;
const SEQUENCES = 5;
const IMPORT_MS = 60_000;
/** Runs out within a run. */
const SMALL_DAILY = 60;
const SMALL_HOURLY = 45;
/** Of the first organization only. */
const DAILY_CAP = 3;

/** Ending of the accounts whose keys live short. */
const FORGETFUL = '-forgets';

/** What the provider has to be told of these accounts with every plan of faults. */
export function keyLives(): Record<string, number> {
  return Object.fromEntries(LABELS.map((label) => [`${label}-K-3${FORGETFUL}`, SHORT_KEY_LIFE_MS]));
}

/** What clients know of one organization. */
export interface Book {
  organization: Organization;
  contacts: string[];
  sequences: { id: string; senders: string[] }[];
  enrollments: { id: string; contact: string; sequence: string }[];
  /** Of those, paused by a client and not resumed since. */
  paused: { id: string; contact: string; sequence: string }[];
  /** Contact by address, and the link to opt out that reached it. */
  byAddress: Map<string, string>;
  links: Map<string, string>;
}

export async function makeBook(
  client: Client,
  label: string,
  id: string,
  providerUrl: string,
  seed: number,
): Promise<Book> {
  const draw = random(seed, label.length, label.charCodeAt(0));
  const daily_cap = label === LABELS[0] ? DAILY_CAP : null;
  const book: Book = {
    organization: { label, id, daily_cap, senders: [], contacts: {} },
    contacts: [],
    sequences: [],
    enrollments: [],
    paused: [],
    byAddress: new Map(),
    links: new Map(),
  };
  await must(client, label, 'PATCH', routes.organization, {
    postal_address: '1 Test Street',
    ...(daily_cap === null ? {} : { contact_daily_cap: daily_cap }),
  });
  await makeSenders(client, book, providerUrl);
  for (let n = 0; n < SEQUENCES; n++) await makeSequence(client, book, draw, n);
  await importContacts(client, book);
  return book;
}

async function must(client: Client, org: string, method: 'POST' | 'PATCH', path: string, body: unknown) {
  const answer = await client.act({ org, act: 'setup', method, path, body, persist: true });
  if (answer.status === null || answer.status >= 300)
    throw new Error(`${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

async function makeSenders(client: Client, book: Book, url: string): Promise<void> {
  const { label, senders } = book.organization;
  const wanted = [
    { class: 'K', limits: {} },
    { class: 'L', limits: {} },
    { class: 'N', limits: {} },
    { class: 'K', limits: { daily_limit: SMALL_DAILY }, forgets: true },
    { class: 'L', limits: { daily_limit: SMALL_DAILY, hourly_limit: SMALL_HOURLY } },
  ] as const;
  for (const [n, { class: kind, limits, ...more }] of wanted.entries()) {
    const forgets = 'forgets' in more;
    const account = `${label}-${kind}-${n}${forgets ? FORGETFUL : ''}`;
    const { id } = await must(client, label, 'POST', routes.senders, {
      channel: 'email',
      provider: 'sandbox_http',
      name: account,
      from: { name: label, address: `${account.toLowerCase()}@${label}.example.com` },
      config: {
        url,
        account,
        class: kind,
        max_connections: 20,
        ...(forgets ? { key_life_ms: TOLD_KEY_LIFE_MS } : {}),
      },
      ...limits,
    });
    senders.push({ id, account, class: kind, forgets, daily_limit: null, hourly_limit: null, ...limits });
  }
}

async function makeSequence(client: Client, book: Book, draw: Random, n: number): Promise<void> {
  const { label, senders } = book.organization;
  // The first ones have a sender each, so that every class is met; the last mixes them.
  const chosen = n < senders.length - 1 ? [senders[n]!.id] : senders.map((sender) => sender.id);
  const { id } = await must(
    client,
    label,
    'POST',
    routes.sequences,
    definition(`${label} ${n}`, chosen, draw),
  );
  await must(client, label, 'POST', routes.publish(id), {});
  book.sequences.push({ id, senders: chosen });
}

export function definition(name: string, sender_ids: string[], draw: Random) {
  const steps = Array.from({ length: 2 + draw.below(3) }, (_, n) => ({
    channel: 'email',
    delay: { amount: 0, unit: 'minutes' },
    ...(n === 0 ? { subject: `Step ${n} for {{ contact.first_name }}` } : {}),
    body_text: `Hello {{ contact.first_name }}, this is step ${n}. {{ unsubscribe_url }}`,
  }));
  return { name, sender_ids, reenroll: { policy: 'if_ended' }, steps };
}

async function importContacts(client: Client, book: Book): Promise<void> {
  const { label } = book.organization;
  for (const tag of TAGS) {
    const rows = Array.from(
      { length: CONTACTS / TAGS.length },
      (_, n) => `${tag}${n}@${label}.example.org,${tag} ${n}`,
    );
    const upload = new FormData();
    upload.set('tags', tag);
    upload.set('start', 'true');
    upload.set(
      'file',
      new Blob([`email,first_name\n${rows.join('\n')}\n`], { type: 'text/csv' }),
      `${tag}.csv`,
    );
    const path = '/api/contacts/import';
    const { status, body } = await client.act({ org: label, act: 'setup', method: 'POST', path, upload });
    if (status !== 202) throw new Error(`importing answered ${status}: ${JSON.stringify(body)}`);
    await completed(client, label, body.import_id);
  }
  for (const item of await client.all(label, routes.contacts))
    know(book, String(item.id), String(item.email));
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

function know(book: Book, id: string, email: string): void {
  book.organization.contacts[id] = email;
  book.contacts.push(id);
  book.byAddress.set(email, id);
}

let made = 0;

/** One more contact; null when nobody answered. */
export async function makeContact(client: Client, book: Book): Promise<string | null> {
  const { label } = book.organization;
  const email = `p${++made}@${label}.example.org`;
  const { status, body } = await client.act({
    org: label,
    act: 'contact',
    method: 'POST',
    path: routes.contacts,
    body: { email, first_name: `Person ${made}` },
    persist: true,
  });
  if (status === null || status >= 300) return null;
  know(book, body.id, email);
  return body.id;
}
