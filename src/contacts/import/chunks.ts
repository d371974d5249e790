/** A file's bytes in the database, a megabyte a row: written while they arrive, read while they are imported. */
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { Context } from '../../tenancy/context.ts';

export const CHUNK_BYTES = 1024 * 1024;

export async function writeChunk(
  db: Database,
  ctx: Context,
  id: Uuid,
  n: number,
  bytes: Buffer,
): Promise<void> {
  await db.inOrg(ctx.org, (tx) =>
    tx.run(
      sql`INSERT INTO import_chunks (org_id, import_id, n, bytes) VALUES (${ctx.org}, ${id}, ${n}, ${bytes})`,
    ),
  );
}

/** Null past the end, or when the import was cancelled and its bytes are gone. */
export async function readChunk(db: Database, ctx: Context, id: Uuid, n: number): Promise<Buffer | null> {
  const row = await db.inOrg(ctx.org, (tx) =>
    tx.maybe<{ bytes: Buffer }>(
      sql`SELECT bytes FROM import_chunks WHERE org_id = ${ctx.org} AND import_id = ${id} AND n = ${n}`,
    ),
  );
  return row?.bytes ?? null;
}

/** The bytes from a position on, in order. The next chunk is fetched while this one is worked on. */
export async function* readFrom(db: Database, ctx: Context, id: Uuid, byte: number): AsyncGenerator<Buffer> {
  let n = Math.floor(byte / CHUNK_BYTES);
  let next = readChunk(db, ctx, id, n);
  try {
    for (let skip = byte % CHUNK_BYTES; ; skip = 0) {
      const chunk = await next;
      if (chunk === null) return;
      n += 1;
      next = readChunk(db, ctx, id, n);
      // Waited for above or below; a failure meanwhile must not end the process.
      next.catch(() => undefined);
      yield chunk.subarray(skip);
    }
  } finally {
    await next.catch(() => undefined);
  }
}
