/** Follows the provider's journal: the clients read the links to opt out in what they received. */
import { open } from 'node:fs/promises';
import type { Book } from './world.ts';

const EVERY_MS = 200;
const CHUNK = 1024 * 1024;

export async function followJournal(path: string, books: readonly Book[], stop: AbortSignal): Promise<void> {
  const file = await open(path, 'r');
  let position = 0;
  let rest = '';
  const buffer = Buffer.alloc(CHUNK);
  while (!stop.aborted) {
    const { bytesRead } = await file.read(buffer, 0, CHUNK, position);
    position += bytesRead;
    const lines = (rest + buffer.toString('utf8', 0, bytesRead)).split('\n');
    rest = lines.pop()!;
    for (const line of lines) note(JSON.parse(line), books);
    if (bytesRead < CHUNK) await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  await file.close();
}

function note(
  line: { event: string; recipient?: string; kind?: string | null; unsubscribe?: string | null },
  books: readonly Book[],
): void {
  if (line.event !== 'accepted' || !line.recipient || !line.unsubscribe) return;
  for (const book of books) {
    const contact = book.byAddress.get(line.recipient);
    if (contact) book.links.set(`${contact} ${line.kind}`, line.unsubscribe);
  }
}
