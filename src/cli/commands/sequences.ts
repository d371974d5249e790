/** `sequences create`, `list`, `publish`, `pause`, `resume`. What composes messages is loaded where it is needed. */
import { PAGE_LIMIT } from '../../kernel/page.ts';
import type { Receipt } from '../../ledger/receipts.ts';
import {
  createSequence,
  getSequence,
  listSequences,
  type SequenceSummary,
} from '../../plan/sequences/sequences.ts';
import { turnSequence } from '../../plan/switches.ts';
import { type Command, textOption, UsageError } from '../command.ts';
import { fitting, idArgument, readJson } from '../input.ts';
import { chooseOrganization, ORG_OPTION, withInstallation } from '../installation.ts';
import { counted } from '../plural.ts';

const MAX_WAIT_S = 600;

export const sequencesCreate: Command = {
  takes: ['FILE'],
  options: { publish: { about: 'Publish it too' }, ...ORG_OPTION },
  about: 'FILE holds JSON as POST /api/outreach/sequences takes it; - is standard input.',
  async run(call) {
    const { newSequence } = await import('../../api/resources/sequences.ts');
    const { publishSequence } = await import('../../plan/sequences/publish.ts');
    const { destinationsOf } = await import('../../app.ts');
    const wanted = fitting(newSequence, readJson(call.args[0]!));
    const made = await withInstallation(call.config, async (installation) => {
      const caller = await chooseOrganization(call, installation);
      const draft = await createSequence(installation.db, caller, wanted);
      if (call.options.publish !== true) return draft;
      // Should it not be publishable, the draft stays, to be corrected.
      call.note(`Made the draft ${draft.id}.`);
      return (await publishSequence(installation.db, caller, draft.id, destinationsOf(call.config))).sequence;
    });
    const next =
      made.published_version === null ? `Publish it: npx cadenza sequences publish ${made.id}` : 'Published.';
    call.result(made, `Made ${made.name} (${made.id}). ${next}`);
    return undefined;
  },
};

function line(sequence: SequenceSummary): string {
  const version = sequence.published_version === null ? '' : `v${sequence.published_version}`;
  const edited = sequence.published_version !== null && sequence.draft_differs ? ' (edited since)' : '';
  const steps = counted(sequence.step_count, 'step');
  return [
    sequence.id,
    sequence.status.padEnd(8),
    version.padEnd(4),
    steps.padEnd(9),
    sequence.name + edited,
  ].join('  ');
}

export const sequencesList: Command = {
  options: { ...ORG_OPTION },
  async run(call) {
    const items: SequenceSummary[] = [];
    await withInstallation(call.config, async (installation) => {
      const caller = await chooseOrganization(call, installation);
      let cursor: string | undefined;
      do {
        const page = await listSequences(installation.db, caller, { limit: PAGE_LIMIT.max, cursor });
        items.push(...page.items);
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined);
    });
    call.result({ items }, items.map(line).join('\n') || 'There are no sequences.');
    return undefined;
  },
};

export const sequencesPublish: Command = {
  takes: ['ID'],
  options: { ...ORG_OPTION },
  about: 'Lists every problem at once; exit code 3 when there are any.',
  async run(call) {
    const id = idArgument(call, 'sequences list');
    const { publishSequence } = await import('../../plan/sequences/publish.ts');
    const { destinationsOf } = await import('../../app.ts');
    const published = await withInstallation(call.config, async (installation) =>
      publishSequence(
        installation.db,
        await chooseOrganization(call, installation),
        id,
        destinationsOf(call.config),
      ),
    );
    const { sequence, version, changed } = published;
    const said = changed ? 'Published' : 'Already published:';
    call.result(published, `${said} ${sequence.name}, version ${version.number}.`);
    return undefined;
  },
};

function waitOption(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = /^(\d{1,3})s?$/.exec(text)?.[1];
  if (seconds === undefined || Number(seconds) > MAX_WAIT_S) {
    throw new UsageError(`--wait must be a time such as 30s, ${MAX_WAIT_S}s at most.`);
  }
  return Number(seconds) * 1_000;
}

function told(name: string, paused: boolean, receipt: Receipt): string {
  if (!paused) return `${name} goes on.`;
  const flying = receipt.in_flight.map(
    (touch) => `\n  ${touch.touch}  ${touch.state}  since ${touch.since.toISOString()}`,
  );
  if (receipt.in_flight_count === 0)
    return `${name} is paused; nothing was in flight. Receipt ${receipt.id}.`;
  return `${name} is paused; of it may still be sent or was:${flying.join('')}\nReceipt ${receipt.id}.`;
}

function turning(paused: boolean): Command {
  return {
    takes: ['ID'],
    options: {
      reason: { value: 'TEXT', about: 'Why, for the audit trail' },
      wait: { value: 'TIME', about: 'Wait so long (30s) until what is in flight has settled' },
      ...ORG_OPTION,
    },
    async run(call) {
      const id = idArgument(call, 'sequences list');
      const options = { reason: textOption(call, 'reason'), wait_ms: waitOption(textOption(call, 'wait')) };
      const done = await withInstallation(call.config, async (installation) => {
        const caller = await chooseOrganization(call, installation);
        const receipt = await turnSequence(installation.db, caller, id, paused, options);
        return { sequence: await getSequence(installation.db, caller, id), receipt };
      });
      call.result(done, told(done.sequence.name, paused, done.receipt));
      return undefined;
    },
  };
}

export const sequencesPause = turning(true);
export const sequencesResume = turning(false);
