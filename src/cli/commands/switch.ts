/** `pause`, `resume`, `stop`: of an enrollment, a sequence, a sender, a channel, or the whole organization. */
import { isUuid } from '../../kernel/ids.ts';
import type { Receipt } from '../../ledger/receipts.ts';
import { act } from '../../plan/sequences/enrollments.ts';
import { VersionCache } from '../../plan/sequences/versions.ts';
import type { StopOptions } from '../../plan/stop.ts';
import { turn, turnSender, turnSequence } from '../../plan/switches.ts';
import type { Caller } from '../../tenancy/roles.ts';
import { type Command, textOption, UsageError } from '../command.ts';
import { chooseOrganization, type Installation, ORG_OPTION, withInstallation } from '../installation.ts';
import { receiptInWords, STOP_OPTIONS, waitOption } from '../receipt.ts';

const TARGETS = ['enrollment', 'sequence', 'sender', 'channel', 'organization'] as const;
type Target = (typeof TARGETS)[number];
type Verb = 'pause' | 'resume' | 'stop';

interface Wanted {
  what: Target;
  id: string | undefined;
}

/** @throws UsageError */
function wantedOf(args: readonly string[]): Wanted {
  // An id alone is an enrollment's: what is stopped most.
  const alone = args[0]!.toLowerCase();
  if (args.length === 1 && isUuid(alone)) return { what: 'enrollment', id: alone };
  const what = TARGETS.find((target) => target === args[0]);
  if (what === undefined) throw new UsageError(`WHAT is one of: ${TARGETS.join(', ')}.`);
  const id = args[1]?.toLowerCase();
  if (what === 'organization') {
    if (id !== undefined) throw new UsageError('The organization is named with --org.');
    return { what, id };
  }
  if (id === undefined) throw new UsageError(`A ${what} needs its ${what === 'channel' ? 'name' : 'ID'}.`);
  if (what !== 'channel' && !isUuid(id)) throw new UsageError(`${args[1]} is not the id of a ${what}.`);
  return { what, id };
}

async function carryOut(
  { db }: Installation,
  caller: Caller,
  verb: Verb,
  { what, id }: Wanted,
  options: StopOptions,
): Promise<{ receipt: Receipt }> {
  const paused = verb !== 'resume';
  switch (what) {
    case 'enrollment':
      return act(db, new VersionCache(db), caller, id!, verb === 'stop' ? 'unenroll' : verb, options);
    case 'sequence':
      return { receipt: await turnSequence(db, caller, id!, paused, options) };
    case 'sender':
      return { receipt: await turnSender(db, caller, id!, paused, options) };
    default:
      return { receipt: await turn(db, caller, { class: what, id, paused }, options) };
  }
}

const SAID: Record<Verb, string> = { pause: 'is paused', resume: 'goes on', stop: 'is stopped' };

function switching(verb: Verb, about: string): Command {
  return {
    takes: ['WHAT', '[ID]'],
    options: { ...STOP_OPTIONS, ...ORG_OPTION },
    about: `WHAT is ${TARGETS.join(', ')}; an ID alone is an enrollment's. ${about}`,
    async run(call) {
      const wanted = wantedOf(call.args);
      const options = { reason: textOption(call, 'reason'), wait_ms: waitOption(textOption(call, 'wait')) };
      const done = await withInstallation(call.config, async (installation) =>
        carryOut(installation, await chooseOrganization(call, installation), verb, wanted, options),
      );
      const name = [wanted.what, wanted.id].filter(Boolean).join(' ');
      call.result(done, `The ${name} ${SAID[verb]}. ${receiptInWords(done.receipt)}`);
      return undefined;
    },
  };
}

export const pause = switching(
  'pause',
  'Once it has answered nothing more goes out but what the receipt lists. Example: npx cadenza pause channel email',
);
export const resume = switching(
  'resume',
  'The same messages go on, none twice. Example: npx cadenza resume organization',
);
export const stop = switching(
  'stop',
  'An enrollment ends for good as `unenrolled`; the others can be resumed. Example: npx cadenza stop organization --wait 30s',
);
