/** Enrolling one contact, where every reason against it is a refusal of its own. */
import type { Database } from '../../db/database.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { notFound, Problem } from '../../kernel/problem.ts';
import type { Context } from '../../tenancy/context.ts';
import type { Refused, Skipped } from './candidates.ts';
import { type EnrollInput, enrollContacts } from './enroll.ts';
import { type Enrollment, getEnrollment } from './enrollments.ts';
import { alreadyEnrolled, inFlight } from './restart.ts';
import type { VersionCache } from './versions.ts';

/** Contacts answered at once; larger lists become a job. */
export const MAX_INLINE = 500;

export interface EnrolledOne {
  result: 'enrolled';
  reason: 'restarted' | null;
  contact_id: Uuid;
  enrollment_id: Uuid;
  enrollment: Enrollment;
}

/** @throws not_found, already_enrolled, enrollment_refused, sequence_not_published, touch_in_flight */
export async function enrollOne(
  db: Database,
  versions: VersionCache,
  ctx: Context,
  input: Omit<EnrollInput, 'contact_ids'> & { contact_id: Uuid },
): Promise<EnrolledOne> {
  const { contact_id, ...rest } = input;
  const [result] = await enrollContacts(db, versions, ctx, { ...rest, contact_ids: [contact_id] });
  switch (result!.result) {
    case 'enrolled': {
      const enrollment = await getEnrollment(db, ctx.org, result!.enrollment_id);
      const { reason, enrollment_id } = result!;
      return { result: 'enrolled', reason, contact_id, enrollment_id, enrollment };
    }
    case 'refused':
      throw refused(contact_id, result!.reason);
    case 'skipped':
      throw await skipped(db, ctx, result!.reason, result!.enrollment_id);
  }
}

function refused(contact: Uuid, reason: Refused): Problem {
  if (reason === 'unknown_contact') return notFound('contact', contact);
  return new Problem('enrollment_refused', `The contact cannot be enrolled: ${reason}.`, {
    extra: { reason },
  });
}

async function skipped(
  db: Database,
  ctx: Context,
  reason: Skipped,
  enrollment: Uuid | null,
): Promise<Problem> {
  if (reason === 'touch_in_flight' && enrollment !== null) return inFlight(db, ctx, enrollment);
  return alreadyEnrolled(enrollment, reason);
}
