import { expect, it } from 'vitest';
import { definitionSchema } from './definition.ts';
import { checkRules } from './rule-check.ts';

function found(draft: Record<string, unknown>): string[] {
  const definition = definitionSchema.parse(draft);
  const steps = definition.steps.map((step) => ({ ...step, id: 'x', mode: 'automatic' as const }));
  const errors: string[] = [];
  checkRules({ ...definition, steps }, (field, code) => errors.push(`${field} ${code}`));
  return errors;
}

it('[SEQ-10] a range that no number is in is refused; one of a single number is not', () => {
  const rule = (min: number, max: number) => [{ event: 'order.paid', where: { x: { min, max } } }];
  expect(found({ goals: rule(5, 1), exits: rule(5, 5), enroll_on: rule(2, 1) })).toEqual([
    'goals[0].where.x empty_range',
    'enroll_on[0].where.x empty_range',
  ]);
});

it('[SEQ-14] a winner is by what can happen: goals that there are, and what the channel tells', () => {
  const step = (channel: string, by: string) => ({ channel, winner: { by, minimum_sample: 10 } });
  const steps = [
    step('email', 'goal'),
    step('email', 'opened'),
    step('sms', 'clicked'),
    step('sms', 'replied'),
  ];
  expect(found({ steps })).toEqual(['steps[0].winner.by no_goals', 'steps[2].winner.by not_for_channel']);
  expect(found({ steps: [step('sms', 'goal')], goals: [{ event: 'order.paid' }] })).toEqual([]);
});
