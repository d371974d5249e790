/** `/api/touches`: every outreach act, why it is as it is, and a person's word where only a person can tell. */
import { z } from 'zod';
import { RESOLUTIONS, resolveTouch } from '../../dispatch/resolve.ts';
import { explainTouch } from '../../ledger/explain.ts';
import { isSequenceOnly, isWalked, listTouches, SERVED_FILTERS } from '../../ledger/touches.ts';
import { touchesOfSequence } from '../../plan/sequences/sequence-touches.ts';
import { walkTouches } from '../../plan/sequences/walk-touches.ts';
import type { ApiDeps } from '../deps.ts';
import { ok, type Route, route } from '../route.ts';
import { id, idParams, page, pageQuery } from '../schemas.ts';
import { explanation, touch, touchState } from '../touch.ts';

const tag = 'Touches';

const listQuery = pageQuery.extend({
  enrollment_id: id.optional(),
  contact_id: id.optional(),
  sequence_id: id.optional(),
  sender_id: id.optional(),
  state: touchState.optional(),
  step_id: id.optional(),
  reason: z.string().min(1).max(200).optional().describe('`none`: those without one'),
  needs_review: z.stringbool({ truthy: ['true'], falsy: ['false'] }).optional(),
});

const resolution = z.strictObject({
  outcome: z
    .enum(RESOLUTIONS)
    .describe(
      '`sent`: it arrived, go on. `not_sent`: it did not, end. `resend`: send it again, whatever happened',
    ),
  note: z.string().trim().max(2_000).optional().describe('How that is known; kept in the audit trail'),
});

export function touchRoutes({ db, versions }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/touches',
      tag,
      summary: 'List touches, those of the newest enrollments first',
      about: `${SERVED_FILTERS} Other combinations are refused, because no index serves them.`,
      scope: 'outreach:read',
      query: listQuery,
      answers: { 200: page(touch) },
      handle: async (caller, { query }) => {
        const { limit, cursor, ...filter } = query;
        const wanted = { limit, cursor };
        const { org } = caller;
        if (isSequenceOnly(filter)) return ok(await touchesOfSequence(db, org, filter.sequence_id!, wanted));
        const list = isWalked(filter) ? walkTouches : listTouches;
        return ok(await list(db, org, filter, wanted));
      },
    }),
    route({
      method: 'GET',
      path: '/api/touches/:id',
      tag,
      summary: 'Let a touch explain itself',
      about:
        'When and by whom it was planned, each decision with its rules, each attempt, every event, and what is next.',
      scope: 'outreach:read',
      params: idParams,
      answers: { 200: explanation },
      handle: async (caller, { params }) => ok(await explainTouch(db, caller.org, params.id)),
    }),
    route({
      method: 'POST',
      path: '/api/touches/:id/resolve',
      tag,
      summary: 'Say what became of a touch that is unknown',
      about:
        'Only for those in `unknown`. After `resend` the recipient may have it twice: it goes under a new key, because under the old one something may lie at the provider.',
      scope: 'outreach:write',
      params: idParams,
      body: resolution,
      answers: { 200: explanation },
      problems: ['illegal_transition', 'conflict'],
      handle: async (caller, { params, body }) =>
        ok(await resolveTouch(db, versions, caller, params.id, body)),
    }),
  ];
}
