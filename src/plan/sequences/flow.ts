/**
 * The way through a sequence: which step comes after which. Steps are one list in order; `next` of a step and the arms
 * of a branch jump forward in it by the key of a step, and nothing ever leads back, so every way ends. Pure, and
 * computed once a version: workers ask it for every touch they settle. In a draft a jump may lead nowhere or back; it
 * then counts as the next of the list, and publishing refuses it (flow-check.ts).
 */
import type { Channel } from '../../kernel/channels.ts';
import type { Definition, Step } from './definition.ts';

/** Where a jump leads: the key of a step, or the end of the sequence. */
export const END = 'end';

export interface Flow {
  /** Where each step leads when no branch decides; `steps.length` is the end. Always further on. */
  onward: readonly number[];
  /** Where each arm of a branch leads, in order; empty: the step does not branch. */
  arms: readonly (readonly number[])[];
  /** Every place that a step may lead to. */
  successors: readonly (readonly number[])[];
  /** Has any step a condition to look at, or is it a wait? */
  asks: boolean;
  /** Of the steps that everybody comes to. */
  certain_channels: readonly Channel[];
}

const known = new WeakMap<Definition, Flow>();

export function flowOf(definition: Definition): Flow {
  let flow = known.get(definition);
  if (flow === undefined) {
    flow = makeFlow(definition);
    known.set(definition, flow);
  }
  return flow;
}

/** The position after a step; `steps.length`: the end. */
export function onwardFrom(definition: Definition, stepNo: number): number {
  return flowOf(definition).onward[stepNo] ?? definition.steps.length;
}

/** Must a worker look at this step before it does anything about it? */
export function isAsked(step: Step): boolean {
  return step.channel === 'wait' || step.when !== undefined;
}

/** Of every step with a key; the first of those that share one. */
export function positionsByKey(steps: readonly Pick<Step, 'key'>[]): Map<string, number> {
  const positions = new Map<string, number>();
  steps.forEach(({ key }, no) => {
    if (key !== undefined && !positions.has(key)) positions.set(key, no);
  });
  return positions;
}

/** Which steps some way from here leads to. */
export function reachableSteps({ successors }: Pick<Flow, 'successors'>, from = 0): boolean[] {
  const reached = successors.map((_, no) => no === from);
  // Nothing leads back: once through the list is enough.
  successors.forEach((to, no) => {
    if (reached[no]) for (const next of to) if (next < reached.length) reached[next] = true;
  });
  return reached;
}

function makeFlow({ steps }: Definition): Flow {
  const positions = positionsByKey(steps);
  const to = (target: string | undefined, from: number): number => {
    if (target === END) return steps.length;
    const position = target === undefined ? undefined : positions.get(target);
    return position !== undefined && position > from ? position : from + 1;
  };
  const onward = steps.map((step, no) => to(step.branches ? step.otherwise : step.next, no));
  const arms = steps.map((step, no) => (step.branches ?? []).map((arm) => to(arm.go_to, no)));
  const successors = onward.map((next, no) => [...new Set([...arms[no]!, next])]);
  return {
    onward,
    arms,
    successors,
    asks: steps.some(isAsked),
    certain_channels: channelsOfAll(steps, successors, 0),
  };
}

/** The channels of the steps that everybody who is here comes to, this step included. */
export function certainFrom(definition: Definition, stepNo: number): readonly Channel[] {
  return channelsOfAll(definition.steps, flowOf(definition).successors, stepNo);
}

/** A way that jumps over a step never comes back to it. */
function channelsOfAll(steps: readonly Step[], successors: Flow['successors'], here: number): Channel[] {
  const reached = reachableSteps({ successors }, here);
  let furthest = here;
  const channels = new Set<Channel>();
  steps.forEach(({ channel, when }, no) => {
    if (!reached[no]) return;
    // Nobody who came this far has jumped past it.
    if (furthest <= no && when === undefined) channels.add(channel);
    furthest = Math.max(furthest, ...successors[no]!);
  });
  return [...channels];
}
