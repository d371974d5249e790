/**
 * Clients that do what waits for people: have it drafted, which takes a while, then execute it, whatever others have
 * stopped meanwhile; take up calls and tasks, and tell what came of them; skip, and put off.
 */
import { routes } from './routes.ts';
import type { Turn } from './turn.ts';
import type { Due } from './world.ts';

/** Due steps that somebody sees at once, and goes through one after another. */
const SEEN = 10;
/** A step put off comes back within the run. */
const SNOOZE_MS = [500, 5_000] as const;

/** One of those that were seen, however long ago; from a fresh look when none is left. */
async function dueStep({ client, book, draw }: Turn): Promise<Due | undefined> {
  if (book.due.length === 0) {
    const human = book.sequences.filter((sequence) => sequence.human);
    const path = `${routes.dueSteps}?limit=${SEEN}&sequence_id=${draw.pick(human).id}`;
    const { status, body } = await client.act({
      org: book.organization.label,
      act: 'read',
      method: 'GET',
      path,
    });
    if (status === 200) book.due.push(...body.items.map(dueOf));
  }
  return book.due.splice(draw.below(book.due.length), 1)[0];
}

// biome-ignore lint/suspicious/noExplicitAny: whatever JSON the API answers
function dueOf({ id, channel, enrollment_id, contact, sequence }: any): Due {
  return { id, channel, enrollment: { id: enrollment_id, contact: contact.id, sequence: sequence.id } };
}

const BY_PEOPLE = ['call', 'task'];

export async function workOnStep(turn: Turn): Promise<void> {
  const due = await dueStep(turn);
  if (!due) return;
  if (BY_PEOPLE.includes(due.channel)) await doOutside(turn, due);
  else if (turn.draw.next() < 0.1) await putOff(turn, due);
  else await draftAndExecute(turn, due);
}

async function act(turn: Turn, due: Due, action: string, body: object, persist = turn.draw.next() < 0.5) {
  return turn.client.act({
    org: turn.book.organization.label,
    act: action,
    target: { class: 'touch', id: due.id },
    method: 'POST',
    path: `${routes.dueStep(due.id)}/${action}`,
    body,
    persist,
  });
}

async function draftAndExecute(turn: Turn, due: Due): Promise<void> {
  const { book, draw } = turn;
  const drafted = draw.next() < 0.6;
  if (drafted) {
    // Others know that somebody is at it: that is when they pause.
    book.drafting.push(due.enrollment);
    await act(turn, due, 'draft', {}, false);
  }
  const content = draw.next() < 0.3 ? { content: { text: `Hello, ${draw.below(1_000)} times.` } } : {};
  await execute(turn, due, content);
  if (drafted) book.drafting.splice(book.drafting.indexOf(due.enrollment), 1);
  // Somebody who clicks twice.
  if (draw.next() < 0.1) await execute(turn, due, {});
}

async function execute(turn: Turn, due: Due, body: object): Promise<void> {
  if (turn.draw.next() < 0.7) {
    await act(turn, due, 'execute', body);
    return;
  }
  const { id } = due.enrollment;
  await turn.client.act({
    org: turn.book.organization.label,
    act: 'execute',
    target: { class: 'enrollment', id },
    method: 'POST',
    path: `${routes.enrollments}/${id}/execute`,
    body,
    persist: turn.draw.next() < 0.5,
  });
}

async function doOutside(turn: Turn, due: Due): Promise<void> {
  const { draw } = turn;
  const { status } = await act(turn, due, 'start', {});
  // Some are begun and never told of; some are told of and had not been begun.
  if (status !== 200 || draw.next() < 0.1) return;
  if (draw.next() < 0.15) await putOff(turn, due);
  else await act(turn, due, draw.pick(['complete', 'complete', 'execute']), { outcome: 'done' });
}

async function putOff(turn: Turn, due: Due): Promise<void> {
  const { draw } = turn;
  if (draw.next() < 0.5) await act(turn, due, 'skip', { reason: 'chaos' });
  else {
    const until = new Date(Date.now() + draw.between(...SNOOZE_MS)).toISOString();
    await act(turn, due, 'snooze', { until });
  }
}
