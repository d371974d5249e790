/** What of a draft's goals, exits, triggers and winners can never come true [SEQ-10, SEQ-14], told by sight. Pure. */
import type { Definition } from './definition.ts';

type Report = (field: string, code: string, message: string) => void;

export function checkRules(definition: Definition, report: Report): void {
  for (const list of ['goals', 'exits', 'enroll_on'] as const)
    definition[list]?.forEach((rule, i) => {
      for (const [key, wanted] of Object.entries(rule.where ?? {})) {
        if (typeof wanted !== 'object' || Array.isArray(wanted)) continue;
        const { min = -Infinity, max = Infinity } = wanted;
        if (min > max)
          report(
            `${list}[${i}].where.${key}`,
            'empty_range',
            `No number is at least ${min} and at most ${max}`,
          );
      }
    });
  const hasGoals = (definition.goals ?? []).length > 0;
  definition.steps.forEach(({ channel, winner }, i) => {
    const field = `steps[${i}].winner.by`;
    if (winner?.by === 'goal' && !hasGoals)
      report(
        field,
        'no_goals',
        'The sequence has no goals to win by; give it some, or win by something else',
      );
    if (channel === 'sms' && (winner?.by === 'opened' || winner?.by === 'clicked'))
      report(
        field,
        'not_for_channel',
        `Nobody learns whether an SMS is ${winner.by}; win by replied or goal`,
      );
  });
}
