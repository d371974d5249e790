import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineAttribute, listAttributes } from '../../src/contacts/attribute-definition.ts';
import type { ImportRecord } from '../../src/contacts/import/import.ts';
import { RowReader } from '../../src/contacts/import/rows.ts';
import { runImport } from '../../src/contacts/import/run.ts';
import { type ImportSettings, startImport } from '../../src/contacts/import/start.ts';
import { uploadImport } from '../../src/contacts/import/upload.ts';
import { createContact } from '../../src/contacts/save-contact.ts';
import { Database } from '../../src/db/database.ts';
import { type Sql, sql } from '../../src/db/sql.ts';
import type { Context } from '../../src/tenancy/context.ts';
import { type ContactsWorld, contactsWorld, inPieces } from '../support/contacts.ts';

let world: ContactsWorld;
let ctx: Context;
beforeAll(async () => {
  world = await contactsWorld();
});
afterAll(() => world.close());

async function importText(
  text: string | Buffer,
  settings: ImportSettings = {},
  batchRows = 2,
): Promise<ImportRecord> {
  const source = inPieces(Buffer.from(text as string), 5);
  const { id } = await uploadImport(world.db, ctx, { filename: 'x.csv', source });
  await startImport(world.db, ctx, { import_id: id, queue: false, ...settings });
  return runImport(world.db, ctx, id, { batchRows });
}

async function contacts() {
  return world.db.inOrg(ctx.org, (tx) =>
    tx.rows(sql`SELECT *, ARRAY(SELECT tag FROM contact_tags t WHERE t.org_id = c.org_id AND t.contact_id = c.id ORDER BY tag) AS tags
      FROM contacts c WHERE org_id = ${ctx.org} ORDER BY email, phone`),
  );
}

async function reported(id: string): Promise<string[]> {
  const rows = await world.db.inOrg(ctx.org, (tx) =>
    tx.rows(sql`SELECT row_number, severity, code FROM import_errors
      WHERE org_id = ${ctx.org} AND import_id = ${id} ORDER BY row_number, n`),
  );
  return rows.map((row) => `${row.row_number} ${row.severity} ${row.code}`);
}

describe('rows whose contact is already there', () => {
  beforeAll(async () => {
    ctx = await world.newOrg();
    await defineAttribute(world.db, ctx, { key: 'score', type: 'number', label: 'Score' });
  });

  const person = { email: 'ann@example.com', first_name: 'Ann', phone: '+4930901820', tags: ['old'] };
  const csv =
    'Email,First Name,Company,Phone,Score,Tags\nANN@example.com,Anna,Acme,+12025550103,7,new\nann@example.com,Later,,,8,late\n';

  it('[CON-1] are left alone by `skip`, tags and all, however often they come', async () => {
    await createContact(world.db, ctx, { ...person, attributes: { score: 1 } });
    const { counts } = await importText(csv, { tags: ['list'] });
    expect(counts).toMatchObject({ rows: 2, skipped: 2, created: 0, duplicates: 0 });
    expect(await contacts()).toMatchObject([{ first_name: 'Ann', company: null, version: 1, tags: ['old'] }]);
  });

  it('[CON-1] get what they lack by `fill_blanks`, and nothing else', async () => {
    const { counts } = await importText(csv, { existing: 'fill_blanks', tags: ['list'] });
    expect(counts).toMatchObject({ rows: 2, updated: 1, duplicates: 1 });
    expect(await contacts()).toMatchObject([
      {
        first_name: 'Ann',
        company: 'Acme',
        phone: '+4930901820',
        time_zone: 'Europe/Berlin',
        attributes: { score: 1 },
        version: 2,
        tags: ['list', 'new', 'old'],
      },
    ]);
  });

  it('[CON-1] take what the first row says by `update`; a blank cell empties nothing', async () => {
    const { counts, id } = await importText(csv, { existing: 'update' });
    expect(counts).toMatchObject({ rows: 2, updated: 1, duplicates: 1 });
    expect(await reported(id)).toEqual(['3 duplicate duplicate_in_file']);
    expect(await contacts()).toMatchObject([
      { first_name: 'Anna', phone: '+12025550103', time_zone: null, attributes: { score: 7 }, version: 3 },
    ]);
    const blank = await importText('Email,First Name,Company\nann@example.com,,\n', { existing: 'update' });
    expect(blank.counts).toMatchObject({ unchanged: 1, updated: 0 });
    expect(await contacts()).toMatchObject([{ first_name: 'Anna', company: 'Acme', version: 3 }]);
  });

  it('[CON-1] keep an address that belongs to somebody else out, with a warning', async () => {
    await createContact(world.db, ctx, { email: 'bob@example.com', external_id: 'B1' });
    const { id, counts } = await importText('Email,Record ID,Company\nann@example.com,B1,Acme 2\n', {
      existing: 'update',
    });
    expect(counts).toMatchObject({ updated: 1, warnings: { external_id_taken: 1 } });
    expect(await reported(id)).toEqual(['2 warning external_id_taken']);
    const [ann] = await contacts();
    expect(ann).toMatchObject({ company: 'Acme 2', external_id: null });
    const fresh = await importText('Email,Record ID\nnew@example.com,B1\n');
    expect(fresh.counts).toMatchObject({ created: 0, refused: { external_id_taken: 1 } });
  });
});

