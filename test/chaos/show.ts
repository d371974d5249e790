/** What the public API shows of every organization at the end, in the checker's words. */
import { writeFile } from 'node:fs/promises';
import type { Enrollment, Shown, Touch } from './checker/evidence.ts';
import type { Client } from './client.ts';
import { routes } from './routes.ts';
import type { Book } from './world.ts';

export async function show(
  client: Client,
  books: readonly Book[],
  times: Pick<Shown, 'from' | 'read_at'>,
  path: string,
): Promise<void> {
  const touches: Touch[] = [];
  const enrollments: Enrollment[] = [];
  for (const { organization } of books) {
    const org = organization.label;
    for (const item of await client.all(org, routes.touches)) touches.push(touchOf(org, item));
    for (const item of await client.all(org, routes.enrollments)) enrollments.push(enrollmentOf(org, item));
  }
  const shown: Shown = {
    ...times,
    until: Date.now(),
    organizations: books.map(({ organization }) => organization),
    touches,
    enrollments,
  };
  await writeFile(path, JSON.stringify(shown));
}

// biome-ignore lint/suspicious/noExplicitAny: whatever JSON the API answers
type Item = any;

function touchOf(org: string, item: Item): Touch {
  return {
    id: item.id,
    org,
    enrollment: item.enrollment_id,
    sequence: item.sequence_id,
    sender: item.sender_id,
    contact: item.contact_id,
    channel: item.channel,
    state: item.state,
    step_id: item.step_id,
    generation: item.generation,
    needs_review: item.needs_review,
    held_by: item.held_by,
    due_at: timeOf(item.due_at),
    gated_at: timeOf(item.gated_at),
    created_at: Date.parse(item.created_at),
  };
}

function timeOf(text: string | null): number | null {
  return text === null ? null : Date.parse(text);
}

function enrollmentOf(org: string, item: Item): Enrollment {
  return {
    id: item.id,
    org,
    contact: item.contact_id,
    sequence: item.sequence_id,
    status: item.status,
  };
}
