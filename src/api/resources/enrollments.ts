/** `/api/outreach/enrollments`: contacts on their way through a sequence. */
import { z } from 'zod';
import { sql } from '../../db/sql.ts';
import { TOUCH_STATES } from '../../ledger/states.ts';
import { enrollContacts } from '../../plan/sequences/enroll.ts';
import { act, ENROLLMENT_ACTIONS, getEnrollment } from '../../plan/sequences/enrollments.ts';
import { ENROLLMENT_STATUSES } from '../../plan/sequences/lifecycle.ts';
import type { ApiDeps } from '../deps.ts';
import { receipt, waitQuery } from '../receipt.ts';
import { ok, type Route, route } from '../route.ts';
import { id, idParams, time } from '../schemas.ts';

const tag = 'Enrollments';
const path = '/api/outreach/enrollments';
const enrollment = z
  .object({
    id,
    sequence_id: id,
    version_id: id,
    contact_id: id,
    sender_id: id,
    status: z.enum(ENROLLMENT_STATUSES),
    status_reason: z.string().nullable(),
    step_no: z.number().int(),
    step_id: id,
    generation: z.number().int(),
    live_touch: id,
    touch_state: z.enum(TOUCH_STATES),
    due_at: time.nullable(),
    enrolled_by: z.string(),
    ended_by: z.string().nullable(),
    created_at: time,
    updated_at: time,
    ended_at: time.nullable(),
  })
  .meta({ id: 'Enrollment' });

export function enrollmentRoutes({ db, versions }: ApiDeps): Route[] {
  return [
    route({
      method: 'POST',
      path,
      tag,
      summary: 'Enroll contacts',
      scope: 'outreach:write',
      body: z.strictObject({ sequence_id: z.uuid(), contact_ids: z.array(z.uuid()).min(1).max(500) }),
      answers: {
        200: z.object({ enrolled: z.number(), results: z.array(z.record(z.string(), z.unknown())) }),
      },
      problems: ['sequence_not_published', 'not_found', 'conflict'],
      async handle(caller, { body }) {
        const results = await enrollContacts(db, versions, caller, body);
        return ok({ enrolled: results.filter((r) => r.result === 'enrolled').length, results });
      },
    }),
    route({
      method: 'GET',
      path,
      tag,
      summary: 'List enrollments',
      scope: 'outreach:read',
      answers: { 200: z.object({ items: z.array(enrollment) }) },
      async handle(caller) {
        const rows = await db.inOrg(caller.org, (tx) =>
          tx.rows(sql`SELECT id FROM enrollments WHERE org_id = ${caller.org} ORDER BY id LIMIT 50`),
        );
        return ok({ items: await Promise.all(rows.map((row) => getEnrollment(db, caller.org, row.id))) });
      },
    }),
    route({
      method: 'PATCH',
      path: `${path}/:id`,
      tag,
      summary: 'Pause, resume, advance, unenroll or restart',
      scope: 'outreach:write',
      params: idParams,
      query: waitQuery,
      body: z.strictObject({ action: z.enum(ENROLLMENT_ACTIONS), reason: z.string().max(500).optional() }),
      answers: { 200: z.object({ enrollment, receipt }) },
      problems: ['illegal_transition', 'touch_in_flight', 'enrollment_refused', 'conflict'],
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
