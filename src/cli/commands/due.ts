/** `due`: what waits for people. */
import { unsubscribeTokens } from '../../app.ts';
import { masterSecrets } from '../../config.ts';
import type { Engine } from '../../dispatch/engine.ts';
import { type DueList, type DueStep, listDueSteps } from '../../dispatch/people/due-steps.ts';
import { type Channel, OUTREACH_CHANNELS } from '../../kernel/channels.ts';
import { PAGE_LIMIT } from '../../kernel/page.ts';
import { VersionCache } from '../../plan/sequences/versions.ts';
import { DUE_BUCKETS, type DueBucket } from '../../schedule/due-buckets.ts';
import { type Command, textOption } from '../command.ts';
import { chooseOrganization, ORG_OPTION, withInstallation } from '../installation.ts';
import { idOption, oneOf } from '../listing.ts';
import { publicUrlElsewhere } from '../public-url.ts';

function line(step: DueStep): string {
  const { contact } = step;
  const name = [contact.first_name, contact.last_name].filter(Boolean).join(' ') || contact.id;
  const where = step.link ?? step.to ?? '';
  const blocked = step.blocked === null ? '' : `  (${step.blocked})`;
  return [
    step.id,
    step.bucket.padEnd(8),
    step.due_at.toISOString(),
    step.channel.padEnd(8),
    `${name}  ${where}${blocked}`,
  ].join('  ');
}

function text({ items, counts, day, time_zone, next_cursor }: DueList): string {
  const sums = DUE_BUCKETS.map((bucket) => `${counts[bucket]} ${bucket}`).join(', ');
  const more = next_cursor === null ? [] : ['… and more: choose with --bucket, --channel or --sequence.'];
  return [`${day} (${time_zone}): ${sums}.`, ...items.map(line), ...more].join('\n');
}

export const due: Command = {
  options: {
    bucket: { value: 'BUCKET', about: `${DUE_BUCKETS.join(', ')}; default all but stale` },
    channel: { value: 'CHANNEL', about: 'Of one channel' },
    sequence: { value: 'ID', about: 'Of one sequence' },
    assignee: { value: 'ID', about: 'Of one member; none: of nobody' },
    'time-zone': { value: 'ZONE', about: 'Whose days are meant; default the organization' },
    ...ORG_OPTION,
  },
  about: `Up to ${PAGE_LIMIT.max}, soonest first. With --json each has its text and its contact.`,
  async run(call) {
    const wanted = {
      limit: PAGE_LIMIT.max,
      bucket: oneOf<DueBucket>(call, 'bucket', DUE_BUCKETS),
      channel: oneOf<Channel>(call, 'channel', OUTREACH_CHANNELS),
      sequence_id: idOption(call, 'sequence'),
      assignee: textOption(call, 'assignee') === 'none' ? ('none' as const) : idOption(call, 'assignee'),
      time_zone: textOption(call, 'time-zone'),
    };
    const list = await withInstallation(call.config, async ({ db, ...installation }) => {
      const { org } = await chooseOrganization(call, { db, ...installation });
      const tokens = unsubscribeTokens(masterSecrets(call.config));
      const url = publicUrlElsewhere(call.config);
      const unsubscribeUrl: Engine['unsubscribeUrl'] = (org_id, contact_id, touch_id, channel) =>
        `${url}/u/${tokens.sign({ org_id, contact_id, touch_id, channel })}`;
      return listDueSteps({ db, versions: new VersionCache(db), unsubscribeUrl }, org, wanted);
    });
    call.result(list, text(list));
    return undefined;
  },
};
