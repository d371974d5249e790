import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId } from '../../kernel/ids.ts';
import type { Definition, Step } from './definition.ts';
import { certainFrom, flowOf, onwardFrom, reachableSteps } from './flow.ts';
import { checkFlow } from './flow-check.ts';
import { after, firstToDo, placeIn } from './place.ts';

const HOLDS = { tag: 'vip' };

function definition(...steps: Partial<Step>[]): Definition {
  return {
    steps: steps.map((step) => ({
      id: newId(),
      channel: 'email',
      mode: 'automatic',
      delay: { amount: 0, unit: 'days' },
      ...step,
    })),
  } as Definition;
}
const branch = (...arms: string[]): Partial<Step> => ({
  channel: 'wait',
  branches: arms.map((go_to) => ({ when: HOLDS, go_to })),
});

function problems(of: Definition): string[] {
  const found: string[] = [];
  checkFlow(of, (field, code) => found.push(`${field} ${code}`));
  return found;
}

const TWO_ARMS = definition(
  { key: 'hello' },
  { ...branch('warm'), otherwise: 'cold' },
  { key: 'warm', channel: 'sms' },
  { next: 'bye', channel: 'call', mode: 'human' },
  { key: 'cold' },
  { key: 'bye' },
);

describe('the way through a sequence', () => {
  it('[SEQ-14] goes by the list, by `next`, and by the arms of a branch', () => {
    const { onward, arms, successors } = flowOf(TWO_ARMS);
    expect(onward).toEqual([1, 4, 3, 5, 5, 6]);
    expect(arms[1]).toEqual([2]);
    expect(successors[1]).toEqual([2, 4]);
    expect(problems(TWO_ARMS)).toEqual([]);
  });

  it('[SEQ-5] asks addresses of the channels that everybody comes to, and no others', () => {
    expect(flowOf(TWO_ARMS).certain_channels).toEqual(['email', 'wait']);
    expect(certainFrom(TWO_ARMS, 2)).toEqual(['sms', 'call', 'email']);
    const asked = definition({ channel: 'sms', when: HOLDS }, {});
    expect(flowOf(asked).certain_channels).toEqual(['email']);
  });

  it('[SEQ-14] refuses jumps that lead nowhere or back, keys named twice, and steps no way leads to', () => {
    expect(
      problems(definition({ key: 'a', next: 'a' }, { key: 'b', next: 'c' }, { key: 'b' }, { key: 'end' })),
    ).toEqual([
      'steps[0].next not_forward',
      'steps[1].next unknown_step',
      'steps[2].key duplicate_key',
      'steps[3].key reserved_key',
    ]);
    expect(problems(definition({ ...branch('nowhere', 'x'), key: 'x' }))).toEqual([
      'steps[0].branches[0].go_to unknown_step',
      'steps[0].branches[1].go_to not_forward',
    ]);
    expect(problems(definition({ next: 'last' }, {}, { key: 'last' }))).toEqual([
      'steps[1] unreachable_step',
    ]);
    expect(problems(definition({ next: 'end' }, {}))).toEqual(['steps[1] unreachable_step']);
  });

  it('[SEQ-1] goes on after a step that another version has no more on the way it was on', () => {
    const [hello, , warm, call, , bye] = TWO_ARMS.steps;
    const without = { ...TWO_ARMS, steps: TWO_ARMS.steps.filter((step) => step !== call) };
    // Not `cold`, which lies between in the list.
    const place = placeIn(TWO_ARMS, { step_id: call!.id, step_no: 3 }, without, new Map());
    expect(without.steps[place]).toBe(bye);
    const had = new Map([[warm!.id, { n: 1, done: true }]]);
    expect(placeIn(TWO_ARMS, { step_id: hello!.id, step_no: 0 }, without, had)).toBe(0);
  });

  const programs = fc.array(
    fc.record({
      jump: fc.option(fc.nat(12)),
      arms: fc.array(fc.nat(12), { maxLength: 3 }),
      otherwise: fc.option(fc.nat(12)),
      ends: fc.boolean(),
    }),
    { minLength: 1, maxLength: 10 },
  );

  it('[SEQ-14] always ends, and comes to no step twice, whatever a draft says', () => {
    fc.assert(
      fc.property(programs, fc.array(fc.nat(3), { minLength: 12, maxLength: 12 }), (program, choices) => {
        const of = definition(
          ...program.map(({ jump, arms, otherwise, ends }, no) => ({
            key: `k${no}`,
            ...(arms.length > 0
              ? {
                  ...branch(...arms.map((to) => `k${to}`)),
                  ...(otherwise === null ? {} : { otherwise: `k${otherwise}` }),
                }
              : jump === null
                ? {}
                : { next: ends ? 'end' : `k${jump}` }),
          })),
        );
        const { arms, successors } = flowOf(of);
        const visited: number[] = [];
        for (let no = 0, n = 0; no < of.steps.length; n++) {
          visited.push(no);
          const taken = arms[no]![(choices[n] ?? 0) - 1];
          const next = taken ?? onwardFrom(of, no);
          expect(next).toBeGreaterThan(no);
          expect(successors[no]).toContain(next);
          no = next;
        }
        expect(visited.length).toBeLessThanOrEqual(of.steps.length);
        const reached = reachableSteps(flowOf(of));
        for (const no of visited) expect(reached[no]).toBe(true);
        // Whoever is anywhere on the way comes to every channel that is certain from there.
        visited.forEach((from, i) => {
          const ahead = visited.slice(i).map((no) => of.steps[no]!.channel);
          for (const channel of certainFrom(of, from)) expect(ahead).toContain(channel);
        });
        const passed = { history: new Map(), skip_channels: null };
        for (const no of visited)
          expect(firstToDo(of, after(of, { step_id: of.steps[no]!.id, step_no: no }), passed)).not.toBe(no);
      }),
    );
  });
});
