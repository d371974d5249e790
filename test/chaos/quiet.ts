/** A client that sets quiet hours in the middle of the day, for one channel, and takes them away again. */
import type { Client } from './client.ts';
import { hoursAround } from './day.ts';
import { routes } from './routes.ts';
import type { Turn } from './turn.ts';
import type { Book } from './world.ts';

const CHANNEL = 'whatsapp';
const QUIET_MS = [200, 2_500] as const;

export async function hush({ client, book, draw }: Turn): Promise<void> {
  if (book.hushed) return;
  book.hushed = true;
  await set(client, book, 'quiet', { ...hoursAround(book.zone), channels: [CHANNEL] });
  await new Promise((resolve) => setTimeout(resolve, draw.between(...QUIET_MS)));
  await wake(client, book);
  book.hushed = false;
}

export function wake(client: Client, book: Book): Promise<unknown> {
  return set(client, book, 'wake', null);
}

function set(
  client: Client,
  { organization: { label } }: Book,
  act: 'quiet' | 'wake',
  quiet_hours: object | null,
) {
  return client.act({
    org: label,
    act,
    target: { class: 'organization', id: label, channel: CHANNEL },
    method: 'PATCH',
    path: routes.organization,
    body: { quiet_hours },
    persist: true,
  });
}
