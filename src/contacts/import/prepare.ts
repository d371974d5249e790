/** One row of a file made ready to be written, or refused. What the import and its preview share. */
import type { PreparedRow } from './batch.ts';
import type { RowResult } from './row.ts';
import type { FileRow } from './rows.ts';

const BROKEN = {
  unclosed_quote: 'A quote in this row never closes.',
  row_too_long: 'The row is too long to be one.',
};

/** Null for blank rows: spreadsheets leave them at the end. */
export function prepareRow(
  row: FileRow,
  read: (cells: readonly string[], n: number) => RowResult,
): PreparedRow | null {
  const { n, raw } = row;
  if (row.broken !== undefined) return refused(row, row.broken, BROKEN[row.broken]);
  // PostgreSQL's text cannot hold it, and nobody means it.
  if (raw.includes('\0')) return refused(row, 'nul_character', 'The row holds a NUL character.');
  const result = read(row.cells, n);
  if ('blank' in result) return null;
  if ('refused' in result) return { n, raw, refused: result.refused, contact: null, warnings: [] };
  return { n, raw, refused: null, contact: result.contact, warnings: result.warnings };
}

function refused({ n, raw }: FileRow, code: string, message: string): PreparedRow {
  return { n, raw, refused: { code, field: null, message }, contact: null, warnings: [] };
}
