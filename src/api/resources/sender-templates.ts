/** `/api/senders/:id/templates`: the texts that a sender's provider has approved, for WhatsApp [EXE-11]. */
import { z } from 'zod';
import { listTemplates, syncTemplates } from '../../senders/templates.ts';
import type { ApiDeps } from '../deps.ts';
import { ok, type Route, route } from '../route.ts';
import { idParams, time } from '../schemas.ts';

const tag = 'Senders';

const template = z
  .object({
    name: z.string(),
    language: z.string(),
    status: z.string().describe("The provider's word: `APPROVED`, `PENDING`, `REJECTED`, `PAUSED` …"),
    category: z.string().nullable(),
    parameter_format: z.enum(['positional', 'named']).describe('How a step fills its placeholders'),
    components: z
      .array(z.record(z.string(), z.unknown()))
      .describe('Header, body, footer and buttons, as the provider writes them'),
  })
  .meta({ id: 'SenderTemplate' });

const templates = z.object({
  synced_at: time
    .nullable()
    .describe('When they were fetched; null: never, and steps are not checked against them'),
  error: z
    .object({ detail: z.string(), since: time })
    .nullable()
    .describe('Why the last fetch failed, and since when none has succeeded; null: it did not'),
  items: z.array(template),
});

export function senderTemplateRoutes({ db, secrets, adapters }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/senders/:id/templates',
      tag,
      summary: 'The templates of a WhatsApp sender, as they were fetched last',
      scope: 'senders:read',
      params: idParams,
      answers: { 200: templates },
      handle: async (caller, { params }) => ok(await listTemplates(db, caller, params.id)),
    }),
    route({
      method: 'POST',
      path: '/api/senders/:id/templates/sync',
      tag,
      summary: 'Fetch the templates of a WhatsApp sender anew',
      about:
        'All of the account that `config.waba_id` names; by itself that happens about once an hour. From then on a step that names one is checked when it is published: that it is there, approved, in this language, and that the step fills what it has; and one that is not approved any more is not sent: the step waits.',
      scope: 'senders:write',
      params: idParams,
      answers: { 200: templates },
      problems: ['conflict', 'templates_unavailable'],
      handle: async (caller, { params }) => ok(await syncTemplates(db, secrets, adapters, caller, params.id)),
    }),
  ];
}
