import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

const MESSY = fileURLToPath(new URL('../data/contacts-messy.csv', import.meta.url));

let database: TestDatabase;
let dir: string;
beforeAll(async () => {
  database = await createDatabase();
  dir = mkdtempSync(join(tmpdir(), 'import-cli-'));
});
afterAll(async () => {
  rmSync(dir, { recursive: true });
  await database.drop();
});

const secret = randomBytes(32).toString('base64url');

async function cadenza(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const env = { DATABASE_URL: database.ownerUrl, CADENZA_DATA: dir, CADENZA_SECRET: secret };
  const code = await main(words, env, {
    out: (text) => {
      out += `${text}\n`;
    },
    err: (text) => {
      err += `${text}\n`;
    },
  });
  return { code, out, err };
}

describe('cadenza import contacts', () => {
  it('[CON-1] previews, imports, reports the refused rows, and finds all of them there the second time', async () => {
    const previewed = await cadenza('import', 'contacts', MESSY, '--preview');
    expect(previewed.code).toBe(0);
    expect(previewed.out).toContain('Email → email\n');
    expect(previewed.out).toContain('3  "a@b@example.com" is not an e-mail address.');

    const refused = join(dir, 'refused.csv');
    const first = await cadenza('import', 'contacts', MESSY, '--tags', 'fair', '--errors', refused, '--json');
    expect(first.code).toBe(0);
    expect(JSON.parse(first.out)).toMatchObject({
      status: 'completed',
      rows: 2000,
      created: 1724,
      duplicates: 160,
      refused: { missing_email: 55, invalid_email: 61 },
      warnings: { invalid_phone: 482 },
    });
    expect(readFileSync(refused, 'utf8').split('\r\n')[0]).toMatch(/^import_row,.*,Record ID,/);

    const again = await cadenza('import', 'contacts', MESSY, '--existing', 'update');
    // The first row of an address is compared, later ones are duplicates as before.
    expect(again.out).toContain(
      '2000 rows: 0 created, 0 updated, 1724 unchanged, 0 skipped, 160 duplicates, 116 refused.',
    );
  });

  it('[CON-1] says where the rows are only when there are some', async () => {
    const file = join(dir, 'clean.csv');
    const errors = join(dir, 'clean-errors.csv');
    const told = async (text: string) => {
      writeFileSync(file, text);
      return (await cadenza('import', 'contacts', file, '--errors', errors)).out.trimEnd().split('\n').at(-1);
    };
    expect(await told('Email\nclean@example.com\n')).toBe(
      `There is nothing to tell of any row: ${errors} has the header alone.`,
    );
    expect(readFileSync(errors, 'utf8').trim().split('\r\n')).toHaveLength(1);
    expect(await told('Email\nnot-clean\n')).toBe(`The rows are in ${errors}.`);
    expect(await told('Email\nnew@example.com\nnew@example.com\n')).toBe(`The rows are in ${errors}.`);
  });

  it('[CON-1] says in one sentence what is wrong', async () => {
    const missing = await cadenza('import', 'contacts', join(dir, 'none.csv'));
    expect([missing.code, missing.err]).toEqual([2, expect.stringContaining('There is no file')]);
    expect((await cadenza('import', 'contacts')).code).toBe(2);
    expect((await cadenza('import', 'contacts', MESSY, '--existing', 'merge')).code).toBe(2);
    const file = join(dir, 'headless.csv');
    writeFileSync(file, 'a@example.com\nb@example.com\n');
    const headless = await cadenza('import', 'contacts', file);
    expect([headless.code, headless.err]).toEqual([
      3,
      expect.stringContaining('holds data, not column names'),
    ]);
    const empty = join(dir, 'empty.csv');
    writeFileSync(empty, '');
    const nothing = await cadenza('import', 'contacts', empty);
    expect(nothing.err).toContain('The file is empty.\n');
    const lower = join(dir, 'lower.csv');
    writeFileSync(lower, 'email,name\na@example.com,Ann\n');
    for (const path of [MESSY, lower]) {
      const nix = await cadenza('import', 'contacts', path, '--map', 'Nix=email');
      expect([nix.code, nix.err]).toEqual([3, expect.stringContaining('The file has no column "Nix".')]);
    }
    const unmapped = await cadenza('import', 'contacts', MESSY, '--map', 'First Name=first_name');
    expect([unmapped.code, unmapped.err]).toEqual([
      3,
      expect.stringContaining('No column is mapped to email'),
    ]);
  });
});
