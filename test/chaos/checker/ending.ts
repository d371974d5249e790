/**
 * The end of I3: faults over, everything resumed and waited for. Each touch is in an end state or waits for a reason
 * that can be seen; every enrollment that a client was told of is there; what is unknown is so because its provider
 * cannot be asked.
 */
import type { Evidence, Sender, Touch } from './evidence.ts';
import { openingsOf } from './opening.ts';
import type { Violation } from './violation.ts';

/** A touch due for longer than this, with nothing against it, was forgotten. */
const OVERDUE_MS = 5_000;

export function checkEnding(evidence: Evidence): Violation[] {
  const enrollments = new Map(evidence.enrollments.map((enrollment) => [enrollment.id, enrollment]));
  const senders = new Map(
    evidence.organizations.flatMap(({ senders: own }) => own.map((sender) => [sender.id, sender])),
  );
  const bounced = bouncedContacts(evidence);
  const openingOf = openingsOf(evidence);
  // Quiet hours that were set since it was let go may keep it until their end, though they were taken away again.
  const hushed = new Map<string, number>();
  for (const { act, org, target, ended_at } of evidence.acks)
    if (act === 'quiet') hushed.set(`${org} ${target?.channel}`, ended_at);
  const found: Violation[] = [];
  for (const touch of evidence.touches) {
    const status = enrollments.get(touch.enrollment)?.status;
    const { closes } = openingOf(touch);
    const closed = closes !== null && closes - evidence.budget <= evidence.read_at;
    const quiet = (hushed.get(`${touch.org} ${touch.channel}`) ?? 0) >= (touch.gated_at ?? evidence.read_at);
    const hindered = closed || quiet || bounced.has(`${touch.contact} ${touch.channel}`);
    const what = stuck(touch, status, senders.get(touch.sender ?? ''), hindered, evidence.read_at);
    if (what)
      found.push({ invariant: 'I3', what, touch: touch.id, enrollment: touch.enrollment, org: touch.org });
  }
  for (const ack of evidence.acks) {
    for (const id of ack.enrolled ?? []) {
      if (!enrollments.has(id))
        found.push({
          invariant: 'I3',
          what: 'an acknowledged enrollment is gone',
          enrollment: id,
          ack: ack.n,
        });
    }
  }
  return found;
}

/** What the provider says of an address, not of a message. */
const NO_SUCH_ADDRESS = ['mailbox_unknown', 'address_rejected'];

/** As contact and channel. */
function bouncedContacts({ journal, touches }: Evidence): Set<string> {
  const contacts = new Map(touches.map(({ id, contact, channel }) => [id, `${contact} ${channel}`]));
  return new Set(
    journal
      .filter(
        ({ event, answer, code }) =>
          event === 'answered' && answer === 422 && NO_SUCH_ADDRESS.includes(code ?? ''),
      )
      .flatMap(({ touch_id }) => contacts.get(touch_id ?? '') ?? []),
  );
}

function stuck(
  touch: Touch,
  status: string | undefined,
  sender: Sender | undefined,
  hindered: boolean,
  now: number,
): string | null {
  if (status === undefined) return 'its enrollment is not there';
  switch (touch.state) {
    case 'sending':
      // Whoever has begun something may take a day for it.
      return touch.sender === null ? null : 'still sending after the drain';
    case 'unknown':
      if (sender?.class === 'L') return 'still unknown, though its provider can be asked';
      // To an address that bounced meanwhile nothing may go, under no key: a person is asked. A window that has closed
      // keeps it until it opens.
      if (sender?.class === 'K' && !sender.forgets && status === 'active' && !hindered)
        return 'still unknown, though its key could be used again';
      // A pause keeps it so: its key is used again when the enrollment goes on.
      if (sender?.class === 'K' && (status === 'paused' || hindered)) return null;
      return touch.needs_review ? null : 'unknown, and nobody is asked';
    case 'planned':
      if (touch.held_by !== null) return `still held by its ${touch.held_by}, which runs again`;
      if (touch.due_at === null) return 'planned, but never due';
      // It waits for a person, however long that takes.
      if (touch.mode === 'human') return null;
      // A stop whose process died half-way leaves it; it is dropped when it falls due, or when the stop is repeated.
      return touch.due_at < now - OVERDUE_MS ? `due for ${now - touch.due_at} ms and not taken up` : null;
    default:
      return null;
  }
}
