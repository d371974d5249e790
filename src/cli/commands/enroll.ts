/** `enroll SEQUENCE`: contacts by id, e-mail address, file, tag or segment, carried out here, with its progress. */
import { normalizeTag } from '../../contacts/tag.ts';
import { sql } from '../../db/sql.ts';
import { isUuid, type Uuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import type { Assignee } from '../../plan/sequences/assignees.ts';
import { runEnrollmentJob } from '../../plan/sequences/bulk-enroll.ts';
import { ENROLL_POLICIES, type EnrollPolicy, type PolicyChoice } from '../../plan/sequences/candidates.ts';
import { enrollContacts } from '../../plan/sequences/enroll.ts';
import { MAX_INLINE } from '../../plan/sequences/enroll-one.ts';
import {
  createEnrollmentJob,
  type EnrollmentJob,
  getEnrollmentJob,
  type JobResult,
  type JobTarget,
  jobResults,
} from '../../plan/sequences/enrollment-jobs.ts';
import { VersionCache } from '../../plan/sequences/versions.ts';
import type { Caller } from '../../tenancy/roles.ts';
import { type Call, type Command, textOption, UsageError } from '../command.ts';
import { idArgument, readText } from '../input.ts';
import { chooseOrganization, type Installation, ORG_OPTION, withInstallation } from '../installation.ts';
import { progressBar } from '../progress.ts';

/** The writers of the job, and one for its progress. */
const CONNECTIONS = 4;
const PROGRESS_MS = 250;
/** Of those that were not enrolled so many are shown; all are in the job's results. */
const SHOWN = 20;

type Chosen = PolicyChoice & { assignee?: Assignee | undefined };
type Wanted = { tag: string } | { segment_id: Uuid } | { words: string[] };

/** @throws UsageError */
function wantedOf(call: Call): Wanted {
  const given = ['contacts', 'file', 'tag', 'segment'].filter((name) => textOption(call, name) !== undefined);
  if (given.length !== 1) throw new UsageError('Give one of --contacts, --file, --tag and --segment.');
  const tag = textOption(call, 'tag');
  if (tag !== undefined) {
    const normal = normalizeTag(tag);
    if (normal === null) throw new UsageError('--tag is no tag.');
    return { tag: normal };
  }
  const segment_id = textOption(call, 'segment')?.toLowerCase();
  if (segment_id !== undefined) {
    if (!isUuid(segment_id)) throw new UsageError('--segment is the id that `cadenza segments list` shows.');
    return { segment_id };
  }
  const file = textOption(call, 'file');
  const text = file === undefined ? textOption(call, 'contacts')! : readText(file);
  const words = text.split(/[\s,;]+/).filter((word) => word !== '');
  if (words.length === 0) throw new UsageError('No contact is named.');
  return { words };
}

/** @throws Problem not_found for an address that nobody has */
async function targetOf({ db }: Installation, caller: Caller, wanted: Wanted): Promise<JobTarget> {
  if ('tag' in wanted || 'segment_id' in wanted) return wanted;
  const addresses = wanted.words
    .filter((word) => !isUuid(word.toLowerCase()))
    .map((word) => word.toLowerCase());
  const rows = await db.inOrg(caller.org, (tx) =>
    tx.rows<{ id: Uuid; email: string }>(
      sql`SELECT id, email FROM contacts WHERE org_id = ${caller.org} AND email = ANY (${[...new Set(addresses)]})`,
    ),
  );
  const byAddress = new Map(rows.map((row) => [row.email, row.id]));
  const contact_ids = wanted.words.map((word) => {
    const small = word.toLowerCase();
    const id = isUuid(small) ? small : byAddress.get(small);
    if (id === undefined) throw new Problem('not_found', `No contact has the address ${word}`);
    return id;
  });
  return { contact_ids };
}

/** Beside the workers of this installation, if there are any; who is first has a chunk. */
async function carryOut(
  call: Call,
  { db }: Installation,
  caller: Caller,
  versions: VersionCache,
  job: EnrollmentJob,
): Promise<EnrollmentJob> {
  const bar = progressBar(call);
  let shown = Promise.resolve();
  const timer = setInterval(() => {
    shown = getEnrollmentJob(db, caller.org, job.job_id).then(
      ({ processed, total }) => bar.show(total === 0 ? 1 : processed / total, `${processed} of ${total}`),
      () => undefined,
    );
  }, PROGRESS_MS);
  try {
    const logger = { warn: (_fields: object, text: string) => call.note(text) };
    await runEnrollmentJob({ db, versions }, caller.org, job.job_id, { worker: caller.actor.id, logger });
  } finally {
    clearInterval(timer);
    await shown;
    bar.end();
  }
  return getEnrollmentJob(db, caller.org, job.job_id);
}

/** A list short enough to be answered at once: the same as the API. */
async function atOnce(
  { db }: Installation,
  caller: Caller,
  input: { sequence_id: Uuid; contact_ids: readonly Uuid[] } & Chosen,
): Promise<Done> {
  const results = await enrollContacts(db, new VersionCache(db), caller, input);
  const count = (result: JobResult['result']) => results.filter((one) => one.result === result).length;
  const counts = { enrolled: count('enrolled'), skipped: count('skipped'), refused: count('refused') };
  const others = results.filter((one) => one.result !== 'enrolled');
  return { ...counts, json: { ...counts, results }, others: others.slice(0, SHOWN), about: '' };
}

interface Done {
  enrolled: number;
  skipped: number;
  refused: number;
  json: unknown;
  /** Some of those that were not enrolled. */
  others: Pick<JobResult, 'contact_id' | 'result' | 'reason'>[];
  about: string;
}

async function asJob(
  call: Call,
  installation: Installation,
  caller: Caller,
  input: { sequence_id: Uuid } & Chosen & JobTarget,
): Promise<Done> {
  const { db } = installation;
  const versions = new VersionCache(db);
  const made = await createEnrollmentJob(db, versions, caller, input);
  const job = await carryOut(call, installation, caller, versions, made);
  const pages = await Promise.all(
    (['skipped', 'refused'] as const).map((result) =>
      jobResults(db, caller.org, job.job_id, { result, limit: SHOWN }),
    ),
  );
  const others = pages.flatMap((page) => page.items).slice(0, SHOWN);
  const error = job.error === null ? '' : `: ${job.error}`;
  const about = `; job ${job.job_id} is ${job.status}${error}`;
  const nobody =
    'tag' in input && job.total === 0 && job.error === null ? `: nobody has the tag ${input.tag}` : '';
  return { ...job, json: { ...job, not_enrolled: others }, others, about: nobody + about };
}

function text({ enrolled, skipped, refused, others, about }: Done): string {
  const lines = others.map((one) => `\n  ${one.contact_id}  ${one.result}: ${one.reason}`);
  const more = skipped + refused - others.length;
  const rest = more > 0 ? `\n  and ${more} more` : '';
  return `${enrolled} enrolled, ${skipped} skipped, ${refused} refused${about}${lines.join('')}${rest}`;
}

/** @throws UsageError */
function daysOption(call: Call, policy: EnrollPolicy | undefined): number | undefined {
  const text = textOption(call, 'days');
  if ((policy === 'after_days') !== (text !== undefined))
    throw new UsageError('--days goes with --policy after_days.');
  if (text === undefined) return undefined;
  if (!/^[1-9][0-9]{0,3}$/.test(text)) throw new UsageError('--days is a number of days.');
  return Number(text);
}

/** @throws Problem not_found for an address that no member has */
async function assigneeOption(
  call: Call,
  { db }: Installation,
  { org }: Caller,
): Promise<Chosen['assignee']> {
  const words = (textOption(call, 'assignee') ?? '').toLowerCase().split(/[\s,;]+/);
  const given = words.filter((word) => word !== '');
  if (given.length === 0) return undefined;
  const rows = await db.inOrg(org, (tx) =>
    tx.rows<{ id: Uuid; email: string }>(
      sql`SELECT id, email FROM members WHERE org_id = ${org} AND email = ANY (${given.filter((word) => !isUuid(word))})`,
    ),
  );
  const byAddress = new Map(rows.map((row) => [row.email, row.id]));
  const rotate = given.map((word) => {
    const id = isUuid(word) ? word : byAddress.get(word);
    if (id === undefined) throw new Problem('not_found', `No member has the address ${word}`);
    return id;
  });
  return { rotate };
}

export const enroll: Command = {
  takes: ['SEQUENCE'],
  options: {
    contacts: { value: 'LIST', about: 'Ids or e-mail addresses, separated by commas' },
    file: { value: 'FILE', about: 'The same from a file, or - for standard input' },
    tag: { value: 'TAG', about: 'All contacts that have this tag' },
    policy: {
      value: 'POLICY',
      about: `Those enrolled before: ${ENROLL_POLICIES.join(', ')}; default the rule of the sequence`,
    },
    days: { value: 'N', about: 'Of the policy after_days' },
    segment: { value: 'ID', about: 'All contacts that are in this segment now' },
    assignee: {
      value: 'LIST',
      about: 'Ids or e-mail addresses of members: who does the steps of people; several in turn',
    },
    ...ORG_OPTION,
  },
  about:
    'Example: npx cadenza enroll SEQUENCE --tag fair-2027. Interrupted, it is carried on by the workers.',
  async run(call) {
    const sequence_id = idArgument(call, 'sequences list');
    const wanted = wantedOf(call);
    const given = textOption(call, 'policy');
    const policy: EnrollPolicy | undefined = ENROLL_POLICIES.find((one) => one === given);
    if (given !== undefined && policy === undefined)
      throw new UsageError(`--policy is one of: ${ENROLL_POLICIES.join(', ')}.`);
    const choice = { policy, policy_days: daysOption(call, policy) };
    const done = await withInstallation(
      call.config,
      async (installation) => {
        const caller = await chooseOrganization(call, installation);
        const target = await targetOf(installation, caller, wanted);
        const assignee = await assigneeOption(call, installation, caller);
        const input = { sequence_id, ...choice, assignee, ...target };
        return 'contact_ids' in input && input.contact_ids.length <= MAX_INLINE
          ? atOnce(installation, caller, input)
          : asJob(call, installation, caller, input);
      },
      { connections: CONNECTIONS },
    );
    call.result(done.json, text(done));
    return undefined;
  },
};
