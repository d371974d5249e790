/** What is next for a touch, in a word for programs and a sentence for people. Pure. */
import type { Row } from '../db/database.ts';
import type { Uuid } from '../kernel/ids.ts';
import { reasonInWords } from './reasons.ts';

export const NEXT_KINDS = [
  'due',
  'person',
  'wait',
  'decision',
  'held',
  'cancel',
  'outcome',
  'look_up',
  'review',
  'next_touch',
  'ended',
] as const;

export interface TouchNext {
  kind: (typeof NEXT_KINDS)[number];
  /** When, if that is known. */
  at: Date | null;
  says: string;
  /** The touch its enrollment waits for now, when that is another one. */
  touch_id: Uuid | null;
}

/** `row` is what explain.ts reads; `leaseUntil` that of the last gate. */
export function nextOf(row: Row, leaseUntil: Date | null): TouchNext {
  switch (row.state) {
    case 'planned':
      return planned(row);
    case 'sending':
      return say('outcome', leaseUntil, 'Its outcome is known by then, or it is unknown and looked into.');
    case 'unknown':
      return row.needs_review
        ? say('review', row.next_look_at, 'A person decides: sent, not sent, or send again.')
        : say('look_up', row.next_look_at, 'The provider is asked what became of it.');
    default:
      return afterwards(row);
  }
}

function say(kind: TouchNext['kind'], at: Date | null, says: string, touch: Uuid | null = null): TouchNext {
  return { kind, at, says, touch_id: touch };
}

/** What stops it now, most general first, as the gate would say it. */
function obstacle(row: Row): string | null {
  if (row.organization_status !== 'active' || row.sending_paused) return 'organization_paused';
  if (row.channel_paused) return 'channel_paused';
  if (row.sequence_status !== 'active') return 'sequence_paused';
  if (row.sender_status !== null && row.sender_status !== 'active') return 'sender_paused';
  return row.held_by === null ? null : 'held';
}

function planned(row: Row): TouchNext {
  if (row.enrollment_status !== 'active' || row.live_touch !== row.id)
    return say('cancel', row.due_at, `It will not be sent: ${reasonInWords('source_ended')}.`);
  const stopped = obstacle(row);
  if (stopped !== null)
    return say('held', null, `It waits, because ${reasonInWords(stopped)}; then it goes on.`);
  if (row.channel === 'wait') return waiting(row);
  return row.mode === 'human'
    ? say('person', row.not_before, 'A person does it.')
    : say('due', row.due_at ?? row.not_before, 'A worker sends it, if the gate lets it go.');
}

function waiting(row: Row): TouchNext {
  if (row.not_after === null)
    return say(
      'decision',
      row.not_before,
      'Then the first of its conditions that holds says which step comes next.',
    );
  const from = row.due_at !== null && row.due_at < row.not_after ? 'from then on it waits' : 'it waits';
  return say(
    'wait',
    row.due_at,
    `It is looked at then; ${from} until its condition holds, at most until ${row.not_after.toISOString()}.`,
  );
}

function afterwards(row: Row): TouchNext {
  if (row.enrollment_status !== 'active')
    return say('ended', null, `Nothing: its enrollment is ${row.enrollment_status}.`);
  if (row.live_touch === row.id || row.next_id === null)
    return say('ended', null, 'Nothing: it is the last touch of its enrollment.');
  const which =
    row.next_step_no === row.step_no ? 'The same step again' : `Step ${row.next_step_no + 1} of its sequence`;
  return say('next_touch', row.next_due, `${which}, which is ${row.next_state}.`, row.next_id);
}
