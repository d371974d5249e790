/**
 * A CSV file whose rows name contacts to enrol. In: the file's bytes, in any encoding and dialect an import reads. Out:
 * the words of each row that name a contact. Held in memory whole: one column of addresses is no table of people.
 */
import { encodingOfStart, Utf8Check } from '../../contacts/csv/encoding.ts';
import { INSPECTED_BYTES, type Inspection, inspectFile } from '../../contacts/import/inspect.ts';
import { RowReader } from '../../contacts/import/rows.ts';
import { Problem } from '../../kernel/problem.ts';
import type { NamedBy, NamedContact } from './named-contacts.ts';

const MAX_BYTES = 64 * 1024 * 1024;
const MAX_ROWS = 500_000;
const MAX_ENTRY = 320;
const TAKE = 1_000;

export interface CsvFile {
  bytes: Buffer;
  inspection: Inspection;
}

/** @throws import_unreadable, payload_too_large */
export async function readCsv(source: AsyncIterable<Uint8Array>): Promise<CsvFile> {
  const parts: Uint8Array[] = [];
  const utf8 = new Utf8Check();
  let size = 0;
  for await (const part of source) {
    size += part.length;
    if (size > MAX_BYTES)
      throw new Problem('payload_too_large', `The file may have ${MAX_BYTES / 1024 / 1024} MB.`);
    utf8.add(part);
    parts.push(part);
  }
  const bytes = Buffer.concat(parts);
  const { encoding, bom } = encodingOfStart(bytes) ?? {
    encoding: utf8.end() ? ('utf-8' as const) : ('windows-1252' as const),
    bom: 0,
  };
  const start = bytes.subarray(0, INSPECTED_BYTES);
  return { bytes, inspection: inspectFile(start, encoding, bom, start.length === bytes.length) };
}

/** @throws invalid_request when no column names contacts; payload_too_large */
export function namedIn(
  { bytes, inspection }: CsvFile,
  wanted: { column?: string | undefined; by?: NamedBy | undefined },
): NamedContact[] {
  const { index, by } = columnOf(inspection, wanted);
  const { encoding, delimiter, data_byte, data_row } = inspection;
  const newline = bytes.includes(0x0a) ? '\n' : '\r';
  const reader = new RowReader(
    encoding,
    { delimiter, newline },
    { next_byte: data_byte, next_row: data_row },
  );
  reader.push(bytes.subarray(data_byte));
  reader.end();
  const named: NamedContact[] = [];
  for (let { rows } = reader.take(TAKE); rows.length > 0; { rows } = reader.take(TAKE)) {
    for (const { cells, n, broken } of rows) {
      // Blank lines are none; a row that has something else but no name is one that names nobody.
      if (broken === undefined && cells.every((cell) => cell.trim() === '')) continue;
      named.push({ by, entry: (cells[index] ?? '').replaceAll('\0', '').slice(0, MAX_ENTRY), row: n });
    }
    if (named.length > MAX_ROWS) throw new Problem('payload_too_large', `A file may have ${MAX_ROWS} rows.`);
  }
  return named;
}

const FIELDS: readonly NamedBy[] = ['email', 'external_id'];

function columnOf(
  { header, mapping }: Inspection,
  { column, by }: { column?: string | undefined; by?: NamedBy | undefined },
): { index: number; by: NamedBy } {
  const refuse = (message: string) =>
    new Problem('invalid_request', message, {
      errors: [{ field: 'column', code: 'unknown_column', message }],
    });
  const guessed = (index: number) => FIELDS.find((field) => mapping[index]?.field === field);
  if (column !== undefined) {
    const index = header.findIndex((name) => name.toLowerCase() === column.trim().toLowerCase());
    if (index === -1)
      throw refuse(`The file has no column ${column}; it has ${header.slice(0, 20).join(', ')}.`);
    return { index, by: by ?? guessed(index) ?? (header[index] === 'contact_id' ? 'contact_id' : 'email') };
  }
  const own = header.indexOf('contact_id');
  if (own !== -1 && (by ?? 'contact_id') === 'contact_id') return { index: own, by: 'contact_id' };
  for (const field of by === undefined ? FIELDS : [by]) {
    const index = mapping.findIndex((one) => one.field === field);
    if (index !== -1) return { index, by: field };
  }
  throw refuse('No column holds e-mail addresses or external ids; name one with `column`.');
}
