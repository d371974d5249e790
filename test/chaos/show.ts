/** What the public API shows of every organization at the end, in the checker's words. */
import { writeFile } from 'node:fs/promises';
import type { Enrollment, Shown, Told, Touch } from './checker/evidence.ts';
import type { Client } from './client.ts';
import { BUDGET_MS, MAX_FREEZE_MS } from './limits.ts';
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
  const told: Told[] = [];
  for (const { organization } of books) {
    const org = organization.label;
    const paced = new Set(
      organization.senders.filter(({ max_gap_s }) => max_gap_s !== null).map(({ id }) => id),
    );
    for (const item of await client.all(org, routes.touches)) {
      const touch = touchOf(org, item);
      if (touch.gated_at !== null && paced.has(touch.sender ?? '')) touch.gap = await gapOf(client, touch);
      touches.push(touch);
    }
    for (const item of await client.all(org, routes.enrollments)) enrollments.push(enrollmentOf(org, item));
    for (const { id, reacted_at } of await client.all(org, routes.events))
      told.push({ id: String(id), org, reacted: reacted_at !== null });
  }
  const shown: Shown = {
    ...times,
    until: Date.now(),
    budget: BUDGET_MS,
    freeze: MAX_FREEZE_MS,
    organizations: books.map(({ organization }) => organization),
    touches,
    enrollments,
    told,
  };
  await writeFile(path, JSON.stringify(shown));
}

/** As the API explains it. */
async function gapOf(client: Client, { org, id }: Touch): Promise<number | null> {
  const { body } = await client.act({
    org,
    act: 'show',
    method: 'GET',
    path: `${routes.touches}/${id}`,
    persist: true,
  });
  const { gap_s } = body.planned;
  return gap_s === null ? null : gap_s * 1_000;
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
    mode: item.mode,
    state: item.state,
    step_id: item.step_id,
    generation: item.generation,
    needs_review: item.needs_review,
    held_by: item.held_by,
    due_at: timeOf(item.due_at),
    gated_at: timeOf(item.gated_at),
    created_at: Date.parse(item.created_at),
    gap: null,
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
