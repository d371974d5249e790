/** `/api/outreach/sequences/:id/send-test`: a step of a sequence, to whoever asks. */
import { z } from 'zod';
import { sendTest } from '../../dispatch/send-test.ts';
import type { ApiDeps } from '../deps.ts';
import { ok, type Route, route } from '../route.ts';
import { id, idParams, line } from '../schemas.ts';
import { TEST_LINK } from '../unsubscribe-page.ts';
import { mailResult } from './me.ts';

const wanted = z.strictObject({
  step: line(100).describe('The key or the id of the step'),
  contact_id: id.optional().describe('Whose values it is composed with; absent: a contact that is made up'),
  sender_id: id.optional().describe('Absent: the one that the contact would get'),
  variant: z.string().max(40).optional().describe('Absent: the arm that the contact would get'),
  version: z.enum(['draft', 'published']).optional().describe('Absent: the draft'),
});

export function sequenceTestRoutes({ engine, publicUrl }: ApiDeps): Route[] {
  return [
    route({
      method: 'POST',
      path: '/api/outreach/sequences/:id/send-test',
      tag: 'Sequences',
      summary: 'Send a step to yourself, as a test',
      about:
        'To your own verified address (`/api/me`) and to no other; the contact gets nothing, and its enrollments and limits do not change. It uses quota of its sender, goes under the same switches as everything else, and nothing is tried again. Subjects and texts begin with `[Test]`; the unsubscribe link in it unsubscribes nobody.',
      scope: 'outreach:write',
      params: idParams,
      body: wanted,
      answers: {
        200: mailResult.extend({
          step_id: id,
          step_no: z.number().int(),
          variant: z.string().nullable(),
          subject: z.string().nullable(),
        }),
      },
      problems: [
        'no_member',
        'no_verified_address',
        'member_mail_refused',
        'step_not_testable',
        'sequence_not_published',
      ],
      handle: async (caller, { params, body }) =>
        ok(await sendTest(engine, caller, params.id, body, `${publicUrl()}/u/${TEST_LINK}`)),
    }),
  ];
}
