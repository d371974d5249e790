/**
 * Where an enrollment stands in a version [SEQ-1]: by the identity of its step. Its `step_no` is the position of that
 * step; or, when the version has the step no more, of the one that comes instead, which may be past the end. Everybody
 * who looks for the step to come asks here. Pure.
 */
import { CHANNELS, type ConsentChannel } from '../../kernel/channels.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { TouchState } from '../../ledger/states.ts';
import type { Definition } from './definition.ts';
import { onwardFrom } from './flow.ts';

export interface Place {
  step_id: Uuid;
  step_no: number;
}

/** What an enrollment has had of a step in this generation: touches so far, and whether one was more than planned. */
export interface Had {
  n: number;
  done: boolean;
}

/** By step; a step without an entry never had a touch. */
export type History = ReadonlyMap<Uuid, Had>;

/** What is passed over on the way: steps had before, and those of channels its contact has opted out of [CON-4]. */
export interface Passed {
  history: History;
  skip_channels: readonly ConsentChannel[] | null;
}

/** Touches in these states are why a step is not done again. The SQL that reads a history gets them as an argument. */
export const DONE_STATES = ['sending', 'unknown', 'sent', 'skipped'] as const satisfies readonly TouchState[];

function isThere(definition: Definition, place: Place): boolean {
  return definition.steps[place.step_no]?.id === place.step_id;
}

/** Where to look from for the step after this one; past a branch that nobody decided, where it leads otherwise. */
export function after(definition: Definition, place: Place): number {
  return isThere(definition, place) ? onwardFrom(definition, place.step_no) : place.step_no;
}

/** The first step on the way from a position that is not passed over; null: none is left. */
export function firstToDo(definition: Definition, from: number, passed: Passed): number | null {
  for (let no = from; no < definition.steps.length; no = onwardFrom(definition, no)) {
    const { id, channel } = definition.steps[no]!;
    const { consent } = CHANNELS[channel];
    const left = consent !== null && passed.skip_channels?.includes(consent);
    if (!left && !passed.history.get(id)?.done) return no;
  }
  return null;
}

/** Which of its step the next touch is. */
export function nextN(definition: Definition, stepNo: number, history: History): number {
  return (history.get(definition.steps[stepNo]!.id)?.n ?? 0) + 1;
}

/**
 * The same place in another version. A step that is there too stays; one that is not gives way to the next that is,
 * on the way through the version it is left in and never one it has had; or to the end.
 */
export function placeIn(from: Definition, place: Place, to: Definition, history: History): number {
  const positions = new Map(to.steps.map((step, no) => [step.id, no]));
  const own = positions.get(place.step_id);
  if (own !== undefined) return own;
  for (let no = after(from, place); no < from.steps.length; no = onwardFrom(from, no)) {
    const { id } = from.steps[no]!;
    const there = positions.get(id);
    if (there !== undefined && !history.get(id)?.done) return there;
  }
  return to.steps.length;
}

/** Of the steps from a position on, those it has had: versions may order them differently. */
export function hadFrom(definition: Definition, from: number, history: History): Uuid[] {
  return definition.steps
    .slice(from)
    .map((step) => step.id)
    .filter((id) => history.has(id));
}
