/** Rows of a file from its bytes, with the exact text of each and the byte where the next begins. */
import { bytesOf, type Encoding, textDecoder } from '../csv/encoding.ts';
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
  readonly #decode: (bytes?: Uint8Array) => string;
  #text = '';
  #at = 0;
  #byte: number;
  #row: number;
  #final = false;
  /**
   * A row that is too long, until the end of its line has come: what follows in it is neither a row nor a contact.
   * The position stays before it meanwhile, so that whoever goes on from there does not begin inside it.
   */
  #tooLong: FileRow | null = null;
  /** Bytes of it that are gone from memory. */
  #dropped = 0;

  constructor(encoding: Encoding, dialect: CsvDialect, from: Position) {
    this.#encoding = encoding;
    this.#dialect = dialect;
    this.#decode = textDecoder(encoding);
    this.#byte = from.next_byte;
    this.#row = from.next_row;
  }

  push(bytes: Uint8Array): void {
    this.#text = this.#text.slice(this.#at) + this.#decode(bytes);
    this.#at = 0;
  }

  end(): void {
    this.#text = this.#text.slice(this.#at) + this.#decode();
    this.#at = 0;
    this.#final = true;
  }

  /** Up to `limit` rows and some 1 MB of text; none when more bytes are needed, or at the end. */
  take(limit: number): RowBatch {
    const rows: FileRow[] = [];
    const from = this.#at;
    let given = from;
    const give = (row: FileRow) => {
      rows.push(row);
      this.#row += 1;
      given = this.#at;
    };
    if (this.#tooLong !== null && this.#dropRest()) {
      give(this.#tooLong);
      this.#tooLong = null;
    }
    while (
      this.#tooLong === null &&
      rows.length < limit &&
      this.#at < this.#text.length &&
      this.#at - from < MAX_TAKE
    ) {
      const row = readRow(this.#text, this.#at, this.#dialect, this.#final, MAX_ROW);
      if (row === null) break;
      const raw = this.#text.slice(row.start, row.end);
      this.#at = row.end;
      if (!('broken' in row)) give({ n: this.#row, cells: row.cells, raw });
      else {
        const broken = { n: this.#row, cells: [], raw: raw.slice(0, MAX_ROW), broken: row.broken };
        if (this.#final || raw.endsWith(this.#dialect.newline)) give(broken);
        else this.#tooLong = broken;
      }
    }
    if (rows.length > 0) {
      this.#byte += this.#dropped + bytesOf(this.#text.slice(from, given), this.#encoding);
      this.#dropped = 0;
    }
    this.#dropped += bytesOf(this.#text.slice(given, this.#at), this.#encoding);
    return { rows, next_byte: this.#byte, next_row: this.#row };
  }

  /** Up to the end of its line; true when that has come. */
  #dropRest(): boolean {
    const end = this.#text.indexOf(this.#dialect.newline, this.#at);
    this.#at = end === -1 ? this.#text.length : end + 1;
    return end !== -1 || this.#final;
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
