/** Numbers that add up: of a sequence, its steps and the organization, each part with the list of its rows. */
import { z } from 'zod';
import { TOUCH_STATES } from '../../ledger/states.ts';
import { ENROLLMENT_STATUSES } from '../../plan/sequences/lifecycle.ts';
import { organizationStats, sequenceStats } from '../../plan/sequences/stats.ts';
import { count, counts } from '../counts.ts';
import type { ApiDeps } from '../deps.ts';
import { ok, type Route, route } from '../route.ts';
import { id, idParams } from '../schemas.ts';
import { variantStats } from './variants.ts';

const tag = 'Numbers';

function parts<const S extends readonly string[]>(states: S) {
  return z.array(
    z.object({
      state: z.enum(states),
      reason: z.string().nullable(),
      count,
      rows: z.string().describe('The path of the list of exactly these, page by page'),
    }),
  );
}

const touchParts = parts(TOUCH_STATES).describe('By state and reason, most first; together `touches`');

const numbers = {
  enrollments: counts(ENROLLMENT_STATUSES),
  enrollment_parts: parts(ENROLLMENT_STATUSES).describe('By status and reason, most first'),
  touches: counts(TOUCH_STATES).extend({ waiting: count.describe('planned, sending and unknown together') }),
  parts: touchParts,
  balance: z
    .object({
      enrolled: count.describe('Enrollments, by the event that began each'),
      created: count.describe('Touches: `ended`, `active` and `left` together'),
      ended: z
        .object({ sent: count, failed: count, skipped: count, cancelled: count })
        .describe('Touches, by the event that ended each'),
      active: count.describe('Active enrollments: each waits for one touch'),
      left: count.describe('Touches that wait though their enrollment is paused or over: they are in flight'),
    })
    .describe('The same, counted from the event stream and the enrollments instead of the touches'),
  balanced: z.boolean().describe('Whether both ways of counting agree: nothing was lost, nothing made twice'),
};

const stepStats = counts(TOUCH_STATES).extend({
  step_id: id,
  variants: variantStats.nullable().describe('Of a step with variants in the published version'),
  balanced: z.boolean().describe('Whether its ends are those that the event stream tells'),
  parts: touchParts,
});

const stats = z.object(numbers).meta({ id: 'Stats' });

const sequenceNumbers = z.object({
  sequence_id: id,
  ...numbers,
  conversions: z
    .object({ total: count, contacts: count, goals: z.array(z.object({ goal: z.string(), count })) })
    .describe('Enrollments that reached a goal, those restarted since included'),
  reasons: z.array(z.object({ state: z.enum(TOUCH_STATES), reason: z.string(), count })),
  steps: z.array(stepStats).describe('Over all versions'),
});

const about =
  'Touches created are sent, failed, skipped, cancelled and waiting; enrolled are active, paused and each end.';

export function statsRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/outreach/stats',
      tag,
      summary: 'The organization in numbers',
      about: `${about} Reads all it has: for a large one it takes seconds.`,
      scope: 'outreach:read',
      answers: { 200: stats },
      handle: async (caller) => ok(await organizationStats(db, caller)),
    }),
    route({
      method: 'GET',
      path: '/api/outreach/sequences/:id/stats',
      tag,
      summary: 'A sequence in numbers',
      about,
      scope: 'outreach:read',
      params: idParams,
      answers: { 200: sequenceNumbers },
      handle: async (caller, { params }) => ok(await sequenceStats(db, caller, params.id)),
    }),
  ];
}
