/**
 * The clients: each does one thing after another through the public API, drawn from the seed, as hasty users would.
 * They know only what the API told them.
 */
import { appendFileSync } from 'node:fs';
import type { Answer } from './client.ts';
import { workOnStep } from './people.ts';
import { hush } from './quiet.ts';
import { type Random, random } from './random.ts';
import { routes, switchRoute } from './routes.ts';
import { tell } from './tell.ts';
import type { Load, Turn } from './turn.ts';
import { type Book, type Enrolled, makeContact, TAGS } from './world.ts';

/** Between two acts of one client. */
const PAUSE_MS = [5, 60] as const;
/** How long a switch stays off. */
const HOLD_MS = [50, 1_200] as const;
/** Acts go to enrollments among the newest so many, where something is happening. */
const NEWEST = 40;
const BULK = 60;
const WAIT = '?wait=2s';
/** The first so many clients begin by enrolling so many in each sequence. */
const CLIENTS_BEGINNING = 8;
const FIRST = 6;
/** Each so manieth client does what waits for people and little else. */
const PERSON_EVERY = 4;
const PERSON = { person: 20, enroll: 1, pause: 1, resume: 1 } as const;
/** Of the pauses and opt-outs, those that hit what somebody is drafting for. */
const AMBUSH = 0.3;
const CHANNELS = ['email', 'sms', 'whatsapp'] as const;

type Act =
  | 'enroll'
  | 'enroll_many'
  | 'enroll_tag'
  | 'enroll_segment'
  | 'tell'
  | 'declare'
  | 'contact'
  | 'pause'
  | 'resume'
  | 'unenroll'
  | 'advance'
  | 'restart'
  | 'unsubscribe'
  | 'unsubscribe_link'
  | 'switch'
  | 'publish'
  | 'probe'
  | 'resolve'
  | 'person'
  | 'quiet'
  | 'read';

const WEIGHTS: Record<Act, number> = {
  enroll: 22,
  enroll_many: 8,
  enroll_tag: 0.7,
  enroll_segment: 0.7,
  tell: 12,
  declare: 1,
  contact: 4,
  pause: 18,
  resume: 12,
  unenroll: 6,
  advance: 5,
  restart: 5,
  unsubscribe: 2,
  unsubscribe_link: 2,
  switch: 3,
  publish: 1,
  probe: 2,
  resolve: 2,
  person: 6,
  quiet: 0.7,
  read: 2,
};

export async function runClient(load: Load, seed: number, number: number, stop: AbortSignal): Promise<void> {
  const draw = random(seed, 1_000 + number);
  const choose = () =>
    number % PERSON_EVERY === PERSON_EVERY - 1 ? draw.weighted(PERSON) : draw.weighted(WEIGHTS);
  await begin(load, draw, number, stop);
  while (!stop.aborted) {
    const book = draw.pick(load.books);
    try {
      await ACTS[choose()]({ ...load, book, draw });
    } catch (error) {
      appendFileSync(
        load.trouble,
        `client ${number}: ${error instanceof Error ? error.stack : String(error)}\n`,
      );
    }
    await sleep(draw.between(...PAUSE_MS));
  }
}

/** However short the run and slow the machine, something goes through every sequence: each client begins its share of them. */
async function begin(load: Load, draw: Random, number: number, stop: AbortSignal): Promise<void> {
  for (const book of load.books) {
    for (const [n, { id }] of book.sequences.entries()) {
      if (n % CLIENTS_BEGINNING !== number || stop.aborted) continue;
      await enroll(
        { ...load, book, draw },
        Array.from({ length: FIRST }, () => draw.pick(book.contacts)),
        id,
      );
    }
  }
}

const ACTS: Record<Act, (turn: Turn) => Promise<unknown>> = {
  enroll: (turn) => enroll(turn, [turn.draw.pick(turn.book.contacts)]),
  enroll_many: (turn) =>
    enroll(
      turn,
      Array.from({ length: 2 + turn.draw.below(BULK) }, () => turn.draw.pick(turn.book.contacts)),
    ),
  enroll_tag: (turn) => enrollJob(turn, { tag: turn.draw.pick(TAGS) }),
  enroll_segment: (turn) => enrollJob(turn, { segment_id: turn.book.segment }),
  tell,
  declare,
  contact: ({ client, book }) => makeContact(client, book),
  pause: (turn) => patch(turn, 'pause'),
  resume: (turn) => patch(turn, 'resume'),
  unenroll: (turn) => patch(turn, 'unenroll'),
  advance: (turn) => patch(turn, 'advance'),
  restart: (turn) => patch(turn, 'restart'),
  unsubscribe: optOut,
  unsubscribe_link: followLink,
  switch: throwSwitch,
  publish: publishAnew,
  probe,
  resolve,
  person: workOnStep,
  quiet: hush,
  async read({ client, book, draw }) {
    const [enrollment] = newest(book, draw);
    if (!enrollment) return;
    const org = book.organization.label;
    await client.act({ org, act: 'read', method: 'GET', path: `${routes.enrollments}/${enrollment.id}` });
  },
};

