/**
 * Imports: a CSV file becomes contacts. Owns `imports`, `import_chunks` and `import_errors`.
 *
 * upload → inspect (encoding, delimiter, header, guessed mapping) → `ready` → preview, as often as wanted → start →
 * `running` → batches → `completed`. Each batch writes its contacts, its reported rows and how far the file has
 * been read in one transaction, fenced by the position it began at: killed anywhere, by any number of processes,
 * the import goes on where the last commit was, and no row is taken twice.
 */
import type { Database, Row, Tx } from '../../db/database.ts';
import { type Sql, sql } from '../../db/sql.ts';
import { isUuid, type Uuid } from '../../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../../kernel/page.ts';
import { notFound, Problem } from '../../kernel/problem.ts';
import { audit } from '../../tenancy/audit.ts';
import type { Context } from '../../tenancy/context.ts';
import type { Encoding } from '../csv/encoding.ts';
import type { ColumnMapping } from './fields.ts';
import type { Identity } from './row.ts';

const ORDER = listOrder('imports', ['uuid']);

export const IMPORT_STATUSES = ['uploading', 'ready', 'running', 'completed', 'failed', 'cancelled'] as const;
export type ImportStatus = (typeof IMPORT_STATUSES)[number];

/** What happens to a row whose contact is already there. */
export const EXISTING_POLICIES = ['skip', 'update', 'fill_blanks'] as const;
export type ExistingPolicy = (typeof EXISTING_POLICIES)[number];

/** Every data row is in exactly one of created, updated, unchanged, skipped, duplicates, refused. */
export interface ImportCounts {
  rows: number;
  created: number;
  updated: number;
  /** Existing contacts to which the row brought nothing new. */
  unchanged: number;
  /** Existing contacts left alone by policy. */
  skipped: number;
  /** Rows whose identity an earlier row of the file had. */
  duplicates: number;
  refused: Record<string, number>;
  /** Warnings on rows that were created or updated. */
  warnings: Record<string, number>;
}

export interface ImportRecord {
  id: Uuid;
  status: ImportStatus;
  filename: string;
  bytes: number;
  encoding: Encoding;
  delimiter: string;
  header: string[];
  mapping: ColumnMapping[];
  identity: Identity;
  existing: ExistingPolicy;
  tags: string[];
  default_country: string | null;
  next_byte: number;
  next_row: number;
  counts: ImportCounts;
  error: string | null;
  created_by: string;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
}

export function noCounts(): ImportCounts {
  return {
    rows: 0,
    created: 0,
    updated: 0,
    unchanged: 0,
    skipped: 0,
    duplicates: 0,
    refused: {},
    warnings: {},
  };
}

const COLUMNS: Sql = sql`id, status, filename, bytes, encoding, delimiter, header, mapping, identity, existing, tags,
  default_country, next_byte, next_row, counts, error, created_by, created_at, started_at, ended_at`;

/** @throws not_found */
export async function findImport(tx: Tx, ctx: Context, id: Uuid): Promise<ImportRecord> {
  const row = isUuid(id)
    ? await tx.maybe(sql`SELECT ${COLUMNS} FROM imports WHERE org_id = ${ctx.org} AND id = ${id}`)
    : null;
  if (row === null) throw notFound('import', id);
  return toRecord(row);
}

export async function getImport(db: Database, ctx: Context, id: Uuid): Promise<ImportRecord> {
  return db.inOrg(ctx.org, (tx) => findImport(tx, ctx, id));
}

/** Share of the file imported, 0 to 1. Storing it is no progress, nor is its header: of a short file that is half. */
export function progressOf(record: ImportRecord): number {
  if (record.status === 'completed') return 1;
  return record.counts.rows === 0 ? 0 : record.next_byte / record.bytes;
}

/** Newest first. */
export async function listImports(
  db: Database,
  ctx: Context,
  page: PageRequest,
): Promise<Page<ImportRecord>> {
  const before = positionOf(page, ORDER)?.[0] ?? null;
  const rows = await db.inOrg(ctx.org, (tx) =>
    tx.rows(sql`SELECT ${COLUMNS} FROM imports
      WHERE org_id = ${ctx.org} AND (${before}::uuid IS NULL OR id < ${before})
      ORDER BY id DESC LIMIT ${page.limit + 1}`),
  );
  return pageOf(rows.map(toRecord), page, ORDER, (record) => [record.id]);
}

/** A file that is still arriving has no header, mapping or encoding yet. */
function toRecord(row: Row): ImportRecord {
  const { counts, header, mapping } = row;
  return {
    ...(row as ImportRecord),
    counts: { ...noCounts(), ...counts },
    header: header ?? [],
    mapping: mapping ?? [],
  };
}

/**
 * Stops an import: no further batch is written. What was imported stays.
 * @throws not_found, conflict when it has already ended
 */
export async function cancelImport(db: Database, ctx: Context, id: Uuid): Promise<ImportRecord> {
  return db.inOrg(ctx.org, async (tx) => {
    const before = await findImport(tx, ctx, id);
    const changed = await tx.run(sql`UPDATE imports SET status = 'cancelled', ended_at = now()
      WHERE org_id = ${ctx.org} AND id = ${id} AND status IN ('uploading', 'ready', 'running')`);
    if (changed === 0 && before.status !== 'cancelled')
      throw new Problem(
        'conflict',
        `The import has already ${before.status === 'failed' ? 'failed' : 'ended'}.`,
      );
    if (changed === 1) {
      await tx.run(sql`DELETE FROM import_chunks WHERE org_id = ${ctx.org} AND import_id = ${id}`);
      await audit(tx, ctx, { action: 'import.cancel', subject_type: 'import', subject_id: id });
    }
    return findImport(tx, ctx, id);
  });
}
