/** `/api/segments`: saved conditions, who is in them and how many. */
import { z } from 'zod';
import { searchContacts } from '../../contacts/search-contacts.ts';
import { conditionSchema } from '../../contacts/segments/condition.ts';
import {
  countContacts,
  countSegment,
  createSegment,
  deleteSegment,
  getSegment,
  listSegments,
  requireFitting,
  updateSegment,
} from '../../contacts/segments/segments.ts';
import type { ApiDeps } from '../deps.ts';
import { created, ok, type Route, route } from '../route.ts';
import { id, idParams, line, page, pageQuery, time } from '../schemas.ts';
import { contact } from './contacts.ts';

const tag = 'Segments';
const path = '/api/segments';
/** Contacts that a preview shows. */
const SHOWN = 10;

const segment = z
  .object({
    id,
    name: z.string(),
    condition: z.unknown().describe('As it was written; see docs/segments.md'),
    created_by: z.string(),
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'Segment' });

const counted = z.object({ contacts: z.number().int() });

export function segmentRoutes(deps: ApiDeps): Route[] {
  return [...savedRoutes(deps), ...oneRoutes(deps), ...askingRoutes(deps)];
}

function savedRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path,
      tag,
      summary: 'List segments by name',
      scope: 'contacts:read',
      query: pageQuery,
      answers: { 200: page(segment) },
      handle: async (caller, { query }) => ok(await listSegments(db, caller, query)),
    }),
    route({
      method: 'POST',
      path,
      tag,
      summary: 'Save a condition as a segment',
      about:
        'What does not fit the attributes of the organization is refused, with every mistake at its place.',
      scope: 'contacts:write',
      body: z.strictObject({ name: line(200), condition: conditionSchema }),
      answers: { 201: segment },
      problems: ['conflict'],
      handle: async (caller, { body }) => {
        const made = await createSegment(db, caller, body);
        return created(made, `${path}/${made.id}`);
      },
    }),
    route({
      method: 'POST',
      path: `${path}/preview`,
      tag,
      summary: 'Show whom a condition would choose',
      about: `How many there are, and the newest ${SHOWN}. Nothing is saved.`,
      scope: 'contacts:read',
      body: z.strictObject({ condition: conditionSchema }),
      answers: { 200: counted.extend({ items: z.array(contact) }) },
      handle: async (caller, { body: { condition } }) => {
        const contacts = await db.inOrg(caller.org, async (tx) => {
          await requireFitting(tx, caller, condition);
          return countContacts(tx, caller.org, condition);
        });
        const { items } = await searchContacts(db, caller, { condition }, { limit: SHOWN });
        return ok({ contacts, items });
      },
    }),
  ];
}

function oneRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: `${path}/:id`,
      tag,
      summary: 'Read a segment',
      scope: 'contacts:read',
      params: idParams,
      answers: { 200: segment },
      handle: async (caller, { params }) => ok(await getSegment(db, caller, params.id)),
    }),
    route({
      method: 'PATCH',
      path: `${path}/:id`,
      tag,
      summary: 'Rename a segment or change its condition',
      scope: 'contacts:write',
      params: idParams,
      body: z.strictObject({ name: line(200).optional(), condition: conditionSchema.optional() }),
      answers: { 200: segment },
      problems: ['conflict'],
      handle: async (caller, { params, body }) => ok(await updateSegment(db, caller, params.id, body)),
    }),
    route({
      method: 'DELETE',
      path: `${path}/:id`,
      tag,
      summary: 'Delete a segment',
      about: 'Whoever was enrolled from it stays enrolled.',
      scope: 'contacts:write',
      params: idParams,
      answers: { 204: null },
      handle: async (caller, { params }) => {
        await deleteSegment(db, caller, params.id);
        return { status: 204 };
      },
    }),
  ];
}

function askingRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: `${path}/:id/contacts`,
      tag,
      summary: 'List who is in a segment now, newest first',
      scope: 'contacts:read',
      params: idParams,
      query: pageQuery,
      answers: { 200: page(contact) },
      handle: async (caller, { params, query }) =>
        ok(await searchContacts(db, caller, { segment_id: params.id }, query)),
    }),
    route({
      method: 'GET',
      path: `${path}/:id/count`,
      tag,
      summary: 'Count who is in a segment now',
      scope: 'contacts:read',
      params: idParams,
      answers: { 200: counted },
      handle: async (caller, { params }) => ok({ contacts: await countSegment(db, caller, params.id) }),
    }),
  ];
}
