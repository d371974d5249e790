/** The shapes of an enrollment and of what enrolling answers. */
import { z } from 'zod';
import { MAX_ROTATED } from '../plan/sequences/assignees.ts';
import {
  ENROLL_POLICIES,
  type PolicyChoice,
  REFUSED_REASONS,
  SKIPPED_REASONS,
} from '../plan/sequences/candidates.ts';
import { ENROLLMENT_STATUSES } from '../plan/sequences/lifecycle.ts';
import { id, time } from './schemas.ts';
import { touchState } from './touch.ts';

export const enrollmentStatus = z.enum(ENROLLMENT_STATUSES);

export const enrollPolicy = z
  .enum(ENROLL_POLICIES)
  .describe(
    'For contacts enrolled before: `never`, `after_days` (with `policy_days`), `if_ended`, or `restart` what they have, live or ended. Absent: the rule of the sequence',
  );

export const policyDays = z
  .int()
  .min(1)
  .max(3650)
  .describe('Of the policy `after_days`: days since the last one ended');

/** What is wrong with the two together; null: nothing. */
export function policyProblem(choice: PolicyChoice): string | null {
  if ((choice.policy === 'after_days') === (choice.policy_days !== undefined)) return null;
  return choice.policy === 'after_days' ? 'after_days needs policy_days' : 'Only after_days takes days';
}

export const assignee = z
  .union([id, z.strictObject({ rotate: z.array(id).min(1).max(MAX_ROTATED) })])
  .describe(
    'The member who is to do the steps of people, or several in turn: the id of each enrollment chooses one. Who is restarted without it keeps theirs',
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
    assignee_id: id.nullable().describe('The member who does its steps of people; null: anybody'),
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
    contact_id: id.nullable().describe('null: nobody has the address or id that was given'),
    result: z.enum(RESULTS),
    reason: z
      .enum(['restarted', ...SKIPPED_REASONS, ...REFUSED_REASONS])
      .nullable()
      .describe('Why it was skipped or refused; `restarted` for one that had been enrolled'),
    enrollment_id: id.nullable().describe('The new one; or the one that is in the way'),
    entry: z.string().nullable().optional().describe('The address or id that named the contact'),
    row: z.number().int().nullable().optional().describe('Of the file; the header is row 1'),
  })
  .meta({ id: 'EnrollResult' });
