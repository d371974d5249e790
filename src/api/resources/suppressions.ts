/** The suppression list: addresses nothing may be sent to. */
import { Readable } from 'node:stream';
import { z } from 'zod';
import {
  addSuppression,
  listSuppressions,
  removeSuppression,
  SUPPRESSION_REASONS,
} from '../../contacts/suppression.ts';
import {
  exportSuppressions,
  importSuppressions,
  readSuppressionFile,
} from '../../contacts/suppression-csv.ts';
import { SUPPRESSION_KINDS } from '../../kernel/channels.ts';
import type { ApiDeps } from '../deps.ts';
import { created, ok, type Route, route } from '../route.ts';
import { id, line, page, pageQuery, time } from '../schemas.ts';
import { fieldsOf, receiveFile } from '../upload.ts';

const tag = 'Suppressions';

const kind = z.enum(SUPPRESSION_KINDS);
const reason = z.enum(SUPPRESSION_REASONS);
const country = z.string().max(2).optional().describe('ISO 3166 code for phone numbers without +');

const importFields = { reason: reason.optional(), default_country: country };

const suppression = z
  .object({
    kind,
    address: z.string(),
    reason,
    source: z.string(),
    contact_id: id.nullable(),
    touch_id: id.nullable(),
    created_at: time,
  })
  .meta({ id: 'Suppression' });

const newSuppression = z.strictObject({
  kind,
  address: z.string().max(1_000),
  reason: reason.optional(),
  source: line(200).optional().describe('Where it came from; default who adds it'),
  default_country: country,
});

const removal = z.strictObject({
  kind,
  address: z.string().max(1_000),
  why: line(1_000).optional().describe('Needed unless it was suppressed by hand'),
  default_country: country,
});

const filter = pageQuery.extend({
  kind: kind.optional(),
  reason: reason.optional(),
  q: z.string().max(300).optional().describe('Beginning of the address'),
});

const imported = z.object({
  rows: z.number().int(),
  added: z.number().int(),
  already: z.number().int(),
  refused_rows: z.number().int(),
  refused: z.array(z.object({ row: z.number().int(), value: z.string(), message: z.string() })),
});

export function suppressionRoutes(deps: ApiDeps): Route[] {
  return [...listRoutes(deps), ...fileRoutes(deps)];
}

function listRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/suppressions',
      tag,
      summary: 'List suppressed addresses',
      scope: 'contacts:read',
      query: filter,
      answers: { 200: page(suppression) },
      handle: async (caller, { query: { kind: of, reason: why, q, ...wanted } }) =>
        ok(await listSuppressions(db, caller, { kind: of, reason: why, q }, wanted)),
    }),
    route({
      method: 'POST',
      path: '/api/suppressions',
      tag,
      summary: 'Suppress an address',
      about: 'An address suppressed for a stronger reason keeps that one.',
      scope: 'contacts:write',
      body: newSuppression,
      answers: { 201: suppression },
      handle: async (caller, { body }) => created(await addSuppression(db, caller, body)),
    }),
    route({
      method: 'POST',
      path: '/api/suppressions/remove',
      tag,
      summary: 'Take an address off the list',
      about:
        'Not one that unsubscribed: that takes a re-consent of the person, `POST /api/contacts/:id/consents`.',
      scope: 'contacts:write',
      body: removal,
      answers: { 204: null },
      problems: ['not_found', 'conflict'],
      handle: async (caller, { body }) => {
        await removeSuppression(db, caller, body);
        return { status: 204 };
      },
    }),
  ];
}

function fileRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/suppressions/export',
      tag,
      summary: 'Download the suppression list',
      about:
        "Cells that a spreadsheet would run as a formula begin with `'`; importing the file takes it away again.",
      scope: 'contacts:read',
      answers: { 200: { media: 'text/csv', about: 'All of it, as CSV' } },
      handle: async (caller) => ({
        status: 200,
        body: Readable.from(exportSuppressions(db, caller)),
        headers: { 'content-disposition': 'attachment; filename="suppressions.csv"' },
      }),
    }),
    route({
      method: 'POST',
      path: '/api/suppressions/import',
      tag,
      summary: 'Add the addresses of a CSV file',
      about:
        '`multipart/form-data` with the file in `file`; columns `address`, `email` or `phone`, and `kind`, `reason`, `source` if there are such. It only ever adds.',
      scope: 'contacts:write',
      upload: importFields,
      answers: { 200: imported },
      problems: ['import_unreadable'],
      handle: async (caller, { request }) => {
        const { result, fields } = await receiveFile(request, {
          store: (_name, source) => readSuppressionFile(source),
        });
        const settings = fieldsOf(importFields, fields);
        return ok(await importSuppressions(db, caller, result, settings));
      },
    }),
  ];
}
