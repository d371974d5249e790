/** `sequences move ID`: live enrollments to another version, carried out here, with its progress. */
import { isUuid, type Uuid } from '../../kernel/ids.ts';
import { runVersionMove } from '../../plan/sequences/bulk-version-move.ts';
import {
  type MoveInput,
  type MoveResult,
  moveEnrollments,
  moveOne,
} from '../../plan/sequences/move-enrollments.ts';
import {
  createVersionMove,
  getVersionMove,
  type VersionMoveJob,
} from '../../plan/sequences/version-move-jobs.ts';
import { VersionCache } from '../../plan/sequences/versions.ts';
import type { Caller } from '../../tenancy/roles.ts';
import { type Call, type Command, textOption, UsageError } from '../command.ts';
import { idArgument, readText } from '../input.ts';
import { chooseOrganization, type Installation, ORG_OPTION, withInstallation } from '../installation.ts';
import { progressBar } from '../progress.ts';

/** The job, and one for its progress. */
const CONNECTIONS = 3;
const PROGRESS_MS = 250;
/** Enrollments moved without a job. */
const AT_ONCE = 500;
/** Of those that were not moved so many are shown. */
const SHOWN = 20;

function versionOption(call: Call, name: string): number | undefined {
  const text = textOption(call, name);
  if (text === undefined) return undefined;
  if (!/^v?[1-9]\d{0,8}$/.test(text))
    throw new UsageError(`--${name} is the number of a version, such as 3.`);
  return Number(text.replace('v', ''));
}

/** Absent: all. @throws UsageError */
function namedEnrollments(call: Call): Uuid[] | undefined {
  const list = textOption(call, 'enrollments');
  const file = textOption(call, 'file');
  if (list !== undefined && file !== undefined)
    throw new UsageError('Give one of --enrollments and --file, or neither for all.');
  const text = file === undefined ? list : readText(file);
  if (text === undefined) return undefined;
  const ids = text.split(/[\s,;]+/).filter((word) => word !== '');
  if (ids.length === 0) throw new UsageError('No enrollment is named.');
  return ids.map((word) => {
    const id = word.toLowerCase();
    if (!isUuid(id)) throw new UsageError(`${word} is not the id of an enrollment.`);
    return id;
  });
}

interface Done {
  moved: number;
  completed: number;
  skipped: number;
  refused: number;
  to_version: number;
  json: unknown;
  others: MoveResult[];
  about: string;
}

async function atOnce(
  { db }: Installation,
  caller: Caller,
  input: MoveInput & { enrollment_ids: readonly Uuid[] },
): Promise<Done> {
  const { enrollment_ids, ...rest } = input;
  const versions = new VersionCache(db);
  const [only] = enrollment_ids;
  const done =
    enrollment_ids.length === 1
      ? await moveOne(db, versions, caller, { ...rest, enrollment_id: only! })
      : await moveEnrollments(db, versions, caller, input);
  const of = (result: MoveResult['result']) => done.results.filter((one) => one.result === result);
  const counts = {
    moved: of('moved').length,
    completed: of('completed').length,
    skipped: of('skipped').length,
    refused: of('refused').length,
  };
  const others = [...of('skipped'), ...of('refused')].slice(0, SHOWN);
  return { ...counts, to_version: done.to_version, json: { ...counts, ...done }, others, about: '' };
}

/** Beside the workers of this installation, if there are any. */
async function asJob(
  call: Call,
  { db }: Installation,
  caller: Caller,
  input: MoveInput & { enrollment_ids: readonly Uuid[] | undefined },
): Promise<Done> {
  const versions = new VersionCache(db);
  const { move_id } = await createVersionMove(db, versions, caller, input);
  const bar = progressBar(call);
  let shown = Promise.resolve();
  const timer = setInterval(() => {
    shown = getVersionMove(db, caller.org, move_id).then(
      ({ processed, total }) => bar.show(total === 0 ? 1 : processed / total, `${processed} of ${total}`),
      () => undefined,
    );
  }, PROGRESS_MS);
  try {
    await runVersionMove({ db, versions }, caller.org, move_id, { worker: caller.actor.id });
  } finally {
    clearInterval(timer);
    await shown;
    bar.end();
  }
  const job: VersionMoveJob = await getVersionMove(db, caller.org, move_id);
  const error = job.error === null ? '' : `: ${job.error}`;
  return { ...job, json: job, others: [], about: `; move ${move_id} is ${job.status}${error}` };
}

function text({ moved, completed, skipped, refused, to_version, others, about }: Done): string {
  const lines = others.map((one) => `\n  ${one.enrollment_id}  ${one.result}: ${one.reason}`);
  const more = others.length === 0 ? 0 : skipped + refused - others.length;
  const rest = more > 0 ? `\n  and ${more} more` : '';
  return `${moved} moved to version ${to_version}, ${completed} completed, ${skipped} skipped, ${refused} refused${about}${lines.join('')}${rest}`;
}

export const sequencesMove: Command = {
  takes: ['ID'],
  options: {
    from: { value: 'N', about: 'Only those at this version; default: at any other' },
    to: { value: 'N', about: 'The version; default: the one published last' },
    enrollments: { value: 'LIST', about: 'Only these, by id, separated by commas' },
    file: { value: 'FILE', about: 'The same from a file, or - for standard input' },
    ...ORG_OPTION,
  },
  about:
    'Example: npx cadenza sequences move ID --from 2. Interrupted, it is carried on by the workers; repeated, it does what is left.',
  async run(call) {
    const input = {
      sequence_id: idArgument(call, 'sequences list'),
      from_version: versionOption(call, 'from'),
      to_version: versionOption(call, 'to'),
    };
    const enrollment_ids = namedEnrollments(call);
    const done = await withInstallation(
      call.config,
      async (installation) => {
        const caller = await chooseOrganization(call, installation);
        return enrollment_ids !== undefined && enrollment_ids.length <= AT_ONCE
          ? atOnce(installation, caller, { ...input, enrollment_ids })
          : asJob(call, installation, caller, { ...input, enrollment_ids });
      },
      { connections: CONNECTIONS },
    );
    call.result(done.json, text(done));
    return undefined;
  },
};
