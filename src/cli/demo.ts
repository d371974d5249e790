/**
 * The demo: an organization whose first sequence really sends to the built-in inbox. Made through the public API, as
 * anybody would make it, so that it shows nothing a user cannot do.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

export interface DemoTarget {
  /** Base URL of the running API. */
  url: string;
  key: string;
  /** The sandbox sender's configuration. */
  sandbox: Record<string, unknown>;
}

export interface Demo {
  sender_id: string;
  sequence_id: string;
  enrolled: number;
}

const PEOPLE = [
  ['Ana', 'Pereira', 'Lumen Studio', 'Lisbon'],
  ['Ben', 'Okafor', 'Okafor & Sons', 'Lagos'],
  ['Chiara', 'Conti', 'Forno Conti', 'Turin'],
  ['Daniel', 'Weiss', 'Weiss Elektro', 'Vienna'],
  ['Elif', 'Demir', 'Demir Textiles', 'Izmir'],
  ['Farid', 'Haddad', 'Cedar Logistics', 'Beirut'],
  ['Grace', 'Lee', 'Northside Dental', 'Toronto'],
  ['Hugo', 'Martin', 'Atelier Martin', 'Lyon'],
  ['Ines', 'Alvarez', 'Casa Verde', 'Valencia'],
  ['Jonas', 'Berg', 'Berg Marine', 'Bergen'],
  ['Keiko', 'Sato', 'Sato Ceramics', 'Kyoto'],
  ['Liam', 'Murphy', 'Murphy Roofing', 'Cork'],
] as const;

const STEPS = [
  {
    channel: 'email',
    delay: { amount: 0, unit: 'minutes' },
    subject: 'A quieter week for {{ contact.company | default: "your team" }}?',
    body_text:
      'Hello {{ contact.first_name | default: "there" }},\n\nmost teams like {{ contact.company | default: "yours" }} lose a day a week to follow-ups.\nWould ten minutes on Thursday be of use?\n\n{{ sender.name }}',
  },
  {
    channel: 'email',
    delay: { amount: 2, unit: 'minutes' },
    body_text:
      'Hello {{ contact.first_name | default: "again" }},\n\nonly in case this went under. A yes or a no helps me both ways.\n\n{{ sender.name }}',
  },
  {
    channel: 'email',
    delay: { amount: 3, unit: 'minutes' },
    body_text:
      'Hello {{ contact.first_name | default: "there" }},\n\nI will leave it here. If it becomes a topic, this address finds me.\n\n{{ sender.name }}',
  },
];

export async function loadDemo(target: DemoTarget): Promise<Demo> {
  const sender = await post(target, '/api/senders', {
    channel: 'email',
    provider: 'sandbox',
    name: 'Demo mailbox',
    from: { name: 'Mara from Cadenza', address: 'mara@demo.example' },
    config: target.sandbox,
    daily_limit: 500,
  });
  const contacts: string[] = [];
  for (const [first_name, last_name, company, city] of PEOPLE) {
    const email =
      `${first_name}.${last_name}@${company.toLowerCase().replaceAll(/[^a-z]+/g, '-')}.example`.toLowerCase();
    const contact = await post(target, '/api/contacts', {
      first_name,
      last_name,
      company,
      email,
      tags: ['demo', city.toLowerCase()],
    });
    contacts.push(contact.id);
  }
  const sequence = await post(target, '/api/outreach/sequences', {
    name: 'Demo: first contact',
    sender_ids: [sender.id],
    steps: STEPS,
  });
  await post(target, `/api/outreach/sequences/${sequence.id}/publish`, {});
  const enrolled = await post(target, '/api/outreach/enrollments', {
    sequence_id: sequence.id,
    contact_ids: contacts,
  });
  return { sender_id: sender.id, sequence_id: sequence.id, enrolled: enrolled.enrolled };
}

/** A machine that is busy with something else is waited for so long. */
const PATIENCE_MS = 60_000;
const AGAIN_MS = 500;

// biome-ignore lint/suspicious/noExplicitAny: answers of our own API, whose shapes its description gives
async function post(target: DemoTarget, path: string, body: unknown): Promise<any> {
  const text = JSON.stringify(body);
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const response = await fetch(target.url + path, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${target.key}`,
        'content-type': 'application/json',
        // The same step of the demo repeated gives the same answer.
        'idempotency-key': `demo-${createHash('sha256').update(path).update(text).digest('hex').slice(0, 32)}`,
      },
      body: text,
    });
    const answer = (await response.json()) as { detail?: string };
    if (response.ok) return answer;
    if (response.status !== 503 || performance.now() > until)
      throw new Error(`the demo stopped at ${path}: ${answer.detail ?? response.status}`);
    await sleep(AGAIN_MS);
  }
}
