/** Looks at the beginning of a file: what separates its cells, what its columns are called, where the data begins. */
import { Problem } from '../../kernel/problem.ts';
import { cleanText } from '../clean-text.ts';
import { guessDialect } from '../csv/dialect.ts';
import { bytesOf, type Encoding, looksBinary } from '../csv/encoding.ts';
import { type CsvDialect, readRow } from '../csv/tokenizer.ts';
import { normalizeEmail } from '../email-address.ts';
import type { ColumnMapping } from './fields.ts';
import { guessMapping } from './guess.ts';

/** Bytes of the file that are looked at. */
export const INSPECTED_BYTES = 256 * 1024;
export const MAX_COLUMNS = 500;
/** The longest row, in characters. */
export const MAX_ROW = 256 * 1024;
const SAMPLE_ROWS = 100;

export interface Inspection {
  encoding: Encoding;
  delimiter: string;
  header: string[];
  mapping: ColumnMapping[];
  /** Where the first data row begins, in bytes of the file. */
  data_byte: number;
  /** The number of the first data row, counted as a spreadsheet does. */
  data_row: number;
}

/**
 * @param start the first bytes of the file (all of it when shorter)
 * @throws import_unreadable
 */
export function inspectFile(start: Buffer, encoding: Encoding, bom: number, complete: boolean): Inspection {
  const text = new TextDecoder(encoding, { ignoreBOM: true }).decode(start.subarray(bom), {
    stream: !complete,
  });
  if (text.trim() === '') throw new Problem('import_unreadable', 'The file is empty.');
  if (looksBinary(start, text))
    throw new Problem('import_unreadable', 'This is not a text file; save the sheet as CSV first.');
  // Excel's own hint, written before the header.
  const hint = /^sep=(.)\r?\n/i.exec(text);
  const skipped = hint?.[0].length ?? 0;
  const dialect = guessDialect(text.slice(skipped), complete);
  if (hint) dialect.delimiter = hint[1]!;
  const first = firstRow(text, skipped, dialect, complete);
  const header = headerFrom(first.cells);
  const samples: string[][] = [];
  let at = first.end;
  while (samples.length < SAMPLE_ROWS && at < text.length) {
    const row = readRow(text, at, dialect, complete, MAX_ROW);
    if (row === null) break;
    at = row.end;
    if ('cells' in row) samples.push(row.cells);
  }
  return {
    encoding,
    delimiter: dialect.delimiter,
    header,
    mapping: guessMapping(header, samples),
    data_byte: bom + bytesOf(text.slice(0, first.end), encoding),
    data_row: first.number + (hint ? 2 : 1),
  };
}

/** The first row that is not blank. */
function firstRow(text: string, from: number, dialect: CsvDialect, complete: boolean) {
  let at = from;
  for (let number = 1; at < text.length; number++) {
    const row = readRow(text, at, dialect, complete, MAX_ROW);
    if (row === null || 'broken' in row) break;
    if (row.cells.some((cell) => cleanText(cell) !== '')) return { ...row, number };
    at = row.end;
  }
  throw new Problem('import_unreadable', 'The first row cannot be read as a header.');
}

/** Column names, each different: a second `Email` becomes `Email (2)`, a nameless one `Column 4`. */
function headerFrom(cells: readonly string[]): string[] {
  if (cells.length > MAX_COLUMNS)
    throw new Problem(
      'import_unreadable',
      `The file has ${cells.length} columns; ${MAX_COLUMNS} are possible.`,
    );
  const names = cells.map((cell) => cleanText(cell.replaceAll('\0', '')).replace(/\s+/g, ' ').slice(0, 200));
  if (names.some((name) => normalizeEmail(name) !== null) || names.every((name) => !/\p{L}/u.test(name)))
    throw new Problem('import_unreadable', 'The first row holds data, not column names.');
  const seen = new Set<string>();
  return names.map((name, i) => {
    const base = name === '' ? `Column ${i + 1}` : name;
    let unique = base;
    for (let n = 2; seen.has(unique); n++) unique = `${base} (${n})`;
    seen.add(unique);
    return unique;
  });
}
