/** A sequence's versions, and its live enrollments moved from one to another: named ones at once, more as a job. */
import { z } from 'zod';
import { JOB_STATUSES } from '../../plan/sequences/jobs.ts';
import {
  MOVE_REASONS,
  MOVE_RESULTS,
  type Moved,
  moveEnrollments,
  moveOne,
} from '../../plan/sequences/move-enrollments.ts';
import {
  cancelVersionMove,
  createVersionMove,
  getVersionMove,
  listVersionMoves,
} from '../../plan/sequences/version-move-jobs.ts';
import { listVersions } from '../../plan/sequences/versions.ts';
import type { Caller } from '../../tenancy/roles.ts';
import { recordUnknown } from '../../tenancy/security-events.ts';
import type { ApiDeps } from '../deps.ts';
import { type Answer, accepted, ok, type Route, route } from '../route.ts';
import { id, idParams, page, pageQuery, time } from '../schemas.ts';

const tag = 'Sequences';
const sequencePath = '/api/outreach/sequences/:id';
const path = '/api/outreach/version-moves';
/** Enrollments answered at once; larger lists become a job. */
const MAX_INLINE = 500;
/** Ids in one request: 10 MB of JSON. */
const MAX_IDS = 250_000;
const BODY_BYTES = 12 * 1024 * 1024;
const count = z.number().int();
const versionNumber = z.int().min(1).max(2_147_483_647);

const body = z
  .strictObject({
    from_version: versionNumber.optional().describe('Only those at this version; absent: at any other'),
    to_version: versionNumber.optional().describe('Absent: the one published last'),
    enrollment_id: id.optional().describe('This one; what keeps it from being moved is a refusal'),
    enrollment_ids: z.array(id).min(1).max(MAX_IDS).optional().describe('These, with a result for each'),
  })
  .refine((given) => given.enrollment_id === undefined || given.enrollment_ids === undefined, {
    message: 'Give one of enrollment_id and enrollment_ids, or neither for all that are live',
    path: ['enrollment_ids'],
  });

const movedNow = z.object({
  from_version: count.nullable(),
  to_version: count,
  moved: count,
  completed: count,
  skipped: count,
  refused: count,
  results: z
    .array(
      z.object({
        enrollment_id: id,
        result: z
          .enum(MOVE_RESULTS)
          .describe('`completed`: none of its remaining steps is in the version, so it has ended'),
        reason: z
          .enum(MOVE_REASONS)
          .nullable()
          .describe('`touch_in_flight`: moved; what is in flight finishes under the version before'),
      }),
    )
    .describe('One for each entry of the request, in its order'),
});

const moveJob = z
  .object({
    move_id: id,
    sequence_id: id,
    from_version: count.nullable().describe('null: from whichever they are at'),
    to_version: count,
    status: z.enum(JOB_STATUSES),
    total: count,
    processed: count.describe('moved + completed + skipped + refused'),
    moved: count,
    completed: count.describe('Ended: none of their remaining steps is in the version'),
    skipped: count.describe('There already, at another version, or ended before their turn came'),
    refused: count.describe('Unknown, or without a sender or a time in the version'),
    error: z.string().nullable().describe('Why it failed'),
    created_by: z.string(),
    created_at: time,
    started_at: time.nullable(),
    ended_at: time.nullable(),
  })
  .meta({ id: 'VersionMove' });

const version = z.object({
  id,
  number: count,
  current: z.boolean().describe('New enrollments get this one'),
  published_by: z.string(),
  published_at: time,
  active: count.describe('Enrollments at it that are active'),
  paused: count,
});

function summed(moved: Moved): Answer {
  const of = (result: (typeof MOVE_RESULTS)[number]) =>
    moved.results.filter((one) => one.result === result).length;
  return ok({
    ...moved,
    moved: of('moved'),
    completed: of('completed'),
    skipped: of('skipped'),
    refused: of('refused'),
  });
}

async function move(
  { db, versions, logger }: ApiDeps,
  caller: Caller,
  sequence_id: string,
  given: z.output<typeof body>,
): Promise<Answer> {
  const { enrollment_id, enrollment_ids, ...rest } = given;
  const input = { sequence_id, ...rest };
  if (enrollment_id !== undefined)
    return summed(await moveOne(db, versions, caller, { ...input, enrollment_id }));
  if (enrollment_ids === undefined || enrollment_ids.length > MAX_INLINE) {
    const { unknown, ...job } = await createVersionMove(db, versions, caller, { ...input, enrollment_ids });
    if (unknown.length > 0) await recordUnknown(db, logger, caller, 'enrollment', unknown);
    return accepted(job, `${path}/${job.move_id}`);
  }
  const moved = await moveEnrollments(db, versions, caller, { ...input, enrollment_ids });
  const unknown = moved.results.filter((one) => one.reason === 'unknown_enrollment');
  if (unknown.length > 0)
    await recordUnknown(
      db,
      logger,
      caller,
      'enrollment',
      unknown.map((one) => one.enrollment_id),
    );
  return summed(moved);
}

export function versionMoveRoutes(deps: ApiDeps): Route[] {
  const { db } = deps;
  return [
    route({
      method: 'GET',
      path: `${sequencePath}/versions`,
      tag,
      summary: 'List the published versions, with the live enrollments at each',
      scope: 'outreach:read',
      params: idParams,
      answers: { 200: z.object({ items: z.array(version) }) },
      handle: async (caller, { params }) => ok({ items: await listVersions(db, caller.org, params.id) }),
    }),
    route({
      method: 'POST',
      path: `${sequencePath}/move-enrollments`,
      tag,
      summary: 'Move live enrollments to another version',
      about: `By the identity of their step: a step that the version has no more gives way to the next that it has, or the enrollment completes. A message in flight finishes under its version, and what follows it is of the new one; a planned message is planned again. Paused ones resume under the new version. One, or up to ${MAX_INLINE} in \`enrollment_ids\`: 200 with a result for each. More, or all: 202 with a job, whose progress is at \`${path}/:id\`. Repeating it is no error.`,
      scope: 'outreach:write',
      params: idParams,
      body,
      bodyLimit: BODY_BYTES,
      answers: { 200: movedNow, 202: moveJob },
      problems: ['sequence_not_published', 'conflict', 'illegal_transition', 'enrollment_refused'],
      handle: (caller, input) => move(deps, caller, input.params.id, input.body),
    }),
    route({
      method: 'GET',
      path,
      tag,
      summary: 'List moves between versions, newest first',
      scope: 'outreach:read',
      query: pageQuery,
      answers: { 200: page(moveJob) },
      handle: async (caller, { query }) => ok(await listVersionMoves(db, caller.org, query)),
    }),
    route({
      method: 'GET',
      path: `${path}/:id`,
      tag,
      summary: 'Read the progress of a move',
      scope: 'outreach:read',
      params: idParams,
      answers: { 200: moveJob },
      handle: async (caller, { params }) => ok(await getVersionMove(db, caller.org, params.id)),
    }),
    route({
      method: 'POST',
      path: `${path}/:id/cancel`,
      tag,
      summary: 'Cancel a move',
      about: 'Nobody is moved by it after the answer; who was stays there. Cancelling again is no error.',
      scope: 'outreach:write',
      params: idParams,
      answers: { 200: moveJob },
      problems: ['conflict'],
      handle: async (caller, { params }) => ok(await cancelVersionMove(db, caller, params.id)),
    }),
  ];
}
