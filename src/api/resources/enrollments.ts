/** `/api/outreach/enrollments`: enrolling one, many, a tag, a segment or a file; reading; and the five things a person may do. */
import { z } from 'zod';
import { MAX_TAG_LENGTH } from '../../contacts/tag.ts';
import { Problem } from '../../kernel/problem.ts';
import { MAX_ROTATED } from '../../plan/sequences/assignees.ts';
import { enrollContacts } from '../../plan/sequences/enroll.ts';
import { namedIn, readCsv } from '../../plan/sequences/enroll-csv.ts';
import { enrollOne, MAX_INLINE } from '../../plan/sequences/enroll-one.ts';
import { createEnrollmentJob, type JobTarget } from '../../plan/sequences/enrollment-jobs.ts';
import { act, ENROLLMENT_ACTIONS } from '../../plan/sequences/enrollments.ts';
import { enrollmentDetail, listEnrollments } from '../../plan/sequences/list-enrollments.ts';
import { enrollNamed, NAMED_BY } from '../../plan/sequences/named-contacts.ts';
import type { Caller } from '../../tenancy/roles.ts';
import { recordUnknown } from '../../tenancy/security-events.ts';
import type { ApiDeps } from '../deps.ts';
import {
  assignee,
  enrollment,
  enrollmentStatus,
  enrollPolicy,
  enrollResult,
  policyDays,
  policyProblem,
  type RESULTS,
} from '../enrollment.ts';
import { receipt, waitQuery } from '../receipt.ts';
import { type Answer, accepted, created, ok, type Route, route } from '../route.ts';
import { id, idParams, line, page, pageQuery } from '../schemas.ts';
import { event, touch } from '../touch.ts';
import { fieldsOf, receiveFile } from '../upload.ts';
import { enrollmentJob } from './enrollment-jobs.ts';

const tag = 'Enrollments';
const path = '/api/outreach/enrollments';
/** Ids in one request: 10 MB of JSON. More come by tag. */
const MAX_IDS = 250_000;
const BODY_BYTES = 12 * 1024 * 1024;

const TARGETS = ['contact_id', 'contact_ids', 'tag', 'segment_id', 'emails', 'external_ids'] as const;
const word = z.string().min(1).max(320);

