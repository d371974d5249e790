/** `why TOUCH`: a touch explains itself, for people. */
import { type Explanation, explainTouch } from '../../ledger/explain.ts';
import type { Command } from '../command.ts';
import { uuidArgument } from '../input.ts';
import { chooseOrganization, ORG_OPTION, withInstallation } from '../installation.ts';

const when = (at: Date | null) => (at === null ? '' : at.toISOString());

function plannedLines({ touch, planned }: Explanation): string[] {
  const { step, sequence } = planned;
  const delay = step.delay ? `, ${step.delay.amount} ${step.delay.unit} after the one before` : '';
  const until = planned.not_after === null ? '' : ` until ${when(planned.not_after)}`;
  return [
    `Touch ${touch.id}: ${touch.state}`,
    '',
    `Planned    ${when(planned.at)} by ${planned.by}`,
    `For        step ${step.no + 1}${step.name ? ` (${step.name})` : ''} of ${sequence.name}, version ${sequence.version}: ${step.channel}${delay}`,
    ...(step.asks === null ? [] : [`Asks       ${JSON.stringify(step.asks)}`]),
    `Enrollment ${planned.enrollment_id}`,
    `Window     from ${when(planned.not_before)}${until}`,
  ];
}

const KNOWN_BY = {
  time_zone: 'its own time zone',
  phone: 'by its phone number',
  organization: 'that of the organization: nothing says where it is',
} as const;

function recipientLines({ recipient }: Explanation): string[] {
  const rules = recipient.quiet_hours.map(({ from, to, source }) => `${from}-${to} (${source})`).join(', ');
  return [
    `Recipient  in ${recipient.time_zones.join(' or ')}, ${KNOWN_BY[recipient.known_by]}`,
    `Quiet      ${rules === '' ? 'never on this channel' : `${rules}, policy version ${recipient.policy_version}`}`,
  ];
}

function decisionLines({ decisions }: Explanation): string[] {
  return decisions.flatMap((one, i) => {
    const rules = Object.entries(one.rules)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
    const outcome = one.outcome === null ? 'no outcome yet' : `${one.outcome} ${when(one.outcome_at)}`;
    const why = one.reason === null ? '' : ` (${one.reason})`;
    return [
      `Gate ${String(i + 1).padEnd(6)}${when(one.at)} let it go, for ${one.worker}: ${rules}`,
      `           ${outcome}${why}`,
    ];
  });
}

function eventLines({ events }: Explanation): string[] {
  return events.map((one) => {
    const told = one.says ?? one.reason;
    const why = told === null ? '' : `: ${told}`;
    return `  ${when(one.at)}  ${one.type.padEnd(12)} ${one.actor ?? ''}${why}`;
  });
}

function text(told: Explanation): string {
  const { provider, next } = told;
  const said = provider.said === null ? [] : [`Provider   ${provider.name} said: ${provider.said}`];
  const at = next.at === null ? '' : ` ${when(next.at)}`;
  const lines = [
    ...plannedLines(told),
    ...recipientLines(told),
    ...decisionLines(told),
    ...said,
    'Events',
    ...eventLines(told),
  ];
  return [...lines, '', `Next       ${next.kind}${at}. ${next.says}`].join('\n');
}

const WHERE_TOUCHES_ARE =
  'TOUCH is the id of a touch, as `npx cadenza touches` and `npx cadenza enrollments` list them; the sandbox inbox has it as `touch_id`.';

export const why: Command = {
  takes: ['TOUCH'],
  options: { ...ORG_OPTION },
  about: 'When and by whom it was planned, each decision and its rules, each attempt, and what is next.',
  async run(call) {
    const id = uuidArgument(call, WHERE_TOUCHES_ARE);
    const told = await withInstallation(call.config, async (installation) =>
      explainTouch(installation.db, (await chooseOrganization(call, installation)).org, id),
    );
    call.result(told, text(told));
    return undefined;
  },
};
