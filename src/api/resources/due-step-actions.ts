/** What people do with a step that waits for them: write, start, do, skip, put off, hand over. */
import { z } from 'zod';
import { EXECUTED, executeStep, executeWaiting } from '../../dispatch/people/act.ts';
import { type Drafting, draftStep, FALLBACKS } from '../../dispatch/people/draft-with-model.ts';
import { getDueStep } from '../../dispatch/people/due-steps.ts';
import { ALL_OUTCOMES, completeStep, startStep } from '../../dispatch/people/outside.ts';
import { reassignStep, skipStep, snoozeStep } from '../../dispatch/people/put-off.ts';
import { writeDraft } from '../../dispatch/people/write-draft.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { DRAFT_SOURCES } from '../../plan/sequences/steps/draft.ts';
import type { Caller } from '../../tenancy/roles.ts';
import type { ApiDeps } from '../deps.ts';
import { dueStep } from '../due-step.ts';
import { enrollment } from '../enrollment.ts';
import { ok, type Route, route } from '../route.ts';
import { id, idParams, line, timeIn } from '../schemas.ts';

const tag = 'Due steps';
const path = '/api/outreach/due-steps/:id';

/** As long as a template may be. */
const content = z
  .strictObject({
    subject: line(998).nullable().optional(),
    text: z.string().max(200_000).nullable().optional(),
    html: z.string().max(200_000).nullable().optional(),
  })
  .describe('In place of the template, sent as it stands. A part that is left out is the template’s');

const outcome = {
  outcome: z
    .enum(ALL_OUTCOMES)
    .optional()
    .describe('What came of it, where people do it themselves; each channel has its own. Absent: `done`'),
  note: z.string().trim().max(2_000).optional(),
};

const execution = z.strictObject({ content: content.optional(), ...outcome });

const executed = z
  .object({
    result: z
      .enum(EXECUTED)
      .describe('`unknown`: the provider’s answer is missing; it is looked into. `failed`: refused for good'),
    repeated: z.boolean().describe('It had been let go before; nothing was sent now'),
    due_step: dueStep,
    enrollment,
  })
  .meta({ id: 'ExecutedStep' });

/** A POST that answers with the step as it is then. */
function action<B extends z.ZodType>(
  { engine }: ApiDeps,
  name: string,
  described: { summary: string; about?: string; body: B },
  act: (caller: Caller, id: Uuid, body: z.output<B>) => Promise<void>,
): Route {
  return route({
    method: 'POST',
    path: `${path}/${name}`,
    tag,
    ...described,
    scope: 'outreach:write',
    params: idParams,
    answers: { 200: dueStep },
    problems: ['step_refused'],
    handle: async (caller, { params, body }) => {
      await act(caller, params.id, body as z.output<B>);
      return ok(await getDueStep(engine, caller.org, params.id));
    },
  });
}

function draftRoute({ engine, config }: ApiDeps): Route {
  const { drafting_url: url, drafting_api_key: key, drafting_model: model } = config;
  const drafting: Drafting | null =
    url === undefined
      ? null
      : {
          model: { url, key, model, timeout_ms: config.drafting_timeout_ms },
          daily_tokens: config.drafting_daily_tokens,
        };
  return route({
    method: 'POST',
    path: `${path}/draft`,
    tag,
    summary: 'Write its text, or have it drafted',
    about:
      'With `content`: kept until it goes, over a pause too; an empty one brings the template back. Without: a language model drafts it where one is configured, else it stays as it is and `drafting.fallback` says why. Nothing is sent.',
    scope: 'outreach:write',
    params: idParams,
    body: z.strictObject({ content: content.optional() }),
    answers: {
      200: dueStep.extend({
        drafting: z
          .object({
            source: z.enum(['template', ...DRAFT_SOURCES]),
            fallback: z.enum(FALLBACKS).nullable().describe('Why the model did not write it'),
          })
          .nullable()
          .describe('null: a person wrote it'),
      }),
    },
    problems: ['step_refused'],
    handle: async (caller, { params, body }) => {
      if (body.content) await writeDraft(engine, caller, params.id, body.content);
      const drafted = body.content ? null : await draftStep(engine, drafting, caller, params.id);
      return ok({ ...(await getDueStep(engine, caller.org, params.id)), drafting: drafted });
    },
  });
}

function executeRoutes({ engine }: ApiDeps): Route[] {
  const about =
    'A message goes through the same gate as a worker’s, and is sent and settled in this request. What was stopped meanwhile is 409 `step_refused` with the reason: nothing is sent, and `content` is kept. A second time sends nothing and tells what became of it. A call, a LinkedIn message or a task is recorded as done; only these take `outcome` and `note`.';
  return [
    route({
      method: 'POST',
      path: `${path}/execute`,
      tag,
      summary: 'Send it, or record it as done',
      about,
      scope: 'outreach:write',
      params: idParams,
      body: execution,
      answers: { 200: executed },
      problems: ['step_refused'],
      handle: async (caller, { params, body }) => ok(await executeStep(engine, caller, params.id, body)),
    }),
    route({
      method: 'POST',
      path: '/api/outreach/enrollments/:id/execute',
      tag,
      summary: 'Do the step that an enrollment waits for',
      about,
      scope: 'outreach:write',
      params: idParams,
      body: execution,
      answers: { 200: executed },
      problems: ['step_refused'],
      handle: async (caller, { params, body }) => ok(await executeWaiting(engine, caller, params.id, body)),
    }),
  ];
}

export function dueStepActionRoutes(deps: ApiDeps): Route[] {
  const { engine } = deps;
  return [
    draftRoute(deps),
    action(
      deps,
      'start',
      {
        summary: 'Take up what people do themselves',
        about: 'Passes the gate: whoever has opted out, or was stopped, is not called.',
        body: z.strictObject({}),
      },
      (caller, step) => startStep(engine, caller, step),
    ),
    action(
      deps,
      'complete',
      {
        summary: 'Tell what came of it',
        about:
          'For what people do themselves; its enrollment goes on. After a stop it records the truth and advances nothing. A second time changes nothing: another outcome or note is 409 `step_refused` with reason `already_completed`, and what was told first, by whom and when.',
        body: z.strictObject(outcome),
      },
      (caller, step, body) => completeStep(engine, caller, step, body),
    ),
    action(
      deps,
      'skip',
      {
        summary: 'Skip it: its enrollment goes on with the next step',
        body: z.strictObject({ reason: line(500).optional() }),
      },
      (caller, step, body) => skipStep(engine, caller, step, body.reason),
    ),
    action(
      deps,
      'snooze',
      { summary: 'Put it off until another time', body: z.strictObject({ until: timeIn }) },
      (caller, step, body) => snoozeStep(engine, caller, step, body.until),
    ),
    action(
      deps,
      'reassign',
      {
        summary: 'Give it to a member, or to nobody',
        about: 'With it go the later steps of its enrollment that wait for people.',
        body: z.strictObject({ member_id: id.nullable() }),
      },
      (caller, step, body) => reassignStep(engine, caller, step, body.member_id),
    ),
    ...executeRoutes(deps),
  ];
}
