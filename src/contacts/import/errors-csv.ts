/**
 * The rows an import refused, warned about or found twice, as a CSV that can be corrected and imported again: what
 * was wrong stands before the original cells, in columns that an import leaves out.
 */
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { Context } from '../../tenancy/context.ts';
import { readRow } from '../csv/tokenizer.ts';
import { csvLine } from '../csv/write.ts';
import { getImport } from './import.ts';

const PAGE = 1_000;

interface ErrorRow {
  row_number: number;
  severity: string;
  code: string;
  field: string | null;
  message: string;
  raw: string;
}

/** Lines of the file, headed by column names. @throws not_found, before the first line */
export async function errorsCsv(db: Database, ctx: Context, id: Uuid): Promise<AsyncGenerator<string>> {
  const record = await getImport(db, ctx, id);
  return lines(db, ctx, id, record.header, record.delimiter);
}

async function* lines(
  db: Database,
  ctx: Context,
  id: Uuid,
  header: string[],
  delimiter: string,
): AsyncGenerator<string> {
  yield csvLine(['import_row', 'import_result', 'import_code', 'import_field', 'import_message', ...header]);
  for (let after = 0; ; ) {
    const rows = await page(db, ctx, id, after);
    for (const row of rows) {
      const about = [row.row_number, row.severity, row.code, row.field, row.message];
      yield csvLine([...about, ...cellsOf(row.raw, delimiter)]);
    }
    if (rows.length < PAGE) return;
    after = rows.at(-1)!.row_number;
  }
}

/** A row with several warnings is one line: corrected and imported again, it must be one row. */
async function page(db: Database, ctx: Context, id: Uuid, after: number): Promise<ErrorRow[]> {
  return db.inOrg(ctx.org, (tx) =>
    tx.rows<ErrorRow>(sql`SELECT row_number, min(severity) AS severity, string_agg(code, '; ' ORDER BY n) AS code,
        string_agg(field, '; ' ORDER BY n) AS field, string_agg(message, ' ' ORDER BY n) AS message, min(raw) AS raw
      FROM import_errors WHERE org_id = ${ctx.org} AND import_id = ${id} AND row_number > ${after}
      GROUP BY row_number ORDER BY row_number LIMIT ${PAGE}`),
  );
}

function cellsOf(raw: string, delimiter: string): string[] {
  const row = readRow(raw, 0, { delimiter, newline: '\n' }, true, raw.length + 1);
  // A row that could not be read comes back whole, in the first cell.
  return row !== null && 'cells' in row && row.end === raw.length ? row.cells : [raw];
}
