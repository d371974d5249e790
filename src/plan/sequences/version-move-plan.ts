/**
 * What moving an enrollment to another version comes to [SEQ-1]: pure. Its place goes by the identity of its step. What
 * it waits for: a planned touch is planned again; one in flight stays, and its outcome leads on under the new version;
 * paused, nothing is planned before it resumes.
 */
import { placeOf } from '../../contacts/place.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { NextTouch } from '../../ledger/settle.ts';
import type { TouchState } from '../../ledger/states.ts';
import { type Planning, senderFor } from './calendar.ts';
import type { Definition, Step } from './definition.ts';
import type { LIVE_STATUSES } from './lifecycle.ts';
import { type Opening, opening, plannedTouch, reopening } from './next.ts';
import { after, firstToDo, type History, hadFrom, nextN, placeIn } from './place.ts';

/** A live enrollment as it is read. Times are Unix milliseconds. */
export interface Movable {
  id: Uuid;
  contact_id: Uuid;
  status: (typeof LIVE_STATUSES)[number];
  version_id: Uuid;
  step_id: Uuid;
  step_no: number;
  generation: number;
  sender_id: Uuid;
  live_touch: Uuid;
  state: TouchState;
  /** Since when its step waits; from when to when its touch may go, and when it is looked at. */
  waits_since: number;
  not_before: number;
  not_after: number | null;
  wake_at: number | null;
  /** By which its place is known. */
  time_zone: string | null;
  phone: string | null;
  history: History;
  skip_channels: string[] | null;
}

/** Where it goes, and what it waits for there. */
export interface VersionMove {
  seen: Movable;
  step_id: Uuid;
  step_no: number;
  sender_id: Uuid;
  had_steps: Uuid[];
  next: (NextTouch & { n: number }) | null;
  ends: 'completed' | null;
}

export const MOVE_REFUSED = ['no_sender', 'bad_schedule'] as const;
export type MoveRefused = (typeof MOVE_REFUSED)[number];

export function planMove(
  seen: Movable,
  from: Definition,
  to: Definition,
  planning: Planning,
): VersionMove | MoveRefused {
  // Who has written before goes on writing, if the version still has it.
  const sender_id = to.sender_ids.includes(seen.sender_id)
    ? seen.sender_id
    : senderFor(to.sender_ids, seen.contact_id);
  const sender = planning.senders.get(sender_id);
  if (!sender || sender.status === 'archived') return 'no_sender';
  const { history } = seen;
  const place = { step_id: seen.step_id, step_no: placeIn(from, seen, to, history) };
  const base = { seen, sender_id, next: null, ends: null };
  const had = (stepNo: number) => hadFrom(to, stepNo, history);
  if (seen.status === 'paused' || seen.state !== 'planned')
    return { ...base, ...place, had_steps: had(after(to, place)) };
  const stepNo = firstToDo(to, place.step_no, seen);
  if (stepNo === null) return { ...base, ...place, had_steps: [], ends: 'completed' };
  const open = opened({ seen, from, to, stepNo, sender_id }, planning);
  if (!open.ok) return 'bad_schedule';
  const step_id = to.steps[stepNo]!.id;
  const n = nextN(to, stepNo, history);
  const key = { enrollment_id: seen.id, generation: seen.generation, step_no: stepNo, n };
  const next = { ...plannedTouch(to, key, open), n };
  return { ...base, step_id, step_no: stepNo, had_steps: had(stepNo + 1), next };
}

interface Placed {
  seen: Movable;
  from: Definition;
  to: Definition;
  stepNo: number;
  sender_id: Uuid;
}

/**
 * A step whose times are the same keeps its time, with what a retry or a quota has made of it. Any other counts from
 * when its wait began, as if it had been so from the beginning; but not into a time that is over.
 */
function opened(placed: Placed, planning: Planning): Opening {
  const { seen, to, stepNo } = placed;
  if (sameTimes(placed))
    return { ok: true, not_before: seen.wake_at ?? seen.not_before, not_after: seen.not_after };
  const { calendar } = planning.senders.get(placed.sender_id)!;
  const place = placeOf(seen, planning.organization.time_zone);
  const open = opening(to, stepNo, seen.waits_since, calendar, place);
  const { channel } = to.steps[stepNo]!;
  return open.ok && open.not_before < planning.now
    ? reopening(to, channel, planning.now, calendar, place)
    : open;
}

function sameTimes({ seen, from, to, stepNo, sender_id }: Placed): boolean {
  const step = to.steps[stepNo]!;
  const before = from.steps[seen.step_no];
  if (step.id !== before?.id || sender_id !== seen.sender_id) return false;
  const times = (definition: Definition, { channel, delay }: Step) =>
    JSON.stringify([channel, delay.amount, delay.unit, definition.window, definition.time_zone]);
  return times(to, step) === times(from, before);
}
