/** `/api/outreach/enrollments`: enrolling one, many or a tag; reading; and the five things a person may do. */
import { z } from 'zod';
import { MAX_TAG_LENGTH } from '../../contacts/tag.ts';
import { enrollContacts } from '../../plan/sequences/enroll.ts';
import { enrollOne, MAX_INLINE } from '../../plan/sequences/enroll-one.ts';
import { createEnrollmentJob } from '../../plan/sequences/enrollment-jobs.ts';
import { act, ENROLLMENT_ACTIONS } from '../../plan/sequences/enrollments.ts';
import { enrollmentDetail, listEnrollments } from '../../plan/sequences/list-enrollments.ts';
import type { Caller } from '../../tenancy/roles.ts';
import { recordUnknown } from '../../tenancy/security-events.ts';
import type { ApiDeps } from '../deps.ts';
import { enrollment, enrollmentStatus, enrollPolicy, enrollResult, type RESULTS } from '../enrollment.ts';
import { receipt, waitQuery } from '../receipt.ts';
import { type Answer, accepted, created, ok, type Route, route } from '../route.ts';
import { id, idParams, line, page, pageQuery } from '../schemas.ts';
import { event, touch } from '../touch.ts';
import { enrollmentJob } from './enrollment-jobs.ts';

const tag = 'Enrollments';
const path = '/api/outreach/enrollments';
/** Ids in one request: 10 MB of JSON. More come by tag. */
const MAX_IDS = 250_000;
const BODY_BYTES = 12 * 1024 * 1024;

const TARGETS = ['contact_id', 'contact_ids', 'tag'] as const;

const newEnrollment = z
  .strictObject({
    sequence_id: id,
    contact_id: id.optional(),
    contact_ids: z.array(id).min(1).max(MAX_IDS).optional(),
    tag: z.string().min(1).max(MAX_TAG_LENGTH).optional().describe('All contacts that have it now'),
    policy: enrollPolicy.optional(),
  })
  .refine((body) => TARGETS.filter((name) => body[name] !== undefined).length === 1, {
    message: `Give one of ${TARGETS.join(', ')}`,
    path: ['contact_ids'],
  });

const enrolledMany = z.object({
  enrolled: z.number().int(),
  skipped: z.number().int(),
  refused: z.number().int(),
  results: z.array(enrollResult).describe('One for each entry of the request, in its order'),
});

const change = z.strictObject({
  action: z.enum(ENROLLMENT_ACTIONS),
  reason: line(500).optional(),
});

type NewEnrollment = z.output<typeof newEnrollment>;

async function enroll(deps: ApiDeps, caller: Caller, body: NewEnrollment): Promise<Answer> {
  const { db, versions } = deps;
  const { sequence_id, contact_id, contact_ids, policy } = body;
  if (contact_id !== undefined) {
    const made = await enrollOne(db, versions, caller, { sequence_id, contact_id, policy });
    return created(made, `${path}/${made.enrollment.id}`);
  }
  if (contact_ids === undefined || contact_ids.length > MAX_INLINE) {
    const target = contact_ids === undefined ? { tag: body.tag! } : { contact_ids };
    const job = await createEnrollmentJob(db, versions, caller, { sequence_id, policy, ...target });
    return accepted(job, `/api/outreach/enrollment-jobs/${job.job_id}`);
  }
  const results = await enrollContacts(db, versions, caller, { sequence_id, contact_ids, policy });
  const unknown = results.filter((one) => one.reason === 'unknown_contact').map((one) => one.contact_id);
  if (unknown.length > 0) await recordUnknown(db, deps.logger, caller, 'contact', unknown);
  const count = (result: (typeof RESULTS)[number]) => results.filter((one) => one.result === result).length;
  return ok({
    enrolled: count('enrolled'),
    skipped: count('skipped'),
    refused: count('refused'),
    results,
  });
}

function enrollRoute(deps: ApiDeps): Route {
  return route({
    method: 'POST',
    path,
    tag,
    summary: 'Enrol a contact, many contacts, or a tag',
    about: `One contact: 201 with the enrollment, or why not. Up to ${MAX_INLINE} in \`contact_ids\`: 200 with a result for each. More, or a tag: 202 with a job, whose progress and results are at \`/api/outreach/enrollment-jobs/:id\`.`,
    scope: 'outreach:write',
    body: newEnrollment,
    bodyLimit: BODY_BYTES,
    answers: {
      200: enrolledMany,
      201: z.object({
        result: z.literal('enrolled'),
        reason: z.literal('restarted').nullable(),
        contact_id: id,
        enrollment_id: id,
        enrollment,
      }),
      202: enrollmentJob,
    },
    problems: [
      'not_found',
      'already_enrolled',
      'enrollment_refused',
      'sequence_not_published',
      'touch_in_flight',
    ],
    handle: (caller, { body }) => enroll(deps, caller, body),
  });
}

export function enrollmentRoutes(deps: ApiDeps): Route[] {
  const { db, versions } = deps;
  return [
    enrollRoute(deps),
    route({
      method: 'GET',
      path,
      tag,
      summary: 'List enrollments, newest first',
      scope: 'outreach:read',
      query: pageQuery.extend({
        sequence_id: id.optional(),
        contact_id: id.optional(),
        status: enrollmentStatus.optional(),
        reason: z.string().min(1).max(500).optional().describe('`status_reason`; `none`: those without one'),
      }),
      answers: { 200: page(enrollment) },
      handle: async (caller, { query }) => ok(await listEnrollments(db, caller.org, query)),
    }),
    route({
      method: 'GET',
      path: `${path}/:id`,
      tag,
      summary: 'Read an enrollment with its touches and events',
      scope: 'outreach:read',
      params: idParams,
      answers: {
        200: enrollment.extend({
          touches: z.array(touch).describe('In the order they were planned'),
          events: z.array(event).describe('What happened, oldest first'),
        }),
      },
      handle: async (caller, { params }) => ok(await enrollmentDetail(db, caller.org, params.id)),
    }),
    route({
      method: 'PATCH',
      path: `${path}/:id`,
      tag,
      summary: 'Pause, resume, unenroll, advance or restart',
      about:
        'Once answered, no call to a provider begins for anything it stops, unless the receipt lists it as in flight. What the status does not allow is 409 and changes nothing; so are `advance` and `restart` while a message is in flight.',
      scope: 'outreach:write',
      params: idParams,
      query: waitQuery,
      body: change,
      answers: { 200: z.object({ enrollment, receipt }) },
      problems: [
        'illegal_transition',
        'touch_in_flight',
        'enrollment_refused',
        'already_enrolled',
        'sequence_not_published',
        'conflict',
      ],
      handle: async (caller, { params, query, body }) =>
        ok(
          await act(db, versions, caller, params.id, body.action, {
            reason: body.reason,
            wait_ms: query.wait,
          }),
        ),
    }),
  ];
}