const newEnrollment = z
  .strictObject({
    sequence_id: id,
    contact_id: id.optional(),
    contact_ids: z.array(id).min(1).max(MAX_IDS).optional(),
    tag: z.string().min(1).max(MAX_TAG_LENGTH).optional().describe('All contacts that have it now'),
    segment_id: id.optional().describe('All contacts that are in it now'),
    emails: z.array(word).min(1).max(MAX_IDS).optional(),
    external_ids: z.array(word).min(1).max(MAX_IDS).optional(),
    policy: enrollPolicy.optional(),
    policy_days: policyDays.optional(),
    assignee: assignee.optional(),
  })
  .refine((body) => TARGETS.filter((name) => body[name] !== undefined).length === 1, {
    message: `Give one of ${TARGETS.join(', ')}`,
    path: ['contact_ids'],
  })
  .superRefine((body, context) => {
    const message = policyProblem(body);
    if (message !== null) context.addIssue({ code: 'custom', message, path: ['policy_days'] });
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

/** Everything but one contact and a short list of ids is a job; `named` are words that name contacts. */
function targetOf({ contact_ids, tag: tagged, segment_id, emails, external_ids }: NewEnrollment): JobTarget {
  if (contact_ids !== undefined) return { contact_ids };
  if (tagged !== undefined) return { tag: tagged };
  if (segment_id !== undefined) return { segment_id };
  const by = emails === undefined ? 'external_id' : 'email';
  return { named: (emails ?? external_ids ?? []).map((entry) => ({ by, entry, row: null })) };
}

async function enroll(deps: ApiDeps, caller: Caller, body: NewEnrollment): Promise<Answer> {
  const { db, versions } = deps;
  const { sequence_id, contact_id, policy, policy_days } = body;
  const how = { sequence_id, policy, policy_days, assignee: body.assignee };
  if (contact_id !== undefined) {
    const made = await enrollOne(db, versions, caller, { ...how, contact_id });
    return created(made, `${path}/${made.enrollment.id}`);
  }
  const target = targetOf(body);
  const list = 'contact_ids' in target ? target.contact_ids : 'named' in target ? target.named : null;
  if (list === null || list.length > MAX_INLINE) {
    const job = await createEnrollmentJob(db, versions, caller, { ...how, ...target });
    return accepted(job, `/api/outreach/enrollment-jobs/${job.job_id}`);
  }
  const results =
    'named' in target
      ? await enrollNamed(db, versions, caller, { ...how, named: target.named })
      : await enrollContacts(db, versions, caller, { ...how, contact_ids: body.contact_ids! });
  const unknown = results.flatMap((one) =>
    one.reason === 'unknown_contact' && one.contact_id !== null ? [one.contact_id] : [],
  );
  if (unknown.length > 0) await recordUnknown(db, deps.logger, caller, 'contact', unknown);
  const count = (result: (typeof RESULTS)[number]) => results.filter((one) => one.result === result).length;
  return ok({
    enrolled: count('enrolled'),
    skipped: count('skipped'),
    refused: count('refused'),
    results,
  });
}

const ID = '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}';

const csvFields = {
  sequence_id: id,
  policy: enrollPolicy.optional(),
  policy_days: z.coerce.number().pipe(policyDays).optional(),
  assignee: z
    .string()
    .regex(new RegExp(`^${ID}(,${ID}){0,${MAX_ROTATED - 1}}$`), 'Ids of members with commas between')
    .optional()
    .describe('The member who is to do the steps of people; several, with commas: in turn'),
  column: z
    .string()
    .min(1)
    .max(300)
    .optional()
    .describe('The column that names contacts; absent: the one of e-mail addresses, or else of external ids'),
  by: z.enum(NAMED_BY).optional().describe('What that column holds; absent: as its name says'),
};

function csvRoute({ db, versions }: ApiDeps): Route {
  return route({
    method: 'POST',
    path: `${path}/csv`,
    tag,
    summary: 'Enrol the contacts that a CSV file names',
    about: `\`multipart/form-data\` with the file in \`file\` and \`sequence_id\`; both are required. Its rows name contacts that are there, by e-mail address or external id; new people are imported first (\`POST /api/contacts/import\`, then enrol by their tag). Answers with a job, whose results have the row and the words of each entry.`,
    scope: 'outreach:write',
    upload: csvFields,
    answers: { 202: enrollmentJob },
    problems: ['not_found', 'sequence_not_published', 'import_unreadable', 'payload_too_large'],
    handle: async (caller, { request }) => {
      const received = await receiveFile(request, { store: (_filename, source) => readCsv(source) });
      const { column, by, assignee: members, ...how } = fieldsOf(csvFields, received.fields);
      const message = policyProblem(how);
      if (message !== null)
        throw new Problem('invalid_request', message, {
          errors: [{ field: 'policy_days', code: 'invalid_value', message }],
        });
      const named = namedIn(received.result, { column, by });
      const rotated = members === undefined ? undefined : { rotate: members.toLowerCase().split(',') };
      const job = await createEnrollmentJob(db, versions, caller, { ...how, assignee: rotated, named });
      return accepted(job, `/api/outreach/enrollment-jobs/${job.job_id}`);
    },
  });
}

function enrollRoute(deps: ApiDeps): Route {
  return route({
    method: 'POST',
    path,
    tag,
    summary: 'Enrol a contact, many contacts, a tag or a segment',
    about: `One contact: 201 with the enrollment, or why not. Up to ${MAX_INLINE} in \`contact_ids\`, \`emails\` or \`external_ids\`: 200 with a result for each. More, a tag or a segment: 202 with a job, whose progress and results are at \`/api/outreach/enrollment-jobs/:id\`.`,
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
    csvRoute(deps),
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
