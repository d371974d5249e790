/**
 * CSV rows from a growing text. Own code instead of csv-parse, which stays the oracle of the test: an import must
 * know the exact text of each row (refused rows are given back as they were) and where it ends (a killed import
 * goes on there), and go on after a quote that never closes; csv-parse with positions takes 15 µs a row and
 * stops for good at such a quote. This takes about 1 µs a row.
 *
 * Reads what RFC 4180 writes, and as spreadsheets do: CRLF, LF or CR; quotes doubled inside quotes; a quote
 * inside an unquoted cell is text; what follows a closing quote is appended.
 */
export interface CsvDialect {
  delimiter: string;
  newline: '\n' | '\r';
}

export interface CsvRow {
  cells: string[];
  /** Where the row begins and where the next one does, in the text. */
  start: number;
  end: number;
}

/** The row could not be read: it is longer than the limit, or a quote in it never closes. */
export interface BrokenRow {
  broken: 'row_too_long' | 'unclosed_quote';
  start: number;
  end: number;
}

/**
 * The row that begins at `start`, or null when its end is not in the text yet. `final` says that the text is all
 * there is. A row longer than `limit` characters ends at its first line break and is broken.
 */
export function readRow(
  text: string,
  start: number,
  dialect: CsvDialect,
  final: boolean,
  limit: number,
): CsvRow | BrokenRow | null {
  const { delimiter, newline } = dialect;
  const cells: string[] = [];
  let at = start;
  let line = lineEnd(text, at, newline);
  for (;;) {
    if (text.charCodeAt(at) === QUOTE) {
      const cell = quotedCell(text, at);
      if (cell === null)
        return final || text.length - start > limit ? broken(text, start, newline, limit, final) : null;
      at = cell.end;
      let value = cell.value;
      if (at > line) line = lineEnd(text, at, newline);
      const next = cellEnd(text, at, delimiter, line);
      if (next > at) value += stripReturn(text.slice(at, next), next === line);
      cells.push(value);
      at = next;
    } else {
      const next = cellEnd(text, at, delimiter, line);
      cells.push(stripReturn(text.slice(at, next), next === line));
      at = next;
    }
    if (at >= line) break;
    at += 1;
  }
  if (line >= text.length && !final) {
    return text.length - start > limit ? broken(text, start, newline, limit, final) : null;
  }
  if (line - start > limit) return broken(text, start, newline, limit, final);
  return { cells, start, end: Math.min(line + 1, text.length) };
}

const QUOTE = 34;

/** Where the line ends: its break, or the end of the text. */
function lineEnd(text: string, at: number, newline: string): number {
  const found = text.indexOf(newline, at);
  return found === -1 ? text.length : found;
}

function cellEnd(text: string, at: number, delimiter: string, line: number): number {
  const found = text.indexOf(delimiter, at);
  return found === -1 || found > line ? line : found;
}

function stripReturn(cell: string, last: boolean): string {
  return last && cell.endsWith('\r') ? cell.slice(0, -1) : cell;
}

/** The text between the quotes and the position after the closing one; null when it does not close. */
function quotedCell(text: string, at: number): { value: string; end: number } | null {
  let value = '';
  let from = at + 1;
  for (;;) {
    const close = text.indexOf('"', from);
    if (close === -1) return null;
    if (text.charCodeAt(close + 1) !== QUOTE)
      return { value: value + text.slice(from, close), end: close + 1 };
    value += text.slice(from, close + 1);
    from = close + 2;
  }
}

/** The first line alone is given up; the next line begins a row again. */
function broken(
  text: string,
  start: number,
  newline: string,
  limit: number,
  final: boolean,
): BrokenRow | null {
  const end = lineEnd(text, start, newline);
  // A line longer than any row: given up piece by piece, so that the text in memory stays bounded.
  if (end === text.length && !final && end - start <= limit) return null;
  return {
    broken: end - start > limit ? 'row_too_long' : 'unclosed_quote',
    start,
    end: Math.min(end + 1, text.length),
  };
}
