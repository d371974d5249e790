/** A client that tells what happened to a contact: a reply, news it waits for, what ends it, what it is enrolled by. */
import { routes } from './routes.ts';
import { EVENTS } from './sequences.ts';
import type { Turn } from './turn.ts';

const WEIGHTS: Record<keyof typeof EVENTS, number> = { reply: 4, news: 5, won: 2, left: 2, asked: 2 };
/** Of the newest enrollments, whose contacts something is happening to. */
const NEWEST = 40;
const UNSUBSCRIBED = 0.05;
const CHANNELS = ['email', 'sms', 'whatsapp'] as const;

let told = 0;

export async function tell({ client, book, draw }: Turn): Promise<void> {
  const recent = book.enrollments.slice(-NEWEST);
  if (recent.length === 0) return;
  const { contact } = draw.pick(recent);
  const out = draw.next() < UNSUBSCRIBED;
  const name = out ? 'unsubscribed' : EVENTS[draw.weighted(WEIGHTS)];
  const channel = draw.pick(CHANNELS);
  // Known by its own id, it may be told until it is answered, and happens once.
  const external_id = `told ${++told}`;
  await client.act({
    org: book.organization.label,
    act: 'tell',
    event: name,
    target: { class: 'contact', id: contact, ...(out ? { channel } : {}) },
    method: 'POST',
    path: routes.events,
    body: { contact_id: contact, name, external_id, ...(out ? { properties: { channel } } : {}) },
    persist: true,
  });
}