describe('a batch taken for new people that meets one', () => {
  it('[CON-1] is undone and written once, tags and all', async () => {
    ctx = await world.newOrg();
    await createContact(world.db, ctx, { email: 'person7@example.com', first_name: 'There', tags: ['old'] });
    const lines = Array.from({ length: 12 }, (_, n) => `person${n}@example.com,Name ${n},tag ${n % 2}`);
    const text = `Email,First Name,Tags\n${lines.join('\n')}\n`;
    for (const existing of ['skip', 'update'] as const) {
      const { counts, status } = await importText(text, { existing, tags: ['list'] }, 5);
      const again = existing === 'update';
      expect(status).toBe('completed');
      expect(counts).toMatchObject({
        rows: 12,
        created: again ? 0 : 11,
        skipped: again ? 0 : 1,
        updated: again ? 1 : 0,
        unchanged: again ? 11 : 0,
      });
    }
    const all = await contacts();
    expect(all.length).toBe(12);
    for (const { email, first_name, tags } of all) {
      const n = Number(/\d+/.exec(email)?.[0]);
      expect([first_name, tags]).toEqual([
        `Name ${n}`,
        n === 7 ? ['list', 'old', 'tag 1'] : ['list', `tag ${n % 2}`],
      ]);
    }
  });
});

describe('other identities', () => {
  it('[CON-1] phone: one contact a number, in the file and in the organization', async () => {
    ctx = await world.newOrg();
    await createContact(world.db, ctx, { phone: '+4930901820', first_name: 'There' });
    const csv =
      'Phone,First Name\n030 901820,Skipped\n030 901821,New\n+49 30 901821,Again\nnone,No\n,Missing\n030 901822,Last\n';
    const { id, counts } = await importText(csv, { identity: 'phone', default_country: 'de' });
    expect(counts).toMatchObject({
      rows: 6,
      created: 2,
      skipped: 1,
      duplicates: 1,
      refused: { invalid_phone: 1, missing_phone: 1 },
    });
    expect(await reported(id)).toEqual([
      '4 duplicate duplicate_in_file',
      '5 refused invalid_phone',
      '6 refused missing_phone',
    ]);
    expect((await contacts()).map(({ phone }) => phone)).toEqual([
      '+4930901820',
      '+4930901821',
      '+4930901822',
    ]);
  });

  it('[CON-1] external id: an e-mail address of another contact is refused, an unreadable one left out', async () => {
    ctx = await world.newOrg();
    await createContact(world.db, ctx, { email: 'taken@example.com' });
    const csv =
      'ID,Email\n1,a@example.com\n2,taken@example.com\n3,nobody\n1,b@example.com\n4,a@example.com\n';
    for (const batchRows of [1, 100]) {
      const { id, counts } = await importText(
        csv,
        { identity: 'external_id', existing: 'update' },
        batchRows,
      );
      expect(await reported(id)).toEqual([
        '3 refused email_taken',
        '4 warning invalid_email',
        '5 duplicate duplicate_in_file',
        '6 refused email_taken',
      ]);
      expect(counts.created + counts.unchanged).toBe(2);
    }
  });
});

