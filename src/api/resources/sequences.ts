/** `/api/outreach/sequences`: drafts, publishing, switching, previews and numbers. */
import { z } from 'zod';
import { destinationsOf } from '../../app.ts';
import { CHANNEL_NAMES, MODES } from '../../kernel/channels.ts';
import { LIMITS } from '../../plan/forecast/limits.ts';
import { archiveSequence, restoreSequence } from '../../plan/sequences/archive.ts';
import {
  definitionSchema,
  exclusiveGroupSchema,
  intakeSchema,
  ON_UNSUBSCRIBE,
  reenrollSchema,
  stepSchema,
  windowSchema,
} from '../../plan/sequences/definition.ts';
import { ENROLLMENT_STATUSES } from '../../plan/sequences/lifecycle.ts';
import { previewSequence } from '../../plan/sequences/preview.ts';
import { publishSequence } from '../../plan/sequences/publish.ts';
import { UNREACHABLE_REASONS } from '../../plan/sequences/reach.ts';
import {
  createSequence,
  deleteSequence,
  getSequence,
  listSequences,
  SEQUENCE_STATUSES,
  updateSequence,
} from '../../plan/sequences/sequences.ts';
import { turnSequence } from '../../plan/switches.ts';
import { counts } from '../counts.ts';
import type { ApiDeps } from '../deps.ts';
import { receipt, waitQuery } from '../receipt.ts';
import { created, ok, type Route, route } from '../route.ts';
import { id, idParams, line, page, pageQuery, time, timeZone } from '../schemas.ts';

const tag = 'Sequences';
const path = '/api/outreach/sequences';
const fields = definitionSchema.shape;
const count = z.number().int();

const summary = z.object({
  id,
  name: z.string(),
  status: z.enum(SEQUENCE_STATUSES),
  epoch: count.describe('Rises with each pause and resume'),
  published_version: count.nullable().describe('null: never published'),
  published_at: time.nullable(),
  draft_differs: z.boolean().describe('Whether the draft says something else than what is published'),
  created_by: z.string(),
  created_at: time,
  updated_at: time,
});

/** What events do to it. */
const eventSettings = {
  goals: fields.goals.unwrap(),
  exits: fields.exits.unwrap(),
  enroll_on: fields.enroll_on.unwrap(),
  on_reply: fields.on_reply.unwrap(),
  on_reply_scope: fields.on_reply_scope.unwrap(),
};

const sequence = summary
  .extend({
    ...eventSettings,
    sender_ids: z.array(id),
    window: windowSchema.nullable(),
    time_zone: z.string().nullable(),
    exclusive_group: z.string().nullable(),
    intake: intakeSchema.nullable(),
    reenroll: reenrollSchema,
    on_unsubscribe: z
      .enum(ON_UNSUBSCRIBE)
      .describe('Of enrollments with remaining steps on that channel: `end` them, or `skip_steps`'),
    steps: z.array(stepSchema.required({ id: true, mode: true })),
    enrollments: counts(ENROLLMENT_STATUSES),
  })
  .meta({ id: 'Sequence', description: 'The draft, and how far it is from what is published' });

const patchedSettings = {
  goals: fields.goals,
  exits: fields.exits,
  enroll_on: fields.enroll_on,
  on_reply: fields.on_reply,
  on_reply_scope: fields.on_reply_scope,
};

/** As given. What is stored is answered as it stands: a zone may have been taken out of the lists since. */
const windowIn = windowSchema.extend({ time_zone: timeZone.optional() });

export const newSequence = definitionSchema.extend({
  name: line(200),
  window: windowIn.optional(),
  time_zone: timeZone.optional(),
});

const patch = z.strictObject({
  name: line(200).optional(),
  sender_ids: fields.sender_ids.unwrap().optional(),
  window: windowIn.nullable().optional(),
  time_zone: timeZone.nullable().optional(),
  reenroll: reenrollSchema.optional(),
  on_unsubscribe: fields.on_unsubscribe.unwrap().optional(),
  ...patchedSettings,
  exclusive_group: exclusiveGroupSchema.nullable().optional(),
  intake: intakeSchema.nullable().optional(),
  steps: fields.steps.unwrap().optional().describe('All steps; one that keeps its id stays the same step'),
});

