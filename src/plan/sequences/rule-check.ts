/** What of a draft's goals, exits, triggers and winners can never come true [SEQ-10, SEQ-14], told by sight. Pure. */
import type { Channel } from '../../kernel/channels.ts';
import type { Definition } from './definition.ts';

type Report = (field: string, code: string, message: string) => void;

export function checkRules(definition: Definition, report: Report): void {
  for (const list of ['goals', 'exits', 'enroll_on'] as const)
    definition[list]?.forEach((rule, i) => {
      if (rule.stages !== undefined && !mayBeDeal(rule.event))
        report(
          `${list}[${i}].stages`,
          'not_a_deal',
          `Only deals have stages, and ${rule.event} is no event of a deal; compare other properties in where`,
        );
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
    if (winner === undefined || winner.by === 'goal' || winner.by === 'replied') return;
    if (!LEARNT[winner.by].includes(channel))
      report(
        field,
        'not_for_channel',
        `Nobody learns whether a step of channel ${channel} is ${winner.by}; win by replied or goal`,
      );
  });
  if (definition.on_reply === 'ignore' && definition.on_reply_scope === 'company')
    report(
      'on_reply_scope',
      'without_effect',
      'A reply does nothing here: set on_reply_scope to contact, or let on_reply pause or exit',
    );
}

/** Of which channels providers tell it. */
const LEARNT: Record<'opened' | 'clicked', readonly Channel[]> = {
  opened: ['email', 'whatsapp', 'whatsapp_lite'],
  clicked: ['email'],
};

const DEAL = 'deal.';

/** Does some event of a deal have a name that this takes in? */
function mayBeDeal(event: string): boolean {
  const begins = event.replace(/\*$/, '');
  return begins.startsWith(DEAL) || (event.endsWith('*') && DEAL.startsWith(begins));
}
