/** Rows of a file from its bytes, with the exact text of each and the byte where the next begins. */
import { bytesOf, type Encoding } from '../csv/encoding.ts';
import { type BrokenRow, type CsvDialect, readRow } from '../csv/tokenizer.ts';
import { MAX_ROW } from './inspect.ts';

export interface FileRow {
  /** Counted as a spreadsheet does: the header is row 1. */
  n: number;
  cells: string[];
  raw: string;
  broken?: BrokenRow['broken'];
}

export interface RowBatch {
  rows: FileRow[];
  /** Where the file goes on after these rows. */
  next_byte: number;
  next_row: number;
}

export interface Position {
  next_byte: number;
  next_row: number;
}

/** Fed with bytes, gives rows; holds one chunk and one row at most. */
export class RowReader {
  readonly #encoding: Encoding;
  readonly #dialect: CsvDialect;
  readonly #decoder: InstanceType<typeof TextDecoder>;
  #text = '';
  #at = 0;
  #byte: number;
  #row: number;
  #final = false;

  constructor(encoding: Encoding, dialect: CsvDialect, from: Position) {
    this.#encoding = encoding;
    this.#dialect = dialect;
    this.#decoder = new TextDecoder(encoding, { ignoreBOM: true });
    this.#byte = from.next_byte;
    this.#row = from.next_row;
  }

  push(bytes: Uint8Array): void {
    this.#text = this.#text.slice(this.#at) + this.#decoder.decode(bytes, { stream: true });
    this.#at = 0;
  }

  end(): void {
    this.#text = this.#text.slice(this.#at) + this.#decoder.decode();
    this.#at = 0;
    this.#final = true;
  }

  /** Up to `limit` rows and some 1 MB of text; none when more bytes are needed, or at the end. */
  take(limit: number): RowBatch {
    const rows: FileRow[] = [];
    const from = this.#at;
    while (rows.length < limit && this.#at < this.#text.length && this.#at - from < MAX_TAKE) {
      const row = readRow(this.#text, this.#at, this.#dialect, this.#final, MAX_ROW);
      if (row === null) break;
      const raw = this.#text.slice(row.start, row.end);
      if ('broken' in row)
        rows.push({ n: this.#row, cells: [], raw: raw.slice(0, MAX_ROW), broken: row.broken });
      else rows.push({ n: this.#row, cells: row.cells, raw });
      this.#row += 1;
      this.#at = row.end;
    }
    this.#byte += bytesOf(this.#text.slice(from, this.#at), this.#encoding);
    return { rows, next_byte: this.#byte, next_row: this.#row };
  }
}

const MAX_TAKE = 1024 * 1024;

/** Small batches of rows, with a breath between them for whatever else the process does. */
export async function* readRows(
  source: AsyncIterable<Uint8Array>,
  encoding: Encoding,
  dialect: CsvDialect,
  from: Position,
  batch: number,
): AsyncGenerator<RowBatch> {
  const reader = new RowReader(encoding, dialect, from);
  for await (const bytes of source) {
    reader.push(bytes);
    yield* drain(reader, batch);
  }
  reader.end();
  yield* drain(reader, batch);
}

function* drain(reader: RowReader, batch: number): Generator<RowBatch> {
  for (;;) {
    const taken = reader.take(batch);
    if (taken.rows.length === 0) return;
    yield taken;
  }
}
