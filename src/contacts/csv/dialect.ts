/** Guesses how a CSV file separates cells and rows, from its beginning. */
import { type CsvDialect, readRow } from './tokenizer.ts';

const DELIMITERS = [',', ';', '\t', '|'];
const ROWS = 50;
const ROW_LIMIT = 64 * 1024;

/**
 * The delimiter that gives the most cells in the most rows of equal length. Counting happens on parsed rows, so
 * commas inside quotes or inside the cells of a semicolon file do not mislead.
 */
export function guessDialect(sample: string, complete: boolean): CsvDialect {
  const newline = newlineOf(sample);
  let best: CsvDialect = { delimiter: ',', newline };
  let bestScore = 0;
  for (const delimiter of DELIMITERS) {
    const dialect: CsvDialect = { delimiter, newline };
    const score = scoreOf(sample, dialect, complete);
    if (score <= bestScore) continue;
    best = dialect;
    bestScore = score;
  }
  return best;
}

/** A lone carriage return ended lines on old Macs; anything else has line feeds. */
export function newlineOf(sample: string): CsvDialect['newline'] {
  return sample.includes('\n') || !sample.includes('\r') ? '\n' : '\r';
}

/** Columns of the first row, weighed by the share of rows that have as many; 0 for a single column. */
function scoreOf(sample: string, dialect: CsvDialect, complete: boolean): number {
  let at = 0;
  let columns = 0;
  let rows = 0;
  let same = 0;
  while (at < sample.length && rows < ROWS) {
    const row = readRow(sample, at, dialect, complete, ROW_LIMIT);
    if (row === null) break;
    at = row.end;
    if ('broken' in row || (row.cells.length === 1 && row.cells[0] === '')) continue;
    rows += 1;
    if (rows === 1) columns = row.cells.length;
    if (row.cells.length === columns) same += 1;
  }
  return columns < 2 ? 0 : columns * (same / rows) ** 2;
}
