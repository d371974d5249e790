/**
 * Carries an import out, from wherever it stands. Reading and preparing the next rows goes on while PostgreSQL
 * writes the last ones; memory holds two batches and two chunks of the file, however long it is. Safe to call
 * again after a crash, and by several processes at once: the first to commit a batch goes on, the others stop.
 */
import { hostname } from 'node:os';
import { setImmediate as breathe } from 'node:timers/promises';
import type { CountryCode } from 'libphonenumber-js';
import { type Database, pgCode } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { Context } from '../../tenancy/context.ts';
import { typesOfAttributes } from '../attribute-definition.ts';
import { newlineOf } from '../csv/dialect.ts';
import type { CsvDialect } from '../csv/tokenizer.ts';
import { type PreparedBatch, type PreparedRow, writeBatch } from './batch.ts';
import { readChunk, readFrom } from './chunks.ts';
import { Expectation } from './expectation.ts';
import { getImport, type ImportCounts, type ImportRecord } from './import.ts';
import { INSPECTED_BYTES } from './inspect.ts';
import { prepareRow } from './prepare.ts';
import { rowReader } from './row.ts';
import { type FileRow, type RowBatch, readRows } from './rows.ts';
import { Writers } from './writers.ts';

/** Rows a transaction. Batches of 4,000 and 8,000 save the server 1 to 5 % and cost Node 3 to 4: nothing is left of it. */
const BATCH_ROWS = 2_000;
/** Rows prepared in one go before other work of the process gets its turn: some 5 ms. */
const SLICE_ROWS = 250;
/** Data that PostgreSQL will not take however often it is tried: out of range, a broken constraint, a limit. */
const HOPELESS = /^(22|23|54)/;

export interface RunOptions {
  /** Told after each committed batch. */
  onProgress?: (record: { next_byte: number; counts: ImportCounts }) => void;
  signal?: AbortSignal;
  batchRows?: number;
}

/**
 * Runs until the import has ended, was cancelled, `signal` fired or another process took over; a later call goes on.
 * @throws not_found
 */
export async function runImport(
  db: Database,
  ctx: Context,
  id: Uuid,
  options: RunOptions = {},
): Promise<ImportRecord> {
  const record = await getImport(db, ctx, id);
  if (record.status !== 'running') return record;
  try {
    if (await writeAll(db, ctx, record, options)) await complete(db, ctx, id);
  } catch (error) {
    // Anything else, such as a lost connection, is worth another try, which goes on from the last batch.
    if (!HOPELESS.test(pgCode(error) ?? '')) throw error;
    await fail(db, ctx, id, (error as Error).message);
  }
  return getImport(db, ctx, id);
}

/** True when the last row is written. */
async function writeAll(
  db: Database,
  ctx: Context,
  record: ImportRecord,
  options: RunOptions,
): Promise<boolean> {
  const dialect = await dialectOf(db, ctx, record);
  const prepare = await preparer(db, ctx, record);
  const rules = {
    import_id: record.id,
    identity: record.identity,
    existing: record.existing,
    tags: record.tags,
  };
  const expectation = new Expectation();
  const writers = new Writers(
    record.counts,
    record.identity,
    (batch, turn) => writeBatch(db, ctx, rules, batch, turn, expectation),
    options,
  );
  const slices = readRows(
    readFrom(db, ctx, record.id, record.next_byte),
    record.encoding,
    dialect,
    record,
    SLICE_ROWS,
  );
  try {
    for await (const batch of batches(slices, prepare, record.next_byte, options.batchRows ?? BATCH_ROWS)) {
      if ((await writers.add(batch)) === null) return false;
      if (options.signal?.aborted) break;
    }
    return (await writers.end()) !== null && options.signal?.aborted !== true;
  } finally {
    await writers.close();
  }
}

/** Gathers slices into batches. */
async function* batches(
  slices: AsyncIterable<RowBatch>,
  prepare: (row: FileRow) => PreparedRow | null,
  from: number,
  size: number,
): AsyncGenerator<PreparedBatch> {
  let batch: PreparedBatch = { rows: [], from_byte: from, next_byte: from, next_row: 0 };
  for await (const slice of slices) {
    for (const row of slice.rows) {
      const prepared = prepare(row);
      if (prepared !== null) batch.rows.push(prepared);
    }
    batch.next_byte = slice.next_byte;
    batch.next_row = slice.next_row;
    if (batch.rows.length >= size) {
      yield batch;
      batch = { rows: [], from_byte: batch.next_byte, next_byte: batch.next_byte, next_row: batch.next_row };
    }
    await breathe();
  }
  if (batch.next_byte > batch.from_byte) yield batch;
}

async function dialectOf(db: Database, ctx: Context, record: ImportRecord): Promise<CsvDialect> {
  const start = await readChunk(db, ctx, record.id, 0);
  const sample = new TextDecoder(record.encoding).decode(
    start?.subarray(0, INSPECTED_BYTES) ?? Buffer.alloc(0),
  );
  return { delimiter: record.delimiter, newline: newlineOf(sample) };
}

async function preparer(db: Database, ctx: Context, record: ImportRecord) {
  const types = await db.inOrg(ctx.org, (tx) => typesOfAttributes(tx, ctx));
  const read = rowReader({
    mapping: record.mapping,
    identity: record.identity,
    default_country: record.default_country as CountryCode | null,
    types,
  });
  return (row: FileRow) => prepareRow(row, read);
}

async function complete(db: Database, ctx: Context, id: Uuid): Promise<void> {
  await db.inOrg(ctx.org, async (tx) => {
    const done = await tx.run(sql`UPDATE imports SET status = 'completed', ended_at = now(), next_byte = bytes
      WHERE org_id = ${ctx.org} AND id = ${id} AND status = 'running'`);
    if (done === 1)
      await tx.run(sql`DELETE FROM import_chunks WHERE org_id = ${ctx.org} AND import_id = ${id}`);
  });
}

async function fail(db: Database, ctx: Context, id: Uuid, why: string): Promise<void> {
  await db.inOrg(ctx.org, async (tx) => {
    await tx.run(sql`UPDATE imports SET status = 'failed', ended_at = now(), error = ${why}
      WHERE org_id = ${ctx.org} AND id = ${id} AND status = 'running'`);
  });
}

/** The payload of the queued task `import_contacts`. */
export interface ImportTask {
  org: Uuid;
  import_id: Uuid;
}

/** The queued task. An error makes the queue try again, which goes on where the last batch ended. */
export async function importContactsTask(
  db: Database,
  task: ImportTask,
  signal?: AbortSignal,
): Promise<void> {
  const host = `${hostname()}:${process.pid}`;
  const ctx: Context = { org: task.org, actor: { type: 'worker', id: host, name: 'import' } };
  const record = await runImport(db, ctx, task.import_id, signal === undefined ? {} : { signal });
  if (record.status === 'running')
    throw new Error(
      `import ${task.import_id} stopped at byte ${record.next_byte}; it goes on with the next try`,
    );
}
