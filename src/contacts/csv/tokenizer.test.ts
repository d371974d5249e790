import { type Options, parse } from 'csv-parse';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CsvDialect, readRow } from './tokenizer.ts';

const COMMA: CsvDialect = { delimiter: ',', newline: '\n' };

function readAll(text: string, dialect = COMMA, limit = 10_000): string[][] {
  const rows: string[][] = [];
  for (let at = 0; at < text.length; ) {
    const row = readRow(text, at, dialect, true, limit);
    if (row === null || 'broken' in row) throw new Error(`no row at ${at}`);
    rows.push(row.cells);
    at = row.end;
  }
  return rows;
}

function csvParse(text: string, options: Options): Promise<string[][]> {
  return new Promise((resolve, reject) => {
    parse(text, options, (error, rows) => (error ? reject(error) : resolve(rows as string[][])));
  });
}

/** Rows as they come out of a text that arrives in pieces. */
function readInPieces(text: string, sizes: number[], dialect: CsvDialect): string[][] {
  const rows: string[][] = [];
  let held = '';
  let fed = 0;
  for (let turn = 0; ; turn++) {
    const final = fed >= text.length;
    for (let at = 0; ; ) {
      const row = at < held.length ? readRow(held, at, dialect, final, 10_000) : null;
      if (row === null) {
        held = held.slice(at);
        break;
      }
      if ('cells' in row) rows.push(row.cells);
      at = row.end;
    }
    if (final) return rows;
    const size = sizes[turn % sizes.length]!;
    held += text.slice(fed, fed + size);
    fed += size;
  }
}

const cell = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.stringMatching(/^[a-z ,;"\n\r\t|']{0,8}$/),
  fc.constantFrom('', '"', '""', ',', '\r\n', ' x ', '=1+1'),
);
const quote = (value: string) => `"${value.replaceAll('"', '""')}"`;

const csv = fc
  .record({
    rows: fc.array(fc.array(cell, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 8 }),
    delimiter: fc.constantFrom(',', ';', '\t', '|'),
    newline: fc.constantFrom('\n', '\r\n'),
    lastNewline: fc.boolean(),
    alwaysQuote: fc.boolean(),
  })
  .map(({ rows, delimiter, newline, lastNewline, alwaysQuote }) => {
    const write = (value: string) =>
      alwaysQuote || /[",;\t|\r\n]/.test(value) || value === '' ? quote(value) : value;
    const lines = rows.map((row) => row.map(write).join(delimiter));
    return { text: lines.join(newline) + (lastNewline ? newline : ''), delimiter, rows };
  });

describe('[CON-1] CSV rows', () => {
  it('[CON-1] come out as csv-parse reads them', async () => {
    await fc.assert(
      fc.asyncProperty(csv, async ({ text, delimiter, rows }) => {
        const read = readAll(text, { delimiter, newline: '\n' });
        expect(read).toEqual(rows);
        const oracle = { delimiter, relax_column_count: true, record_delimiter: ['\n', '\r\n'] };
        expect(read).toEqual(await csvParse(text, oracle));
      }),
      { numRuns: 1_000 },
    );
  });

  it('[CON-1] come out the same however the text is cut', () => {
    fc.assert(
      fc.property(
        csv,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        ({ text, delimiter, rows }, sizes) => {
          expect(readInPieces(text, sizes, { delimiter, newline: '\n' })).toEqual(rows);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('[CON-1] take a quote inside a cell as text, and what follows a closing one too', () => {
    expect(readAll('5" pipe,"a"b,c\nx,y,z\n')).toEqual([
      ['5" pipe', 'ab', 'c'],
      ['x', 'y', 'z'],
    ]);
  });

  it('[CON-1] end at carriage returns in files of old Macs', () => {
    expect(readAll('a,b\r"c\r",d\r', { delimiter: ',', newline: '\r' })).toEqual([
      ['a', 'b'],
      ['c\r', 'd'],
    ]);
  });

  it('[CON-1] give up one line at a quote that never closes, and go on after it', () => {
    const text = 'a,b\n"never closed,c\nd,e\n';
    const broken = readRow(text, 4, COMMA, true, 10_000);
    expect(broken).toEqual({ broken: 'unclosed_quote', start: 4, end: 20 });
    expect(readRow(text, 20, COMMA, true, 10_000)).toMatchObject({ cells: ['d', 'e'] });
  });

  it('[CON-1] are never longer than the limit, so that memory stays bounded', () => {
    const text = `"${'x'.repeat(500)}\n${'y'.repeat(500)}"\na,b\n`;
    expect(readRow(text, 0, COMMA, false, 300)).toMatchObject({ broken: 'row_too_long', end: 502 });
    expect(readRow(`"${'x'.repeat(400)}`, 0, COMMA, false, 300)).toMatchObject({ broken: 'row_too_long' });
    expect(readRow(`"${'x'.repeat(200)}`, 0, COMMA, false, 300)).toBeNull();
  });
});
