/**
 * What moving an enrollment to another version comes to [SEQ-1]: pure. Its place goes by the identity of its step. What
 * it waits for: a planned touch is planned again; one in flight stays, and its outcome leads on under the new version;
 * paused, nothing is planned before it resumes.
 */
import { placeOf } from '../../contacts/place.ts';
import type { ConsentChannel } from '../../kernel/channels.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { NextTouch } from '../../ledger/settle.ts';
import type { TouchState } from '../../ledger/states.ts';
import type { Planning } from './calendar.ts';
import type { Definition, Step } from './definition.ts';
import type { LIVE_STATUSES } from './lifecycle.ts';
import { type Opening, openingSince, plannedTouch } from './next.ts';
import { after, firstToDo, type History, hadFrom, nextN, placeIn } from './place.ts';
import { Rotation } from './rotation.ts';
import { type SendersByChannel, senderIdFor, type Through, through } from './step-sender.ts';
import type { Version } from './versions.ts';

/** A live enrollment as it is read. Times are Unix milliseconds. */
export interface Movable {
  id: Uuid;
  contact_id: Uuid;
  status: (typeof LIVE_STATUSES)[number];
  version_id: Uuid;
  step_id: Uuid;
  step_no: number;
  generation: number;
  /** Of the touch it waits for; null: people do it. */
  sender_id: Uuid | null;
  kept_senders: readonly Uuid[] | null;
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
  skip_channels: ConsentChannel[] | null;
}

/** Where it goes, and what it waits for there. */
export interface VersionMove {
  seen: Movable;
  step_id: Uuid;
  step_no: number;
  kept_senders: Uuid[];
  had_steps: Uuid[];
  next: (NextTouch & { n: number }) | null;
  ends: 'completed' | null;
}

export const MOVE_REFUSED = ['no_sender', 'bad_schedule'] as const;
export type MoveRefused = (typeof MOVE_REFUSED)[number];

export function planMove(
  seen: Movable,
  { definition: from, senders: before }: Pick<Version, 'definition' | 'senders'>,
  { definition: to, senders }: Pick<Version, 'definition' | 'senders'>,
  planning: Planning,
): VersionMove | MoveRefused {
  const kept_senders = keptOf(seen, before, senders, new Rotation(senders, planning.senders));
  const { history } = seen;
  const place = { step_id: seen.step_id, step_no: placeIn(from, seen, to, history) };
  const throughOf = (step: Step): Through | null => {
    const id = senderIdFor(senders, step.channel, seen.contact_id, kept_senders);
    if (id === undefined || (id !== null && planning.senders.get(id)?.status === 'archived')) return null;
    return through(planning, id);
  };
  if (!to.steps.slice(place.step_no).every((step) => throughOf(step) !== null)) return 'no_sender';
  const base = { seen, kept_senders, next: null, ends: null };
  const had = (stepNo: number) => hadFrom(to, stepNo, history);
  if (seen.status === 'paused' || seen.state !== 'planned')
    return { ...base, ...place, had_steps: had(after(to, place)) };
  const stepNo = firstToDo(to, place.step_no, seen);
  if (stepNo === null) return { ...base, ...place, had_steps: [], ends: 'completed' };
  const found = throughOf(to.steps[stepNo]!)!;
  const open = opened({ seen, from, to, stepNo, found }, planning);
  if (!open.ok) return 'bad_schedule';
  const step_id = to.steps[stepNo]!.id;
  const n = nextN(to, stepNo, history);
  const { sender_id } = found;
  const key = { enrollment_id: seen.id, generation: seen.generation, step_no: stepNo, n, sender_id };
  const next = { ...plannedTouch(to, key, open), n };
  return { ...base, step_id, step_no: stepNo, had_steps: had(stepNo + 1), next };
}

/** Of several senders: who has written before goes on writing if the version still names it; else as if enrolled now. */
function keptOf(
  seen: Movable,
  before: SendersByChannel,
  senders: SendersByChannel,
  rotation: Rotation,
): Uuid[] {
  const kept: Uuid[] = [];
  for (const [channel, list] of senders) {
    if (list.length < 2) continue;
    const sender = senderIdFor(before, channel, seen.contact_id, seen.kept_senders ?? []);
    kept.push(sender && list.includes(sender) ? sender : rotation.on(channel, seen.contact_id)!);
  }
  return kept;
}

interface Placed {
  seen: Movable;
  from: Definition;
  to: Definition;
  stepNo: number;
  found: Through;
}

/**
 * A step whose times are the same keeps its time, with what a retry or a quota has made of it. Any other counts from
 * when its wait began, as if it had been so from the beginning; but not into a time that is over.
 */
function opened(placed: Placed, planning: Planning): Opening {
  const { seen, to, stepNo, found } = placed;
  if (sameTimes(placed)) {
    // When a wait is looked at next says nothing about when it began.
    const from = to.steps[stepNo]!.channel === 'wait' ? null : seen.wake_at;
    return { ok: true, not_before: from ?? seen.not_before, not_after: seen.not_after };
  }
  const { calendar } = found;
  const place = placeOf(seen, planning.organization.time_zone);
  return openingSince(to, stepNo, { from: seen.waits_since, now: planning.now }, calendar, place);
}

function sameTimes({ seen, from, to, stepNo, found }: Placed): boolean {
  const step = to.steps[stepNo]!;
  const before = from.steps[seen.step_no];
  if (step.id !== before?.id || found.sender_id !== seen.sender_id) return false;
  const times = (definition: Definition, { channel, delay, at_most }: Step) =>
    JSON.stringify([
      ...[channel, delay.amount, delay.unit, at_most?.amount, at_most?.unit],
      ...[definition.window, definition.time_zone],
    ]);
  return times(to, step) === times(from, before);
}
