/** The shapes of an enrollment and of what enrolling answers. */
import { z } from 'zod';
import { ENROLL_POLICIES, REFUSED_REASONS, SKIPPED_REASONS } from '../plan/sequences/candidates.ts';
import { ENROLLMENT_STATUSES } from '../plan/sequences/lifecycle.ts';
import { id, time } from './schemas.ts';
import { touchState } from './touch.ts';

export const enrollmentStatus = z.enum(ENROLLMENT_STATUSES);

export const enrollPolicy = z
  .enum(ENROLL_POLICIES)
  .describe(
    'For contacts enrolled before: `never`, `if_ended`, or `restart` what they have, live or ended. Absent: the rule of the sequence',
  );

export const enrollment = z
  .object({
    id,
    sequence_id: id,
    version_id: id,
    contact_id: id,
    sender_id: id.nullable().describe('Of that touch; null: people do the step'),
    status: enrollmentStatus,
    status_reason: z.string().nullable(),
    step_no: z.number().int().describe('Position of the current step, from 0'),
    step_id: id,
    generation: z.number().int().describe('Rises with each restart'),
    live_touch: id.describe('The touch the current step waits for, or the last one it had'),
    touch_state: touchState,
    due_at: time.nullable().describe('When that touch is due; null while nothing is planned'),
    job_id: id.nullable(),
    enrolled_by: z.string(),
    ended_by: z.string().nullable(),
    created_at: time,
    updated_at: time,
    ended_at: time.nullable(),
  })
  .meta({ id: 'Enrollment' });

export const RESULTS = ['enrolled', 'skipped', 'refused'] as const;

export const enrollResult = z
  .object({
    contact_id: id,
    result: z.enum(RESULTS),
    reason: z
      .enum(['restarted', ...SKIPPED_REASONS, ...REFUSED_REASONS])
      .nullable()
      .describe('Why it was skipped or refused; `restarted` for one that had been enrolled'),
    enrollment_id: id.nullable(),
  })
  .meta({ id: 'EnrollResult' });
