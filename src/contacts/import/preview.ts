/** Shows what the first rows would become, with the same code that imports them. Writes nothing. */
import type { CountryCode } from 'libphonenumber-js';
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import type { Context } from '../../tenancy/context.ts';
import { typesOfAttributes } from '../attribute-definition.ts';
import { newlineOf } from '../csv/dialect.ts';
import { readChunk } from './chunks.ts';
import type { ColumnMapping } from './fields.ts';
import { findImport, type ImportRecord } from './import.ts';
import { INSPECTED_BYTES } from './inspect.ts';
import { prepareRow } from './prepare.ts';
import { type RowContact, type RowProblem, rowReader } from './row.ts';
import { type FileRow, RowReader } from './rows.ts';
import { type ConfirmedSettings, confirmSettings, type ImportSettings } from './start.ts';

export const PREVIEW_ROWS = 20;
/** Rows of the beginning that are tried to say how many would be refused. */
const TRIED_ROWS = 500;

export interface PreviewRow {
  row: number;
  cells: string[];
  contact: Omit<RowContact, 'id' | 'n'> | null;
  /** The contact that already has this identity. */
  existing_id: Uuid | null;
  refused: RowProblem | null;
  warnings: readonly RowProblem[];
}

export interface Preview {
  mapping: ColumnMapping[];
  new_attributes: string[];
  rows: PreviewRow[];
  /** Of the first rows that were tried. */
  tried: { rows: number; refused: number; with_warnings: number };
}

/** @throws not_found, conflict when the import is not `ready`, invalid_request for settings that do not fit */
export async function previewImport(
  db: Database,
  ctx: Context,
  input: ImportSettings & { import_id: Uuid },
): Promise<Preview> {
  const { record, types } = await db.inOrg(ctx.org, async (tx) => ({
    record: await findImport(tx, ctx, input.import_id),
    types: await typesOfAttributes(tx, ctx),
  }));
  if (record.status !== 'ready') throw new Problem('conflict', `The import is ${record.status}.`);
  const settings = confirmSettings(record, input);
  const read = rowReader({
    ...settings,
    default_country: settings.default_country as CountryCode | null,
    types,
  });
  const prepared = (await firstRows(db, ctx, record)).flatMap((row) => {
    const result = prepareRow(row, read);
    return result === null ? [] : [{ row, result }];
  });
  const rows = prepared.slice(0, PREVIEW_ROWS).map(({ row, result }): PreviewRow => {
    const { id, n, ...contact } = result.contact ?? { id: '', n: row.n };
    return {
      row: n,
      cells: row.cells,
      contact: result.contact === null ? null : contact,
      existing_id: null,
      refused: result.refused,
      warnings: result.warnings,
    };
  });
  await markExisting(db, ctx, settings, rows);
  return {
    mapping: settings.mapping,
    new_attributes: settings.mapping.flatMap(({ field }) =>
      field?.startsWith('attributes.') && !types.has(field.slice(11)) ? [field.slice(11)] : [],
    ),
    rows,
    tried: {
      rows: prepared.length,
      refused: prepared.filter(({ result }) => result.refused !== null).length,
      with_warnings: prepared.filter(({ result }) => result.warnings.length > 0).length,
    },
  };
}

async function firstRows(db: Database, ctx: Context, record: ImportRecord): Promise<FileRow[]> {
  const chunk = (await readChunk(db, ctx, record.id, 0)) ?? Buffer.alloc(0);
  const sample = new TextDecoder(record.encoding).decode(chunk.subarray(0, INSPECTED_BYTES));
  const reader = new RowReader(
    record.encoding,
    { delimiter: record.delimiter, newline: newlineOf(sample) },
    record,
  );
  reader.push(chunk.subarray(record.next_byte));
  if (record.bytes <= chunk.length) reader.end();
  return reader.take(TRIED_ROWS).rows;
}

async function markExisting(
  db: Database,
  ctx: Context,
  settings: ConfirmedSettings,
  rows: PreviewRow[],
): Promise<void> {
  const keys = rows.flatMap((row) => row.contact?.[settings.identity] ?? []);
  if (keys.length === 0) return;
  const column = { email: sql`email`, phone: sql`phone`, external_id: sql`external_id` }[settings.identity];
  const found = await db.inOrg(ctx.org, (tx) =>
    tx.rows<{ id: Uuid; key: string }>(
      sql`SELECT id, ${column} AS key FROM contacts WHERE org_id = ${ctx.org} AND ${column} = ANY(${keys}::text[])`,
    ),
  );
  const byKey = new Map(found.map(({ id, key }) => [key, id]));
  for (const row of rows) row.existing_id = byKey.get(row.contact?.[settings.identity] ?? '') ?? null;
}