async function enroll(
  { client, book, draw }: Turn,
  contacts: string[],
  sequence = draw.pick(book.sequences).id,
): Promise<void> {
  const org = book.organization.label;
  const unique = [...new Set(contacts)];
  const one = unique.length === 1;
  const { status, body } = await client.act({
    org,
    act: 'enroll',
    target: { class: 'sequence', id: sequence },
    method: 'POST',
    path: routes.enrollments,
    body: { sequence_id: sequence, ...(one ? { contact_id: unique[0] } : { contact_ids: unique }) },
    persist: draw.next() < 0.7,
  });
  if (status === null || status >= 300) return;
  for (const result of body.results ?? [body]) {
    if (result.enrollment_id && (result.result ?? 'enrolled') === 'enrolled')
      book.enrollments.push({ id: result.enrollment_id, contact: result.contact_id ?? unique[0], sequence });
  }
}

/** A job, worked by whichever worker lives. */
async function enrollJob({ client, book, draw }: Turn, whom: { tag: string } | { segment_id: string }) {
  const sequence = draw.pick(book.sequences).id;
  await client.act({
    org: book.organization.label,
    act: 'tag' in whom ? 'enroll_tag' : 'enroll_segment',
    target: { class: 'sequence', id: sequence },
    method: 'POST',
    path: routes.enrollments,
    body: { sequence_id: sequence, ...whom },
    persist: true,
  });
}

/** A stop that waits tells the true outcome; most do not wait. */
async function patch(
  turn: Turn,
  action: 'pause' | 'resume' | 'unenroll' | 'advance' | 'restart',
): Promise<void> {
  const { book, draw } = turn;
  // What was paused is mostly what gets resumed.
  const paused =
    action === 'resume' && draw.next() < 0.8 ? book.paused.splice(draw.below(book.paused.length), 1) : [];
  const ambushed = action === 'pause' || action === 'unenroll' ? ambush(book, draw) : null;
  const [enrollment] = paused.length > 0 ? paused : ambushed ? [ambushed] : newest(book, draw);
  if (!enrollment) return;
  const stop = action === 'pause' || action === 'unenroll';
  const wait = stop && draw.next() < 0.1 ? WAIT : '';
  const { status } = await turn.client.act({
    org: book.organization.label,
    act: action,
    target: { class: 'enrollment', id: enrollment.id },
    method: 'PATCH',
    path: `${routes.enrollments}/${enrollment.id}${wait}`,
    body: { action, reason: 'chaos' },
    persist: draw.next() < 0.7,
  });
  if (action === 'pause' && status === 200) book.paused.push(enrollment);
}

function optOut({ client, book, draw }: Turn): Promise<Answer | undefined> {
  const enrollment = ambush(book, draw) ?? newest(book, draw)[0];
  if (!enrollment) return Promise.resolve(undefined);
  const { contact } = enrollment;
  const channel = draw.pick(CHANNELS);
  return client.act({
    org: book.organization.label,
    act: 'unsubscribe',
    target: { class: 'contact', id: contact, channel },
    ...routes.unsubscribe(contact, channel),
    persist: true,
  });
}

/** RFC 8058, as a mail program does it: no key, no cookie. */
function followLink({ client, book, draw }: Turn): Promise<Answer | undefined> {
  const links = [...book.links];
  const [to, path] = links.length > 0 ? draw.pick(links) : [null, null];
  const [contact, channel] = to?.split(' ') ?? [];
  if (!to || !contact || !channel || !path) return Promise.resolve(undefined);
  book.links.delete(to);
  return client.act({
    org: book.organization.label,
    act: 'unsubscribe',
    target: { class: 'contact', id: contact, channel },
    method: 'POST',
    path,
    form: 'List-Unsubscribe=One-Click',
    open: true,
    persist: true,
  });
}