const version = z.object({ id, number: count, published_by: z.string(), published_at: time });

const previewSender = z.object({
  id,
  name: z.string(),
  from: z.object({ name: z.string().nullable(), address: z.string() }),
});

const preview = z.object({
  contact_id: id,
  refused: z.enum(UNREACHABLE_REASONS).nullable().describe('Why the contact would not be enrolled at all'),
  to: z.string().nullable().describe('Of the first step'),
  sender: previewSender.nullable().describe('Of the first step; each step has its own'),
  not_counted: z
    .array(z.string())
    .describe(
      'Limits of the organization that are not counted in: `frequency_cap` of contacts, where too many wait to look at each',
    ),
  steps: z.array(
    z.object({
      step_id: id,
      step_no: count,
      key: z.string().nullable(),
      on_way: z.boolean().describe('The contact, as it is now, comes to it'),
      holds: z.boolean().nullable().describe('Its `when` or `until`, now; null: it has none'),
      arm: count.nullable().describe('Of a branch: the arm that holds now, from 1; 0: none does'),
      leads_to: count.nullable().describe('`step_no` of the step after it, as things are now; null: the end'),
      may_lead_to: z.array(count).describe('Every `step_no` it may lead to; the number of steps is the end'),
      channel: z.enum(CHANNEL_NAMES),
      mode: z.enum(MODES),
      variant: z
        .string()
        .nullable()
        .describe('The arm that is shown: the one asked for, else what the contact gets; null: no variants'),
      at: time
        .nullable()
        .describe(
          'When it would go, enrolled now behind all who wait for the same senders, if every step before it goes at its time and every wait lasts to its end',
        ),
      limit: z
        .enum(LIMITS)
        .nullable()
        .describe('What keeps it back until then beyond its delay; null: nothing does'),
      until: time.nullable().describe('Until when its window stays open; null: nothing limits it'),
      to: z.string().nullable(),
      sender: previewSender.nullable().describe('null: people do it, or there is none'),
      rotation: z
        .object({ position: count, of: count })
        .nullable()
        .describe(
          "Which of the sequence's senders for the channel: the contact's id chooses, once and for all steps",
        ),
      subject: z.string().nullable(),
      text: z.string().nullable(),
      html: z.string().nullable(),
      message: z
        .record(z.string(), z.unknown())
        .nullable()
        .describe(
          'What its provider would get, by kind: an SMS says its encoding and segments; for people, a note',
        ),
      sms: z
        .object({
          segments: count,
          encoding: z.enum(['gsm7', 'ucs2']),
          estimated_cost: z
            .object({ amount: z.string().describe('A decimal text'), currency: z.string() })
            .nullable()
            .describe("By the sender's `price`; null: it has none"),
        })
        .nullable()
        .describe('Of an SMS: what a carrier counts and bills'),
      problem: z.object({ code: z.string(), detail: z.string() }).nullable(),
    }),
  ),
});

export function sequenceRoutes(deps: ApiDeps): Route[] {
  return [...drafts(deps), ...published(deps), ...looks(deps)];
}

function drafts({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path,
      tag,
      summary: 'List sequences',
      scope: 'outreach:read',
      query: pageQuery.extend({ status: z.enum(SEQUENCE_STATUSES).optional() }),
      answers: { 200: page(summary.extend({ step_count: count })) },
      handle: async (caller, { query }) => ok(await listSequences(db, caller, query)),
    }),
    route({
      method: 'POST',
      path,
      tag,
      summary: 'Make a sequence',
      about: 'It is a draft until it is published, and may be incomplete. Steps without an id get one.',
      scope: 'outreach:write',
      body: newSequence,
      answers: { 201: sequence },
      handle: async (caller, { body }) => {
        const made = await createSequence(db, caller, body);
        return created(made, `${path}/${made.id}`);
      },
    }),
    route({
      method: 'GET',
      path: `${path}/:id`,
      tag,
      summary: 'Read a sequence',
      scope: 'outreach:read',
      params: idParams,
      answers: { 200: sequence },
      handle: async (caller, { params }) => ok(await getSequence(db, caller, params.id)),
    }),
    route({
      method: 'PATCH',
      path: `${path}/:id`,
      tag,
      summary: 'Change the draft',
      about: 'Only the fields given change. What is published stays as it is until it is published again.',
      scope: 'outreach:write',
      params: idParams,
      body: patch,
      answers: { 200: sequence },
      problems: ['conflict'],
      handle: async (caller, { params, body }) => ok(await updateSequence(db, caller, params.id, body)),
    }),
    route({
      method: 'DELETE',
      path: `${path}/:id`,
      tag,
      summary: 'Delete a sequence that nobody was ever enrolled in',
      scope: 'outreach:write',
      params: idParams,
      answers: { 204: null },
      problems: ['sequence_in_use'],
      handle: async (caller, { params }) => {
        await deleteSequence(db, caller, params.id);
        return { status: 204 };
      },
    }),
  ];
}

