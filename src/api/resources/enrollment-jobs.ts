/** `/api/outreach/enrollment-jobs`: bulk enrolments, how far they are and what became of each contact. */
import { z } from 'zod';
import {
  cancelEnrollmentJob,
  getEnrollmentJob,
  jobResults,
  listEnrollmentJobs,
} from '../../plan/sequences/enrollment-jobs.ts';
import { JOB_STATUSES } from '../../plan/sequences/jobs.ts';
import type { ApiDeps } from '../deps.ts';
import { enrollPolicy, enrollResult, RESULTS } from '../enrollment.ts';
import { ok, type Route, route } from '../route.ts';
import { id, idParams, page, pageQuery, time } from '../schemas.ts';

const tag = 'Enrollments';
const path = '/api/outreach/enrollment-jobs';
/** A hundred thousand results in a hundred pages. */
const MAX_RESULTS = 1_000;

export const enrollmentJob = z
  .object({
    job_id: id,
    sequence_id: id,
    status: z.enum(JOB_STATUSES),
    policy: enrollPolicy.nullable(),
    policy_days: z.number().int().nullable(),
    tag: z.string().nullable(),
    segment_id: id.nullable(),
    assignees: z.array(id).describe('Who does the steps of people: one member, or several in turn'),
    total: z.number().int(),
    processed: z.number().int().describe('enrolled + skipped + refused'),
    enrolled: z.number().int(),
    skipped: z.number().int(),
    refused: z.number().int(),
    error: z.string().nullable().describe('Why it failed'),
    created_by: z.string(),
    created_at: time,
    started_at: time.nullable(),
    ended_at: time.nullable(),
  })
  .meta({ id: 'EnrollmentJob' });

export function enrollmentJobRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path,
      tag,
      summary: 'List bulk enrolments, newest first',
      scope: 'outreach:read',
      query: pageQuery,
      answers: { 200: page(enrollmentJob) },
      handle: async (caller, { query }) => ok(await listEnrollmentJobs(db, caller.org, query)),
    }),
    route({
      method: 'GET',
      path: `${path}/:id`,
      tag,
      summary: 'Read the progress of a bulk enrolment',
      scope: 'outreach:read',
      params: idParams,
      answers: { 200: enrollmentJob },
      handle: async (caller, { params }) => ok(await getEnrollmentJob(db, caller.org, params.id)),
    }),
    route({
      method: 'GET',
      path: `${path}/:id/results`,
      tag,
      summary: 'Read what became of each contact',
      about: 'Grows while the job runs: go on from the last cursor.',
      scope: 'outreach:read',
      params: idParams,
      query: pageQuery.extend({
        limit: z.coerce.number().int().min(1).max(MAX_RESULTS).default(200),
        result: z.enum(RESULTS).optional(),
      }),
      answers: { 200: page(enrollResult) },
      handle: async (caller, { params, query }) => ok(await jobResults(db, caller.org, params.id, query)),
    }),
    route({
      method: 'POST',
      path: `${path}/:id/cancel`,
      tag,
      summary: 'Cancel a bulk enrolment',
      about:
        'Nobody is enrolled by it after the answer; who was enrolled stays so. Cancelling again is no error.',
      scope: 'outreach:write',
      params: idParams,
      answers: { 200: enrollmentJob },
      problems: ['conflict'],
      handle: async (caller, { params }) => ok(await cancelEnrollmentJob(db, caller, params.id)),
    }),
  ];
}