async function throwSwitch({ client, book, draw }: Turn): Promise<void> {
  const { label, id, senders } = book.organization;
  const kind = draw.pick(['sequence', 'sequence', 'sender', 'sender', 'channel', 'organization'] as const);
  const target = {
    sequence: () => draw.pick(book.sequences).id,
    sender: () => draw.pick(senders).id,
    channel: () => draw.pick(CHANNELS),
    organization: () => id,
  }[kind]();
  const turn = (paused: boolean) => {
    const { path, ...rest } = switchRoute(kind, target, paused);
    return client.act({
      org: label,
      act: paused ? 'hold' : 'release',
      target: { class: kind, id: kind === 'organization' ? label : target },
      ...rest,
      path: paused && draw.next() < 0.2 ? `${path}${WAIT}` : path,
      persist: true,
    });
  };
  await turn(true);
  await sleep(draw.between(...HOLD_MS));
  await turn(false);
}

async function publishAnew({ client, book, draw }: Turn): Promise<void> {
  const org = book.organization.label;
  const sequence = draw.pick(book.sequences);
  const path = `${routes.sequences}/${sequence.id}`;
  const body = sequence.definition(`${org} anew`, draw);
  const { status } = await client.act({ org, act: 'edit', method: 'PATCH', path, body });
  if (status === 200)
    await client.act({ org, act: 'publish', method: 'POST', path: routes.publish(sequence.id), body: {} });
}

/** A person's word on which text wins, or that none does, while messages of all of them are under way. */
async function declare({ client, book, draw }: Turn): Promise<void> {
  const org = book.organization.label;
  const sequence = draw.pick(book.sequences.filter((one) => one.arms));
  const path = `${routes.sequences}/${sequence.id}`;
  const { status, body } = await client.act({ org, act: 'read', method: 'GET', path });
  if (status !== 200) return;
  type Shown = { id: string; variants?: { key: string }[] };
  const steps = (body.steps as Shown[]).filter((step) => step.variants?.length);
  if (steps.length === 0) return;
  const step = draw.pick(steps);
  const variant = draw.next() < 0.3 ? null : draw.pick(step.variants!).key;
  await client.act({
    org,
    act: 'declare',
    method: 'POST',
    path: routes.winner(sequence.id, step.id),
    body: { variant },
  });
}

/** Another organization's ids, asked for and acted on. */
async function probe({ client, books, book, draw }: Turn): Promise<void> {
  const other = draw.pick(books);
  if (other === book) return;
  const [enrollment] = newest(other, draw);
  if (!enrollment) return;
  const requests = [
    { method: 'GET', path: `${routes.enrollments}/${enrollment.id}` },
    { method: 'PATCH', path: `${routes.enrollments}/${enrollment.id}`, body: { action: 'pause' } },
    { method: 'GET', path: `${routes.contacts}/${enrollment.contact}` },
    { method: 'POST', path: `${routes.sequences}/${enrollment.sequence}/pause` },
    { method: 'POST', path: `/api/senders/${other.organization.senders[0]!.id}/pause` },
  ] as const;
  await client.act({ org: book.organization.label, act: 'probe', ...draw.pick(requests) });
}

/** A person decides about a message whose outcome nobody can find out. */
async function resolve({ client, book, draw }: Turn): Promise<void> {
  const org = book.organization.label;
  const path = `${routes.touches}?needs_review=true&limit=20`;
  const { status, body } = await client.act({ org, act: 'read', method: 'GET', path });
  if (status !== 200 || body.items.length === 0) return;
  const touch = draw.pick(body.items as { id: string }[]);
  const decision = draw.pick(['sent', 'not_sent', 'resend']);
  await client.act({
    org,
    act: 'resolve',
    target: { class: 'touch', id: touch.id },
    decision,
    method: 'POST',
    path: routes.resolve(touch.id),
    body: { outcome: decision, note: 'chaos' },
  });
}

function ambush({ drafting }: Book, draw: Random): Enrolled | null {
  return drafting.length > 0 && draw.next() < AMBUSH ? draw.pick(drafting) : null;
}

function newest(book: Book, draw: Random): Enrolled[] {
  const recent = book.enrollments.slice(-NEWEST);
  return recent.length === 0 ? [] : [draw.pick(recent)];
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
