import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorsCsv } from '../../src/contacts/import/errors-csv.ts';
import type { ImportRecord } from '../../src/contacts/import/import.ts';
import { previewImport } from '../../src/contacts/import/preview.ts';
import { runImport } from '../../src/contacts/import/run.ts';
import { type ImportSettings, startImport } from '../../src/contacts/import/start.ts';
import { uploadImport } from '../../src/contacts/import/upload.ts';
import { sql } from '../../src/db/sql.ts';
import type { Context } from '../../src/tenancy/context.ts';
import { type ContactsWorld, contactsWorld, inPieces } from '../support/contacts.ts';

const file = readFileSync(new URL('../data/contacts-messy.csv', import.meta.url));
const expected = JSON.parse(
  readFileSync(new URL('../data/contacts-messy.expected.json', import.meta.url), 'utf8'),
);

let world: ContactsWorld;
beforeAll(async () => {
  world = await contactsWorld();
});
afterAll(() => world.close());

async function importBytes(
  ctx: Context,
  bytes: Uint8Array,
  settings: ImportSettings = {},
  batchRows = 300,
): Promise<ImportRecord> {
  const uploaded = await uploadImport(world.db, ctx, { filename: 'list.csv', source: inPieces(bytes) });
  await startImport(world.db, ctx, { import_id: uploaded.id, queue: false, ...settings });
  return runImport(world.db, ctx, uploaded.id, { batchRows });
}

async function count(ctx: Context): Promise<number> {
  const row = await world.db.inOrg(ctx.org, (tx) =>
    tx.one(sql`SELECT count(*) AS n FROM contacts WHERE org_id = ${ctx.org}`),
  );
  return row.n;
}

function summary({ counts }: ImportRecord) {
  return {
    rows: counts.rows,
    created: counts.created,
    duplicates: counts.duplicates,
    refused: counts.refused,
    phone_warnings: counts.warnings.invalid_phone,
  };
}

const { identity: _identity, phone_warnings_means: _means, ...wanted } = expected;

describe('[CON-1] importing a messy file', () => {
  it('[CON-1] gives exactly the expected counts, whatever the batch size', async () => {
    for (const batchRows of [1, 37, 250, 5_000]) {
      const ctx = await world.newOrg();
      const done = await importBytes(ctx, file, {}, batchRows);
      expect(done.status).toBe('completed');
      expect(summary(done)).toEqual(wanted);
      expect(await count(ctx)).toBe(wanted.created);
    }
  });

  it('[CON-1] says encoding, delimiter, columns and what it takes them for', async () => {
    const record = await uploadImport(world.db, world.ours, {
      filename: 'C:\\lists\\messy.csv',
      source: inPieces(file),
    });
    expect(record).toMatchObject({
      status: 'ready',
      filename: 'messy.csv',
      encoding: 'utf-8',
      delimiter: ',',
    });
    expect(record.mapping.map(({ column, field, confidence }) => [column, field, confidence])).toEqual([
      ['Record ID', 'external_id', 'high'],
      ['First Name', 'first_name', 'high'],
      ['Last Name', 'last_name', 'high'],
      ['Email', 'email', 'high'],
      ['Phone Number', 'phone', 'high'],
      ['Company Name', 'company', 'high'],
      ['Time Zone', 'time_zone', 'high'],
      ['Lead Status', 'attributes.lead_status', 'low'],
      ['Notes', 'attributes.notes', 'low'],
    ]);
  });

  it('[CON-1] previews the first rows as they will be imported and writes nothing', async () => {
    const ctx = await world.newOrg();
    const record = await uploadImport(world.db, ctx, { filename: 'messy.csv', source: inPieces(file) });
    const preview = await previewImport(world.db, ctx, { import_id: record.id });
    expect(preview.new_attributes).toEqual(['lead_status', 'notes']);
    expect(preview.rows[0]).toMatchObject({
      row: 2,
      contact: { first_name: '王芳', email: 'person7.0@example.com', phone: '+97235550000' },
      refused: null,
    });
    expect(preview.rows[1]?.refused?.code).toBe('invalid_email');
    expect(await count(ctx)).toBe(0);
  });

  it('[CON-1] keeps quoted newlines, formulas and no-break spaces as text', async () => {
    const ctx = await world.newOrg();
    await importBytes(ctx, file);
    const rows = await world.db.inOrg(ctx.org, (tx) =>
      tx.rows(sql`SELECT email, last_name, attributes FROM contacts
        WHERE org_id = ${ctx.org} AND external_id IN ('700004', '700007', '700009', '700018', '700023') ORDER BY external_id`),
    );
    expect(rows.map((row) => [row.email, row.last_name, row.attributes.notes])).toEqual([
      ['person7.4@example.net', '李', 'says "maybe", later'],
      ['person7.7@example.com', 'Παπαδόπουλος', 'line one\nline two'],
      ['person7.9@example.org', 'Иванов', '=HYPERLINK("http://example.com","x")'],
      ['person7.23@example.com', '=cmd|calc', '😀 keen'],
    ]);
  });

  it('[CON-1] gives the same counts as UTF-16 with semicolons, tabs and old Mac line ends', async () => {
    const text = file.toString('utf8').slice(1);
    const semicolons = text
      .split('\r\n')
      .map((line) => line)
      .join('\n');
    const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(semicolons, 'utf16le')]);
    const bigEndian = Buffer.from(utf16).swap16();
    const withoutMark = Buffer.from(semicolons, 'utf16le');
    for (const [bytes, encoding] of [
      [utf16, 'utf-16le'],
      [bigEndian, 'utf-16be'],
      [withoutMark, 'utf-16le'],
    ] as const) {
      const done = await importBytes(await world.newOrg(), bytes);
      expect(done.encoding).toBe(encoding);
      expect(summary(done)).toEqual(wanted);
    }
  });

  it('[CON-1] gives the refused rows back as they were, with the reason', async () => {
    const ctx = await world.newOrg();
    const done = await importBytes(ctx, file);
    let csv = '';
    for await (const line of await errorsCsv(world.db, ctx, done.id)) csv += line;
    const first = csv.split('\r\n').slice(0, 4);
    expect(first[0]).toBe(
      'import_row,import_result,import_code,import_field,import_message,Record ID,First Name,Last Name,Email,Phone Number,Company Name,Time Zone,Lead Status,Notes',
    );
    expect(first[1]).toContain('3,refused,invalid_email,email,');
    expect(first[1]).toContain('700001,Дмитрий,כהן,a@b@example.com');
    // Corrected and imported again, only these rows come, and the added columns are left out.
    const again = await importBytes(await world.newOrg(), Buffer.from(csv));
    expect(again.counts.rows).toBe(160 + 55 + 61 + 482);
    expect(again.counts.refused).toEqual(wanted.refused);
    expect(again.mapping.slice(0, 5).every(({ field }) => field === null)).toBe(true);
  });
});
