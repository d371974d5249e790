/** Takes a file in, however it comes: bytes go to the database a megabyte at a time, then the file is inspected. */
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { newId, type Uuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import { actorText, type Context } from '../../tenancy/context.ts';
import { cleanText } from '../clean-text.ts';
import { type Detected, encodingOfStart, Utf8Check } from '../csv/encoding.ts';
import { CHUNK_BYTES, writeChunk } from './chunks.ts';
import { findImport, type ImportRecord } from './import.ts';
import { INSPECTED_BYTES, inspectFile } from './inspect.ts';

/** The largest file. */
export const MAX_IMPORT_BYTES = 1024 * 1024 * 1024;

export interface Upload {
  filename: string;
  source: AsyncIterable<Uint8Array>;
}

/**
 * Stores the file and looks at its beginning. The import is then `ready`: its guessed mapping wants a look, or
 * `startImport` at once.
 * @throws import_unreadable, payload_too_large
 */
export async function uploadImport(db: Database, ctx: Context, upload: Upload): Promise<ImportRecord> {
  const id = newId();
  await db.inOrg(ctx.org, async (tx) => {
    // Uploads whose process died: nobody can go on with them.
    await tx.run(sql`DELETE FROM imports WHERE org_id = ${ctx.org} AND status = 'uploading'
      AND created_at < now() - interval '1 day'`);
    await tx.run(sql`INSERT INTO imports (org_id, id, status, filename, created_by)
      VALUES (${ctx.org}, ${id}, 'uploading', ${fileName(upload.filename)}, ${actorText(ctx.actor)})`);
  });
  try {
    const stored = await store(db, ctx, id, upload.source);
    return await makeReady(db, ctx, id, stored);
  } catch (error) {
    await discardImport(db, ctx, id).catch(() => undefined);
    throw error;
  }
}

/** Removes an import that was never started, with its bytes. */
export async function discardImport(db: Database, ctx: Context, id: Uuid): Promise<void> {
  await db.inOrg(ctx.org, (tx) =>
    tx.run(
      sql`DELETE FROM imports WHERE org_id = ${ctx.org} AND id = ${id} AND status IN ('uploading', 'ready')`,
    ),
  );
}

interface Stored extends Detected {
  bytes: number;
  start: Buffer;
}

async function store(
  db: Database,
  ctx: Context,
  id: Uuid,
  source: AsyncIterable<Uint8Array>,
): Promise<Stored> {
  const utf8 = new Utf8Check();
  let parts: Uint8Array[] = [];
  let held = 0;
  let chunks = 0;
  let bytes = 0;
  let start: Buffer = Buffer.alloc(0);
  const flush = async (all: boolean) => {
    let whole = Buffer.concat(parts);
    if (chunks === 0) start = whole.subarray(0, INSPECTED_BYTES);
    while (whole.length >= CHUNK_BYTES || (all && whole.length > 0)) {
      await writeChunk(db, ctx, id, chunks, whole.subarray(0, CHUNK_BYTES));
      chunks += 1;
      whole = whole.subarray(CHUNK_BYTES);
    }
    parts = [whole];
    held = whole.length;
  };
  for await (const part of source) {
    bytes += part.length;
    if (bytes > MAX_IMPORT_BYTES)
      throw new Problem('payload_too_large', `A file may have ${MAX_IMPORT_BYTES} bytes at most.`);
    utf8.add(part);
    parts.push(part);
    held += part.length;
    if (held >= CHUNK_BYTES) await flush(false);
  }
  await flush(true);
  const valid = utf8.end();
  const detected = encodingOfStart(start) ?? { encoding: 'utf-8', bom: 0 };
  // A mark alone does not make it UTF-8; positions are exact only in a file that is valid all through.
  if (detected.encoding === 'utf-8' && !valid)
    return { encoding: 'windows-1252', bom: detected.bom, bytes, start };
  return { ...detected, bytes, start };
}

async function makeReady(db: Database, ctx: Context, id: Uuid, stored: Stored): Promise<ImportRecord> {
  const { bytes, start, encoding, bom } = stored;
  const found = inspectFile(start, encoding, bom, bytes <= start.length);
  return db.inOrg(ctx.org, async (tx) => {
    await tx.run(sql`UPDATE imports SET status = 'ready', bytes = ${bytes}, encoding = ${encoding},
        delimiter = ${found.delimiter}, header = ${found.header}, mapping = ${JSON.stringify(found.mapping)},
        next_byte = ${found.data_byte}, next_row = ${found.data_row}
      WHERE org_id = ${ctx.org} AND id = ${id} AND status = 'uploading'`);
    return findImport(tx, ctx, id);
  });
}

/** The name alone, without any path it came with. */
function fileName(given: string): string {
  const name = cleanText(given.replaceAll('\0', '').replace(/^.*[/\\]/, ''));
  return name === '' ? 'contacts.csv' : name.slice(0, 200);
}
