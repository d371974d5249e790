/** `reconcile`: what nobody knows the outcome of, and a person's word on it. */
import { RESOLUTIONS, type Resolution, resolveTouch } from '../../dispatch/resolve.ts';
import { PAGE_LIMIT } from '../../kernel/page.ts';
import { listTouches, type Touch } from '../../ledger/touches.ts';
import { VersionCache } from '../../plan/sequences/versions.ts';
import { type Command, textOption, UsageError } from '../command.ts';
import { idArgument } from '../input.ts';
import { chooseOrganization, type Installation, ORG_OPTION, withInstallation } from '../installation.ts';

function outcomeOption(text: string | undefined): Resolution {
  const outcome = RESOLUTIONS.find((one) => one === text);
  if (outcome === undefined) throw new UsageError(`--outcome is one of: ${RESOLUTIONS.join(', ')}.`);
  return outcome;
}

function line(touch: Touch): string {
  const since = touch.gated_at?.toISOString() ?? '';
  return `${touch.id}  ${touch.channel}  let go ${since}  to contact ${touch.contact_id}  ${touch.reason ?? ''}`;
}

async function inReview({ db }: Installation, org: string): Promise<Touch[]> {
  const items: Touch[] = [];
  let cursor: string | undefined;
  do {
    const page = await listTouches(db, org, { needs_review: true }, { limit: PAGE_LIMIT.max, cursor });
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return items;
}

export const reconcile: Command = {
  takes: ['[TOUCH]'],
  options: {
    outcome: { value: 'OUTCOME', about: `Of TOUCH: ${RESOLUTIONS.join(', ')}` },
    note: { value: 'TEXT', about: 'How that is known; kept in the audit trail' },
    ...ORG_OPTION,
  },
  about:
    'Without TOUCH it lists those that only a person can tell about. `sent` goes on, `not_sent` ends the enrollment, `resend` sends again, whatever happened.',
  async run(call) {
    if (call.args[0] === undefined) {
      if (call.options['outcome'] !== undefined) throw new UsageError('--outcome needs a TOUCH.');
      const items = await withInstallation(call.config, async (installation) =>
        inReview(installation, (await chooseOrganization(call, installation)).org),
      );
      call.result({ items }, items.map(line).join('\n') || 'Nothing waits for a person.');
      return undefined;
    }
    const id = idArgument(call, 'reconcile');
    const outcome = outcomeOption(textOption(call, 'outcome'));
    const done = await withInstallation(call.config, async (installation) => {
      const caller = await chooseOrganization(call, installation);
      const { db } = installation;
      return resolveTouch(db, new VersionCache(db), caller, id, { outcome, note: textOption(call, 'note') });
    });
    call.result(done, `Touch ${id} is ${done.touch.state}. Next: ${done.next.says}`);
    return undefined;
  },
};