const reason = z.strictObject({ reason: line(500).optional() });

function published({ db, config }: ApiDeps): Route[] {
  const forbidden = destinationsOf(config);
  return [
    route({
      method: 'POST',
      path: `${path}/:id/publish`,
      tag,
      summary: 'Publish the draft as a new version',
      about:
        'Everything is checked; all problems are listed at once, each with its field. New enrollments get the new version, those under way keep theirs. Publishing an unchanged draft gives the same version again.',
      scope: 'outreach:write',
      params: idParams,
      answers: { 200: z.object({ sequence, version, changed: z.boolean() }) },
      problems: ['sequence_invalid', 'conflict'],
      handle: async (caller, { params }) => ok(await publishSequence(db, caller, params.id, forbidden)),
    }),
    ...(['pause', 'resume'] as const).map((verb) =>
      route({
        method: 'POST',
        path: `${path}/:id/${verb}`,
        tag,
        summary: verb === 'pause' ? 'Stop a sequence, at once' : 'Let its held messages go on',
        scope: 'outreach:write',
        params: idParams,
        query: waitQuery,
        body: reason,
        answers: { 200: z.object({ sequence, receipt }) },
        problems: ['sequence_not_published', 'conflict'],
        handle: async (caller, { params, query, body }) => {
          const options = { reason: body.reason, wait_ms: query.wait };
          const done = await turnSequence(db, caller, params.id, verb === 'pause', options);
          return ok({ sequence: await getSequence(db, caller, params.id), receipt: done });
        },
      }),
    ),
    route({
      method: 'POST',
      path: `${path}/:id/archive`,
      tag,
      summary: 'Put a sequence away',
      about:
        'It stops at once and takes nobody any more. Its enrollments keep their place, held. A draft has no receipt.',
      scope: 'outreach:write',
      params: idParams,
      query: waitQuery,
      body: reason,
      answers: { 200: z.object({ sequence, receipt: receipt.nullable() }) },
      problems: ['conflict'],
      handle: async (caller, { params, query, body }) =>
        ok(await archiveSequence(db, caller, params.id, { reason: body.reason, wait_ms: query.wait })),
    }),
    route({
      method: 'POST',
      path: `${path}/:id/restore`,
      tag,
      summary: 'Take an archived sequence out again',
      about: 'One that was published comes back paused: resume it to let its messages go on.',
      scope: 'outreach:write',
      params: idParams,
      answers: { 200: sequence },
      problems: ['conflict'],
      handle: async (caller, { params }) => ok(await restoreSequence(db, caller, params.id)),
    }),
  ];
}

function looks({ db, versions, publicUrl }: ApiDeps): Route[] {
  return [
    route({
      method: 'POST',
      path: `${path}/:id/preview`,
      tag,
      summary: 'What the draft would send to a contact, and when',
      about: 'A dry run: nothing is sent, no quota is used, nothing is written.',
      scope: 'outreach:read',
      params: idParams,
      body: z.strictObject({
        contact_id: id,
        variant: z.string().max(40).optional().describe('Show this arm, of every step that has it'),
      }),
      answers: { 200: preview },
      handle: async (caller, { params, body }) => {
        const unsubscribe_url = `${publicUrl()}/u/preview`;
        return ok(await previewSequence(db, versions, caller, params.id, { ...body, unsubscribe_url }));
      },
    }),
  ];
}
