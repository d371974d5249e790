/** Imports of contacts from CSV files. */
import { Readable } from 'node:stream';
import { z } from 'zod';
import { errorsCsv } from '../../contacts/import/errors-csv.ts';
import {
  cancelImport,
  EXISTING_POLICIES,
  getImport,
  IMPORT_STATUSES,
  type ImportRecord,
  listImports,
  progressOf,
} from '../../contacts/import/import.ts';
import { previewImport } from '../../contacts/import/preview.ts';
import { startImport } from '../../contacts/import/start.ts';
import { discardImport, uploadImport } from '../../contacts/import/upload.ts';
import { Problem } from '../../kernel/problem.ts';
import type { Caller } from '../../tenancy/roles.ts';
import type { ApiDeps } from '../deps.ts';
import { accepted, ok, type Route, route } from '../route.ts';
import { id, idParams, page, pageQuery, time } from '../schemas.ts';
import { fieldsOf, jsonField, receiveFile } from '../upload.ts';

const tag = 'Imports';

const columnMapping = z.object({
  column: z.string(),
  field: z.string().nullable().describe('A field of the contact, `attributes.<key>`, or null: left out'),
  confidence: z.enum(['high', 'medium', 'low', 'given']),
});

const counted = z.record(z.string(), z.number().int());

const importRecord = z
  .object({
    id,
    import_id: id,
    status: z.enum(IMPORT_STATUSES),
    filename: z.string(),
    bytes: z.number().int(),
    progress: z.number().describe('Share of the file that is imported, 0 to 1'),
    encoding: z.string().nullable(),
    delimiter: z.string().nullable(),
    header: z.array(z.string()),
    mapping: z.array(columnMapping),
    identity: z.enum(['email', 'phone', 'external_id']),
    existing: z.enum(EXISTING_POLICIES),
    tags: z.array(z.string()),
    default_country: z.string().nullable(),
    counts: z.object({
      rows: z.number().int(),
      created: z.number().int(),
      updated: z.number().int(),
      unchanged: z.number().int().describe('Existing contacts to which the row brought nothing new'),
      skipped: z.number().int().describe('Existing contacts left alone, as `existing` says'),
      duplicates: z.number().int().describe('Rows whose identity an earlier row of the file had'),
      refused: counted.describe('Rows that became no contact, by reason'),
      warnings: counted.describe('Cells left out of rows that were imported, by reason'),
    }),
    error: z.string().nullable(),
    created_at: time,
    started_at: time.nullable(),
    ended_at: time.nullable(),
  })
  .meta({ id: 'Import' });

const rowProblem = z.object({ code: z.string(), field: z.string().nullable(), message: z.string() });

const preview = z
  .object({
    mapping: z.array(columnMapping),
    new_attributes: z.array(z.string()).describe('Attributes that the import would define, as text'),
    rows: z.array(
      z.object({
        row: z.number().int().describe('As a spreadsheet counts: the header is row 1'),
        cells: z.array(z.string()),
        contact: z.looseObject({}).nullable(),
        existing_id: id.nullable(),
        refused: rowProblem.nullable(),
        warnings: z.array(rowProblem),
      }),
    ),
    tried: z
      .object({ rows: z.number().int(), refused: z.number().int(), with_warnings: z.number().int() })
      .describe('Of the first rows of the file'),
  })
  .meta({ id: 'ImportPreview' });

const settings = z.strictObject({
  mapping: z
    .record(z.string().max(300), z.string().max(300).nullable())
    .optional()
    .describe(
      '`{"E-mail": "email"}` or `{"email": "E-mail"}`; columns not in it are left out. Default: the guess',
    ),
  identity: z
    .enum(['email', 'phone', 'external_id'])
    .optional()
    .describe('What tells contacts apart; default email'),
  existing: z
    .enum(EXISTING_POLICIES)
    .optional()
    .describe('What happens to contacts already there; default skip'),
  tags: z.array(z.string().max(200)).max(100).optional(),
  default_country: z
    .string()
    .max(2)
    .nullable()
    .optional()
    .describe('ISO 3166 code for phone numbers without +'),
});

/** The same as fields of a form. */
const formFields = {
  mapping: jsonField(settings.shape.mapping),
  identity: settings.shape.identity,
  existing: settings.shape.existing,
  tags: z.preprocess(
    (text) => (typeof text === 'string' && !text.trimStart().startsWith('[') ? text.split(',') : text),
    jsonField(settings.shape.tags),
  ),
  default_country: settings.shape.default_country,
  start: z.enum(['true', 'false']).optional(),
};

