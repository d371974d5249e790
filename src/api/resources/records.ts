/** `/api/records`: deals, appointments and service jobs of contacts, as another system knows them. */
import { z } from 'zod';
import { propertiesSchema } from '../../records/properties.ts';
import { RECORD_KINDS, RECORD_STATUSES } from '../../records/record-changes.ts';
import {
  type ContactRecord,
  deleteRecord,
  getRecord,
  listRecords,
  upsertRecord,
} from '../../records/records.ts';
import type { ApiDeps } from '../deps.ts';
import { created, ok, type Route, route } from '../route.ts';
import { id, idParams, line, page, pageQuery, time, timeIn } from '../schemas.ts';
import { NAMES_ONE, namedContact, namesOne, react } from './events.ts';

const tag = 'Records';
const path = '/api/records';
const MAX_AMOUNT = 1e13;

const kind = z.enum(RECORD_KINDS);
const externalId = z.string().min(1).max(255);

const statuses = Object.entries(RECORD_STATUSES)
  .map(([of, list]) => `${of}: ${list?.join(', ') ?? 'any stage'}`)
  .join('; ');

const record = z
  .object({
    id,
    kind,
    external_id: z.string(),
    contact_id: id,
    version: z.number().int().describe('Rises with each change'),
    title: z.string().nullable(),
    status: z.string().describe('Of a deal, its stage'),
    stage: z.string().nullable().describe('Of a deal; null for other kinds'),
    starts_at: time.nullable(),
    ends_at: time.nullable(),
    amount: z.number().nullable(),
    currency: z.string().nullable(),
    properties: z.record(z.string(), z.unknown()),
    created_by: z.string(),
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'Record' });

const upsert = z
  .strictObject({
    kind,
    external_id: externalId.describe('What your system calls it: unique in its kind'),
    ...namedContact,
    title: line(300).nullable().optional(),
    status: line(100).optional().describe(`${statuses}. Default the first, of a deal \`new\``),
    stage: line(100).optional().describe('The same, for a deal'),
    starts_at: timeIn.nullable().optional(),
    ends_at: timeIn.nullable().optional(),
    amount: z.number().min(-MAX_AMOUNT).max(MAX_AMOUNT).nullable().optional(),
    currency: z
      .string()
      .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code')
      .nullable()
      .optional(),
    properties: propertiesSchema.optional().describe('Replaces those it has'),
    at: timeIn
      .optional()
      .describe(
        'When it changed in your system; default now. What is older than an enrollment does not end it',
      ),
  })
  .refine(namesOne, NAMES_ONE)
  .refine((body) => body.stage === undefined || (body.kind === 'deal' && body.status === undefined), {
    message: 'Only a deal has a stage, and it is its status: give one of the two',
    path: ['stage'],
  });

const upserted = z.object({
  record,
  change: z.enum(['created', 'updated', 'unchanged']),
  event_ids: z
    .array(id)
    .describe('The events that tell the change; what they led to is at `/api/events/:id`'),
});

function shown(row: ContactRecord) {
  return { ...row, stage: row.kind === 'deal' ? row.status : null };
}

export function recordRoutes(deps: ApiDeps): Route[] {
  const { db } = deps;
  return [
    route({
      method: 'POST',
      path,
      tag,
      summary: 'Make or change a record',
      about:
        'Known by kind and external id: 201 when it is new, 200 when it was there; then only the fields given change. Each change is told as an event of its contact (`deal.stage.won`, `appointment.booked`), which goals, exits and triggers of sequences read.',
      scope: 'contacts:write',
      body: upsert,
      answers: { 200: upserted, 201: upserted },
      problems: ['not_found'],
      handle: async (caller, { body }) => {
        const { stage, ...rest } = body;
        const done = await upsertRecord(db, caller, { ...rest, status: body.status ?? stage });
        await react(deps, caller, done.event_ids);
        const answer = { ...done, record: shown(done.record) };
        return done.change === 'created' ? created(answer, `${path}/${done.record.id}`) : ok(answer);
      },
    }),
    route({
      method: 'GET',
      path,
      tag,
      summary: 'List records',
      scope: 'contacts:read',
      query: pageQuery.extend({
        kind: kind.optional(),
        contact_id: id.optional(),
        external_id: externalId.optional(),
        status: z.string().max(100).optional(),
      }),
      answers: { 200: page(record) },
      handle: async (caller, { query }) => {
        const { items, next_cursor } = await listRecords(db, caller, query);
        return ok({ items: items.map(shown), next_cursor });
      },
    }),
    route({
      method: 'GET',
      path: `${path}/:id`,
      tag,
      summary: 'Read a record',
      scope: 'contacts:read',
      params: idParams,
      answers: { 200: record },
      handle: async (caller, { params }) => ok(shown(await getRecord(db, caller, params.id))),
    }),
    route({
      method: 'DELETE',
      path: `${path}/:id`,
      tag,
      summary: 'Delete a record',
      about: 'Its events stay: they happened. The deletion is one too.',
      scope: 'contacts:write',
      params: idParams,
      answers: { 204: null },
      handle: async (caller, { params }) => {
        await react(deps, caller, await deleteRecord(db, caller, params.id));
        return { status: 204 };
      },
    }),
  ];
}
