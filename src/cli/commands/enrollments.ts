/** `enroll`, and `pause`, `resume`, `stop` of an enrollment. */
import { isUuid, type Uuid } from '../../kernel/ids.ts';
import type { Receipt } from '../../ledger/receipts.ts';
import { CHUNK } from '../../plan/sequences/bulk-enroll.ts';
import { enrollContacts } from '../../plan/sequences/enroll.ts';
import { createEnrollmentJob } from '../../plan/sequences/enrollment-jobs.ts';
import { act, type Enrollment, type EnrollmentAction } from '../../plan/sequences/enrollments.ts';
import { VersionCache } from '../../plan/sequences/versions.ts';
import { type Command, textOption, UsageError } from '../command.ts';
import { idArgument } from '../input.ts';
import { chooseOrganization, ORG_OPTION, withInstallation } from '../installation.ts';

function contactsOption(text: string): Uuid[] {
  const ids = text.split(',').map((id) => id.trim().toLowerCase());
  const wrong = ids.find((id) => !isUuid(id));
  if (wrong !== undefined) throw new UsageError(`--contacts: ${wrong} is not an id.`);
  if (ids.length > CHUNK) throw new UsageError(`--contacts takes ${CHUNK} ids at most; use --tag for more.`);
  return ids;
}

export const enroll: Command = {
  summary: 'Enrol contacts, or everybody with a tag, in a sequence',
  takes: ['SEQUENCE'],
  options: {
    contacts: { value: 'IDS', about: 'Contact ids, separated by commas' },
    tag: { value: 'TAG', about: 'Everybody with this tag, as a job that the workers do' },
    ...ORG_OPTION,
  },
  about: 'Example: cadenza enroll SEQUENCE --tag customers',
  async run(call) {
    const [ids, tag] = [textOption(call, 'contacts'), textOption(call, 'tag')];
    if ((ids === undefined) === (tag === undefined)) throw new UsageError('Give either --contacts or --tag.');
    const sequence_id = idArgument(call, 'sequences list');
    await withInstallation(call.config, async (installation) => {
      const caller = await chooseOrganization(call, installation);
      const versions = new VersionCache(installation.db);
      if (tag !== undefined) {
        const job = await createEnrollmentJob(installation.db, versions, caller, { sequence_id, tag });
        call.result(
          job,
          `Queued as job ${job.job_id}; GET /api/outreach/enrollment-jobs/${job.job_id} shows how far it is.`,
        );
        return;
      }
      const results = await enrollContacts(installation.db, versions, caller, {
        sequence_id,
        contact_ids: contactsOption(ids!),
      });
      const lines = results.map(
        (one) => `${one.contact_id}  ${one.result}${one.reason === null ? '' : ` (${one.reason})`}`,
      );
      call.result({ results }, lines.join('\n'));
    });
    return undefined;
  },
};

function told(enrollment: Enrollment, receipt: Receipt): string {
  const flying = receipt.in_flight_count;
  return [
    `Enrollment ${enrollment.id} is ${enrollment.status}.`,
    `${receipt.not_started} planned message(s) cancelled; ${flying === 0 ? 'nothing is in flight' : `${flying} in flight: ${receipt.in_flight.map((one) => one.touch).join(', ')}`}.`,
    `Receipt ${receipt.id}: what it does not list will never be sent.`,
  ].join('\n');
}

function acting(action: EnrollmentAction, summary: string): Command {
  return {
    summary,
    takes: ['ENROLLMENT'],
    options: { reason: { value: 'TEXT', about: 'Why, for the record' }, ...ORG_OPTION },
    async run(call) {
      const id = idArgument(call, 'enroll');
      await withInstallation(call.config, async (installation) => {
        const caller = await chooseOrganization(call, installation);
        const done = await act(installation.db, new VersionCache(installation.db), caller, id, action, {
          reason: textOption(call, 'reason'),
        });
        call.result(done, told(done.enrollment, done.receipt));
      });
      return undefined;
    },
  };
}

export const pause = acting('pause', 'Pause an enrollment and print the receipt');
export const resume = acting('resume', 'Let a paused enrollment go on');
export const stop = acting('unenroll', 'End an enrollment and print the receipt');
