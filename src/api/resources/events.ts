/** `/api/events`: what happened to contacts, told and read back with what it led to. */
import { z } from 'zod';
import { reactNow } from '../../plan/sequences/react.ts';
import { REACTION_NAMES } from '../../plan/sequences/reactions/reaction.ts';
import { EVENT_NAME, MESSAGE_EVENTS } from '../../records/event-names.ts';
import { getEvent, listEvents, REACTION_RESULTS } from '../../records/events.ts';
import { propertiesSchema } from '../../records/properties.ts';
import {
  EVENT_REFUSALS,
  MAX_EVENTS,
  type ToldEvent,
  tellEvent,
  tellEvents,
} from '../../records/tell-events.ts';
import type { Caller } from '../../tenancy/roles.ts';
import type { ApiDeps } from '../deps.ts';
import { type Answer, created, ok, type Route, route } from '../route.ts';
import { id, idParams, page, pageQuery, time, timeIn } from '../schemas.ts';

const tag = 'Events';
const path = '/api/events';
/** What the external ids of this way of telling belong to. */
export const SOURCE = 'api';
const BODY_BYTES = 4 * 1024 * 1024;

const eventName = z
  .string()
  .regex(EVENT_NAME, 'must be lower-case letters, digits and any of _ . : -, at most 100');

const reaction = z.object({
  reaction: z.enum(REACTION_NAMES).describe('`note`: it stands in the events of the touch it answers'),
  reason: z
    .string()
    .nullable()
    .describe('By which rule: `goal:…`, `exit:…`, `replied`, the name of the trigger'),
  result: z.enum(REACTION_RESULTS),
  detail: z.string().nullable().describe('Why it was not done'),
  contact_id: id.nullable(),
  sequence_id: id.nullable(),
  enrollment_id: id.nullable(),
  receipt_id: id.nullable().describe('Of a stop, at `/api/receipts/:id`'),
  at: time,
});

const event = z
  .object({
    id,
    contact_id: id,
    name: z.string(),
    at: time.describe('When it happened'),
    source: z.string(),
    external_id: z.string().nullable(),
    touch_id: id.nullable(),
    properties: z.record(z.string(), z.unknown()),
    told_by: z.string(),
    created_at: time.describe('When it was told'),
    reacted_at: time.nullable().describe('When all it led to was carried out; null: not yet'),
  })
  .meta({ id: 'ContactEvent' });

const detail = event.extend({ reactions: z.array(reaction) });

export const namedContact = {
  contact_id: id.optional(),
  contact_external_id: z.string().min(1).max(255).optional(),
  email: z.string().max(320).optional(),
};

/** One way of naming a contact at most. */
export function namesOne(body: { [K in keyof typeof namedContact]?: unknown }): boolean {
  return Object.keys(namedContact).filter((key) => body[key as 'email'] !== undefined).length <= 1;
}
export const NAMES_ONE = {
  message: `Name the contact by one of ${Object.keys(namedContact).join(', ')}`,
  path: ['contact_id'],
};

const newEvent = z
  .strictObject({
    ...namedContact,
    touch_id: id.optional().describe('The touch it answers; names the contact too'),
    name: eventName.describe(
      `Any name of your own, of a record (\`deal.created\`), or of what comes back from a message: ${Object.keys(MESSAGE_EVENTS).join(', ')}`,
    ),
    at: timeIn.optional().describe('When it happened; default now'),
    external_id: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe(
        'What you call it: told again, it is answered and not written again. Another contact or name under it is refused as `other_event`',
      ),
    properties: propertiesSchema.optional(),
  })
  .refine(namesOne, NAMES_ONE);

export const eventBody = z.union([
  newEvent,
  z.strictObject({ events: z.array(newEvent).min(1).max(MAX_EVENTS) }),
]);

const results = z.object({
  recorded: z.number().int(),
  duplicates: z.number().int(),
  refused: z.number().int(),
  results: z
    .array(
      z.object({
        result: z.enum(['recorded', 'duplicate', 'refused']),
        event_id: id.nullable(),
        contact_id: id.nullable(),
        reason: z.enum(EVENT_REFUSALS).nullable(),
      }),
    )
    .describe('One for each entry of the request, in its order'),
});

function reactDeps({ db, versions, logger }: ApiDeps) {
  return { db, versions, log: logger };
}

/** What was stored is acknowledged, whatever becomes of its reactions. */
export async function react(deps: ApiDeps, caller: Caller, ids: readonly string[]): Promise<void> {
  await reactNow(reactDeps(deps), caller.org, ids);
}

async function tellOne(deps: ApiDeps, caller: Caller, one: ToldEvent): Promise<Answer> {
  const told = await tellEvent(deps.db, caller, SOURCE, one);
  if (told.result === 'recorded') await react(deps, caller, [told.event_id]);
  const found = await getEvent(deps.db, caller, told.event_id);
  return told.result === 'recorded' ? created(found, `${path}/${found.id}`) : ok(found);
}

async function tellMany(deps: ApiDeps, caller: Caller, events: readonly ToldEvent[]): Promise<Answer> {
  const told = await tellEvents(deps.db, caller, SOURCE, events);
  const recorded = told.flatMap((one) => (one.result === 'recorded' ? [one.event_id] : []));
  await react(deps, caller, recorded);
  const count = (result: string) => told.filter((one) => one.result === result).length;
  return ok({
    recorded: recorded.length,
    duplicates: count('duplicate'),
    refused: count('refused'),
    results: told,
  });
}

export function eventRoutes(deps: ApiDeps): Route[] {
  const { db } = deps;
  return [
    route({
      method: 'POST',
      path,
      tag,
      summary: 'Tell what happened to a contact',
      about: `One event: 201 with the event and what it led to; 200 when it had been told before. Up to ${MAX_EVENTS} in \`events\`: 200 with a result for each. It is stored first: what it leads to is carried out at once where there is time, and otherwise a moment later.`,
      scope: 'contacts:write',
      body: eventBody,
      bodyLimit: BODY_BYTES,
      answers: { 200: z.union([detail, results]), 201: detail },
      problems: ['not_found', 'conflict'],
      handle: (caller, { body: given }) =>
        'events' in given ? tellMany(deps, caller, given.events) : tellOne(deps, caller, given),
    }),
    route({
      method: 'GET',
      path,
      tag,
      summary: 'List events, told last first',
      scope: 'contacts:read',
      query: pageQuery.extend({ contact_id: id.optional(), name: eventName.optional() }),
      answers: { 200: page(event) },
      handle: async (caller, { query }) => ok(await listEvents(db, caller, query)),
    }),
    route({
      method: 'GET',
      path: `${path}/:id`,
      tag,
      summary: 'Read an event, and what it led to',
      scope: 'contacts:read',
      params: idParams,
      answers: { 200: detail },
      handle: async (caller, { params }) => ok(await getEvent(db, caller, params.id)),
    }),
  ];
}