function shown(record: ImportRecord) {
  const { next_byte: _byte, next_row: _row, created_by: _by, ...rest } = record;
  return { ...rest, import_id: record.id, progress: progressOf(record) };
}

export function importRoutes(deps: ApiDeps): Route[] {
  return [uploadRoute(deps), ...readRoutes(deps), ...actRoutes(deps)];
}

function uploadRoute({ db }: ApiDeps): Route {
  return route({
    method: 'POST',
    path: '/api/contacts/import',
    tag,
    summary: 'Import contacts from a CSV file',
    about: `\`multipart/form-data\` with the file in \`file\` and, as text fields, \`mapping\` (JSON), \`identity\`,
\`existing\`, \`tags\` (JSON or separated by commas), \`default_country\`. It starts at once; with \`start=false\` the
file is only stored and looked at: see its guessed mapping, \`POST /api/imports/:id/preview\`, then
\`POST /api/imports/:id/start\`. UTF-8, UTF-16 and Windows-1252; commas, semicolons, tabs or bars.`,
    scope: 'contacts:write',
    upload: formFields,
    answers: { 202: importRecord },
    problems: ['import_unreadable', 'conflict'],
    handle: async (caller, { request }) => {
      const received = await receiveFile(request, {
        store: (filename, source) => uploadImport(db, caller, { filename, source }),
        discard: ({ id: stored }) => discardImport(db, caller, stored),
      });
      return accepted(...(await beginOrDiscard(caller, received)));
    },
  });

  /** Wrong settings leave nothing behind. */
  async function beginOrDiscard(
    caller: Caller,
    { result, fields }: { result: ImportRecord; fields: Record<string, string> },
  ): Promise<[unknown, string]> {
    const location = `/api/imports/${result.id}`;
    try {
      const { start, ...wanted } = fieldsOf(formFields, fields);
      if (start === 'false') return [shown(result), location];
      return [shown(await startImport(db, caller, { ...wanted, import_id: result.id })), location];
    } catch (error) {
      if (error instanceof Problem) await discardImport(db, caller, result.id);
      throw error;
    }
  }
}

function readRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/imports',
      tag,
      summary: 'List imports',
      scope: 'contacts:read',
      query: pageQuery,
      answers: { 200: page(importRecord) },
      handle: async (caller, { query }) => {
        const { items, next_cursor } = await listImports(db, caller, query);
        return ok({ items: items.map(shown), next_cursor });
      },
    }),
    route({
      method: 'GET',
      path: '/api/imports/:id',
      tag,
      summary: 'Read an import and its progress',
      scope: 'contacts:read',
      params: idParams,
      answers: { 200: importRecord },
      handle: async (caller, { params }) => ok(shown(await getImport(db, caller, params.id))),
    }),
    route({
      method: 'GET',
      path: '/api/imports/:id/errors',
      tag,
      summary: 'Download the rows that were refused, warned about or found twice',
      about: 'The original cells, with the reason before them. Corrected, the file can be imported as it is.',
      scope: 'contacts:read',
      params: idParams,
      answers: { 200: { media: 'text/csv', about: 'The rows, as CSV' } },
      handle: async (caller, { params }) => ({
        status: 200,
        body: Readable.from(await errorsCsv(db, caller, params.id)),
        headers: { 'content-disposition': `attachment; filename="import-${params.id}-errors.csv"` },
      }),
    }),
  ];
}

function actRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'POST',
      path: '/api/imports/:id/preview',
      tag,
      summary: 'Show what the first rows would become',
      scope: 'contacts:write',
      params: idParams,
      body: settings,
      answers: { 200: preview },
      problems: ['conflict'],
      handle: async (caller, { params, body }) =>
        ok(await previewImport(db, caller, { ...body, import_id: params.id })),
    }),
    route({
      method: 'POST',
      path: '/api/imports/:id/start',
      tag,
      summary: 'Confirm the mapping and start an import',
      scope: 'contacts:write',
      params: idParams,
      body: settings,
      answers: { 202: importRecord },
      problems: ['conflict'],
      handle: async (caller, { params, body }) => {
        const started = await startImport(db, caller, { ...body, import_id: params.id });
        return accepted(shown(started), `/api/imports/${params.id}`);
      },
    }),
    route({
      method: 'POST',
      path: '/api/imports/:id/cancel',
      tag,
      summary: 'Stop an import',
      about: 'What was imported stays; no further row is.',
      scope: 'contacts:write',
      params: idParams,
      answers: { 200: importRecord },
      problems: ['conflict'],
      handle: async (caller, { params }) => ok(shown(await cancelImport(db, caller, params.id))),
    }),
  ];
}