describe('rows that are not well', () => {
  beforeAll(async () => {
    ctx = await world.newOrg();
  });

  it('[CON-1] are refused or warned about one by one, with the row a spreadsheet shows', async () => {
    await defineAttribute(world.db, ctx, { key: 'seats', type: 'number', label: 'Seats' });
    const csv = [
      'Email,Seats,Time Zone,Company',
      'a@example.com,12,Europe/Berlin,Acme',
      '',
      'b@example.com,twelve,Berlin,',
      'c@example.com',
      'd@example.com,1,,Acme,Ltd',
      'e@example.com,1,,Acme,,',
      ',,,',
      'f@exa\0mple.com,1,,',
      `g@example.com,1,,${'x'.repeat(300)}`,
      `h@example.com,1,,${'x'.repeat(300_000)}`,
      'i@example.com,1,,"never closed',
    ].join('\r\n');
    const { id, counts } = await importText(csv);
    expect(await reported(id)).toEqual([
      '4 warning invalid_number',
      '4 warning invalid_time_zone',
      '5 warning too_few_cells',
      '6 refused too_many_cells',
      '9 refused nul_character',
      '10 warning too_long',
      '11 refused row_too_long',
      '12 refused unclosed_quote',
    ]);
    expect(counts).toMatchObject({ rows: 9, created: 5 });
    expect((await contacts()).map(({ email, attributes }) => [email, attributes])).toEqual([
      ['a@example.com', { seats: 12 }],
      ['b@example.com', {}],
      ['c@example.com', {}],
      ['e@example.com', { seats: 1 }],
      ['g@example.com', { seats: 1 }],
    ]);
  });

  it('[CON-1] that are too long are one refused row each, however long, and what they end with is no contact', async () => {
    ctx = await world.newOrg();
    // The file arrives a megabyte at a time; what follows the break of a piece looks like a cell, a quote and a row.
    const long = `l@example.com,${'"x,'.repeat(900_000)},\r,m@example.com,Mallory`;
    const csv = `Email,Name\na@example.com,Ann\n${long}\nb@example.com,Bea\n"n@example.com,${'é'.repeat(1_500_000)}`;
    const { id, counts } = await importText(csv);
    expect(await reported(id)).toEqual(['3 refused row_too_long', '5 refused row_too_long']);
    expect(counts).toMatchObject({ rows: 4, created: 2, refused: { row_too_long: 2 } });
    expect((await contacts()).map(({ email }) => email)).toEqual(['a@example.com', 'b@example.com']);
  });

  it('[CON-1] that are too long are not begun inside of, when an import goes on after them', () => {
    const text = `a,1\n${'é'.repeat(700_000)}\nb,2\n`;
    const bytes = Buffer.from(text);
    const dialect = { delimiter: ',', newline: '\n' as const };
    const from = { next_byte: 0, next_row: 2 };
    const reader = new RowReader('utf-8', dialect, from);
    const seen: [number[], number, number][] = [];
    const take = () => {
      const { rows, next_byte, next_row } = reader.take(10);
      seen.push([rows.map(({ n }) => n), next_byte, next_row]);
    };
    for (const end of [600_000, 1_200_000, bytes.length]) {
      reader.push(bytes.subarray(end === bytes.length ? 1_200_000 : end - 600_000, end));
      take();
    }
    expect(seen).toEqual([
      [[2], 4, 3],
      [[], 4, 3],
      [[3, 4], bytes.length, 5],
    ]);
  });

  it('[CON-1] in Windows-1252, with a hint for Excel and old line ends, are read as meant', async () => {
    ctx = await world.newOrg();
    const cp1252 = Buffer.from(
      'sep=;\r\nVorname;E-Mail;Firma\r\nJürgen;j@example.com;“Müller” €\r\n',
      'utf8',
    );
    const text = cp1252.toString('utf8').replace('“', '\x93').replace('”', '\x94').replace('€', '\x80');
    const mapping = { Vorname: 'first_name', 'E-Mail': 'email', Firma: 'company' };
    const done = await importText(Buffer.from(text, 'latin1'), { mapping });
    expect(done).toMatchObject({ encoding: 'windows-1252', delimiter: ';', counts: { created: 1 } });
    expect(await contacts()).toMatchObject([{ first_name: 'Jürgen', company: '“Müller” €' }]);
    const mac = await importText('email|name\rmac@example.com|Ada Lovelace\r');
    expect(mac).toMatchObject({ delimiter: '|', counts: { created: 1 } });
    expect((await contacts()).at(-1)).toMatchObject({
      email: 'mac@example.com',
      first_name: 'Ada',
      last_name: 'Lovelace',
    });
  });

  it('[CON-1] of unknown columns become text attributes, defined when the import starts', async () => {
    ctx = await world.newOrg();
    await importText('Email,Lead Score,Größe\na@example.com,007,=1+1\n');
    expect(await listAttributes(world.db, ctx)).toEqual([
      { key: 'gro_e', type: 'text', label: 'Größe' },
      { key: 'lead_score', type: 'text', label: 'Lead Score' },
    ]);
    expect(await contacts()).toMatchObject([{ attributes: { lead_score: '007', gro_e: '=1+1' } }]);
  });

  it('[CON-1] that PostgreSQL will never take end the import as failed, with the reason', async () => {
    ctx = await world.newOrg();
    const owner = new Database({ url: world.ownerUrl, max: 1 });
    const change = (statement: Sql) => owner.outsideOrgs((tx) => tx.run(statement));
    await change(sql`ALTER TABLE contacts ADD CONSTRAINT planted CHECK (email <> 'c@example.com') NOT VALID`);
    const done = await importText('email\na@example.com\nb@example.com\nc@example.com\n', {}, 1);
    await change(sql`ALTER TABLE contacts DROP CONSTRAINT planted`);
    await owner.close();
    expect(done).toMatchObject({ status: 'failed', error: expect.stringContaining('planted') });
    expect(done.counts).toMatchObject({ rows: 0, created: 0 });
    expect(await contacts()).toEqual([]);
  });
});
