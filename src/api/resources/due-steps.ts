/** `/api/outreach/due-steps`: what waits for people. */
import { z } from 'zod';
import { MAX_COUNTED } from '../../dispatch/people/due-rows.ts';
import { getDueStep, listDueSteps } from '../../dispatch/people/due-steps.ts';
import { OUTREACH_CHANNELS } from '../../kernel/channels.ts';
import { Problem } from '../../kernel/problem.ts';
import type { Caller } from '../../tenancy/roles.ts';
import type { ApiDeps } from '../deps.ts';
import { dueBucket, dueStep } from '../due-step.ts';
import { ok, type Route, route } from '../route.ts';
import { id, idParams, page, pageQuery, timeZone } from '../schemas.ts';

const tag = 'Due steps';
const path = '/api/outreach/due-steps';

const viewer = { time_zone: timeZone.optional().describe('The viewer’s; absent: the organization’s') };

const listQuery = pageQuery.extend({
  ...viewer,
  bucket: dueBucket.optional(),
  assignee: z
    .union([id, z.literal('none')])
    .optional()
    .describe('A member, or `none`: nobody’s'),
  mine: z
    .stringbool({ truthy: ['true'], falsy: ['false'] })
    .optional()
    .describe('`true`: those of the member who asks'),
  channel: z.enum(OUTREACH_CHANNELS).optional(),
  sequence_id: id.optional(),
});

const count = z.number().int().describe(`At most ${MAX_COUNTED}: that many or more`);

const dueList = page(dueStep).extend({
  counts: z.object({ overdue: count, today: count, upcoming: count, stale: count }),
  day: z.string().describe('Today there'),
  time_zone: z.string(),
});

/** @throws Problem invalid_request: an API key is nobody */
function assigneeOf(caller: Caller, query: z.output<typeof listQuery>) {
  if (query.mine !== true) return query.assignee;
  if (caller.actor.type === 'member') return caller.actor.id;
  throw new Problem('invalid_request', 'Only a member has steps of their own', {
    errors: [{ field: 'mine', code: 'no_member', message: 'Give `assignee` with the id of a member' }],
  });
}

export function dueStepRoutes({ engine }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path,
      tag,
      summary: 'List what waits for people, soonest first',
      about:
        'Without `bucket`: all but those that are stale. Each comes with the text as it would go now and the way there. `counts` are of the same filters, whatever the bucket.',
      scope: 'outreach:read',
      query: listQuery,
      answers: { 200: dueList },
      handle: async (caller, { query }) =>
        ok(await listDueSteps(engine, caller.org, { ...query, assignee: assigneeOf(caller, query) })),
    }),
    route({
      method: 'GET',
      path: `${path}/:id`,
      tag,
      summary: 'Read a due step, or what became of it',
      scope: 'outreach:read',
      params: idParams,
      query: z.strictObject(viewer),
      answers: { 200: dueStep },
      handle: async (caller, { params, query }) =>
        ok(await getDueStep(engine, caller.org, params.id, query.time_zone)),
    }),
  ];
}
