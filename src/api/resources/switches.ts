/** `/api/switches`: the kill switches of the organization and of its channels (EXE-15). */
import { z } from 'zod';
import { OUTREACH_CHANNELS } from '../../kernel/channels.ts';
import { listSwitches, SWITCH_CLASSES, turn } from '../../plan/switches.ts';
import type { ApiDeps } from '../deps.ts';
import { receipt, waitQuery } from '../receipt.ts';
import { ok, type Route, route } from '../route.ts';
import { line, time } from '../schemas.ts';

const tag = 'Switches';

const oneSwitch = z
  .object({
    class: z.enum(SWITCH_CLASSES),
    id: z.string().describe('The organization, or the name of the channel'),
    paused: z.boolean(),
    epoch: z.number().int().describe('Rises with each change'),
    updated_at: time.nullable().describe('null: never switched'),
  })
  .meta({ id: 'Switch' });

const change = z.strictObject({
  class: z.enum(SWITCH_CLASSES),
  id: z
    .string()
    .max(64)
    .optional()
    .describe(`A channel: ${OUTREACH_CHANNELS.join(', ')}`),
  paused: z.boolean().describe('true stops, false lets the same messages go on'),
  reason: line(500).optional(),
});

export function switchRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/switches',
      tag,
      summary: 'List the kill switches',
      about: 'Senders and sequences have their own: `…/pause` and `…/resume`.',
      scope: 'outreach:read',
      answers: { 200: z.object({ items: z.array(oneSwitch) }) },
      handle: async (caller) => ok({ items: await listSwitches(db, caller) }),
    }),
    route({
      method: 'POST',
      path: '/api/switches',
      tag,
      summary: 'Stop or resume the organization or a channel',
      about: 'One row changes, with effect at once, however much is queued. Repeating it is no error.',
      scope: 'outreach:write',
      query: waitQuery,
      body: change,
      answers: { 200: z.object({ receipt }) },
      problems: ['not_found'],
      handle: async (caller, { query, body }) =>
        ok({ receipt: await turn(db, caller, body, { reason: body.reason, wait_ms: query.wait }) }),
    }),
  ];
}
