/** The suppression list as a file: out to another tool, in from one (CON-6). */
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { SUPPRESSION_KINDS, type SuppressionKind } from '../kernel/channels.ts';
import { Problem } from '../kernel/problem.ts';
import { audit } from '../tenancy/audit.ts';
import type { Context } from '../tenancy/context.ts';
import { cleanText } from './clean-text.ts';
import { guessDialect } from './csv/dialect.ts';
import { encodingOfStart, Utf8Check } from './csv/encoding.ts';
import { csvLine, unguardCell } from './csv/write.ts';
import { normalizeEmail } from './email-address.ts';
import { RowReader } from './import/rows.ts';
import { normalizeCountry, normalizePhone } from './phone-number.ts';
import {
  SUPPRESSION_REASONS,
  type Suppressed,
  type Suppression,
  type SuppressionReason,
  suppress,
} from './suppression.ts';

const HEADER = ['kind', 'address', 'reason', 'source', 'created_at'];
const PAGE = 5_000;

/** Lines of the file. Cells that a spreadsheet would run are guarded, so a phone number reads `'+49…`. */
export async function* exportSuppressions(db: Database, ctx: Context): AsyncGenerator<string> {
  yield csvLine(HEADER);
  let after = { kind: '', address: '' };
  for (;;) {
    const { kind, address } = after;
    const rows = await db.inOrg(ctx.org, (tx) =>
      tx.rows<Suppression>(sql`SELECT kind, address, reason, source, created_at FROM suppressions
        WHERE org_id = ${ctx.org} AND (kind, address) > (${kind}, ${address}) ORDER BY kind, address LIMIT ${PAGE}`),
    );
    let lines = '';
    for (const row of rows)
      lines += csvLine([row.kind, row.address, row.reason, row.source, row.created_at.toISOString()]);
    if (lines !== '') yield lines;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    after = last;
  }
}

export interface SuppressionImport {
  rows: number;
  /** New, or suppressed for a stronger reason than before. */
  added: number;
  already: number;
  /** At most MAX_REPORTED of them; `refused_rows` counts all. */
  refused: { row: number; value: string; message: string }[];
  refused_rows: number;
}

const MAX_SUPPRESSION_BYTES = 64 * 1024 * 1024;
const MAX_REPORTED = 1_000;
const BATCH = 5_000;

/**
 * Adds every address of a CSV file: columns `address` (or `email`, `phone`), and `kind`, `reason`, `source` if there
 * are such. An import only ever adds: nothing in a file lifts a suppression (CON-3). All or nothing a batch of 5,000;
 * importing the same file again changes nothing.
 * @throws import_unreadable
 */
export async function importSuppressions(
  db: Database,
  ctx: Context,
  file: Buffer,
  settings: { reason?: SuppressionReason | undefined; default_country?: string | undefined } = {},
): Promise<SuppressionImport> {
  const { reader, columns } = openFile(file);
  const country = settings.default_country === undefined ? null : normalizeCountry(settings.default_country);
  const result: SuppressionImport = { rows: 0, added: 0, already: 0, refused: [], refused_rows: 0 };
  for (let { rows } = reader.take(BATCH); rows.length > 0; { rows } = reader.take(BATCH)) {
    const batch: Suppressed[] = [];
    for (const row of rows) {
      if (row.cells.every((cell) => cleanText(cell) === '')) continue;
      result.rows += 1;
      const read =
        row.broken === undefined ? readSuppressed(row.cells, columns, country, settings.reason) : null;
      if (read !== null) batch.push(read);
      else {
        result.refused_rows += 1;
        if (result.refused.length < MAX_REPORTED)
          result.refused.push({
            row: row.n,
            value: row.raw.trim().slice(0, 200),
            message: 'No address can be read.',
          });
      }
    }
    const added = await db.inOrg(ctx.org, (tx) => suppress(tx, ctx, batch));
    result.added += added;
    result.already += batch.length - added;
  }
  await db.inOrg(ctx.org, (tx) =>
    audit(tx, ctx, {
      action: 'suppression.import',
      subject_type: 'suppression',
      subject_id: 'many',
      data: { rows: result.rows, added: result.added, refused: result.refused_rows },
    }),
  );
  return result;
}

/** A file small enough to be held. @throws payload_too_large */
export async function readSuppressionFile(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of source) {
    bytes += part.length;
    if (bytes > MAX_SUPPRESSION_BYTES)
      throw new Problem('payload_too_large', `A file may have ${MAX_SUPPRESSION_BYTES} bytes at most.`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

interface Columns {
  address: number;
  /** What the address column holds where no kind is said. */
  kind_of_address: SuppressionKind | null;
  kind: number;
  reason: number;
  source: number;
}

function openFile(file: Buffer): { reader: RowReader; columns: Columns } {
  const utf8 = new Utf8Check();
  utf8.add(file);
  const { encoding, bom } = encodingOfStart(file) ?? {
    encoding: utf8.end() ? ('utf-8' as const) : ('windows-1252' as const),
    bom: 0,
  };
  const sample = new TextDecoder(encoding).decode(file.subarray(bom, bom + 64 * 1024), { stream: true });
  const reader = new RowReader(encoding, guessDialect(sample, file.length < 64 * 1024), {
    next_byte: bom,
    next_row: 1,
  });
  reader.push(file.subarray(bom));
  reader.end();
  const header = reader.take(1).rows[0];
  const columns = header === undefined ? null : columnsOf(header.cells);
  if (columns === null)
    throw new Problem('import_unreadable', 'The first row must name a column address, email or phone.');
  return { reader, columns };
}

function columnsOf(header: string[]): Columns | null {
  const names = header.map((name) =>
    cleanText(name)
      .toLowerCase()
      .replace(/[^a-z]/g, ''),
  );
  const find = (...wanted: string[]) => names.findIndex((name) => wanted.includes(name));
  const columns = { kind: find('kind', 'type', 'channel'), reason: find('reason'), source: find('source') };
  const address = find('address', 'value');
  if (address !== -1) return { ...columns, address, kind_of_address: null };
  const email = find('email', 'emailaddress', 'mail');
  if (email !== -1) return { ...columns, address: email, kind_of_address: 'email' };
  const phone = find('phone', 'phonenumber', 'mobile', 'telephone');
  return phone === -1 ? null : { ...columns, address: phone, kind_of_address: 'phone' };
}

function readSuppressed(
  cells: string[],
  columns: Columns,
  country: ReturnType<typeof normalizeCountry>,
  defaultReason: SuppressionReason = 'manual',
): Suppressed | null {
  const cell = (column: number) => cleanText(unguardCell(cells[column] ?? ''));
  const text = cell(columns.address);
  const said = cell(columns.kind).toLowerCase();
  const kind =
    SUPPRESSION_KINDS.find((one) => one === said) ??
    columns.kind_of_address ??
    (text.includes('@') ? 'email' : 'phone');
  const address =
    kind === 'email'
      ? normalizeEmail(text)
      : kind === 'telegram'
        ? text || null
        : normalizePhone(text, country);
  if (address === null || text.includes('\0')) return null;
  const word = cell(columns.reason)
    .toLowerCase()
    .replace(/[\s-]+/g, '_');
  const reason = SUPPRESSION_REASONS.find((one) => one === word) ?? defaultReason;
  return {
    kind,
    address,
    reason,
    source: cell(columns.source).replaceAll('\0', '').slice(0, 200) || 'import',
  };
}
