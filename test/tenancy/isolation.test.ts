/** [TEN-2] [TEN-6] Isolation in the database, for every table there is, as the logins the application really uses. */
import { randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureAppLogin } from '../../src/tenancy/app-login.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { fillEveryTable, isolationFindings, tenantTables } from './catalog.ts';

const OURS = randomUUID();
const THEIRS = randomUUID();
const NOBODYS = randomUUID();

let database: TestDatabase;
let owner: pg.Client;
let app: pg.Client;
let tables: string[];

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

/** Runs one statement as a tenant in a transaction that is rolled back; gives the count, or the error's code. */
async function attempt(client: pg.Client, org: string | null, text: string): Promise<number | string> {
  await client.query('BEGIN');
  try {
    if (org !== null) await client.query(`SET LOCAL app.org = '${org}'`);
    return (await client.query(text)).rowCount ?? 0;
  } catch (error) {
    return (error as pg.DatabaseError).code ?? String(error);
  } finally {
    await client.query('ROLLBACK');
  }
}

const REFUSED = '42501';

beforeAll(async () => {
  database = await createDatabase();
  owner = await connect(database.ownerUrl);
  app = await connect(await ensureAppLogin(database.ownerUrl, randomBytes(32).toString('hex')));
});

afterAll(async () => {
  await owner?.end();
  await app?.end();
  await database?.drop();
});

describe('the schema', () => {
  test('[TEN-2] [TEN-6] every table, partition, policy, key, view and function isolates', async () => {
    expect(await isolationFindings(owner)).toEqual([]);
  });

  test.each([
    [
      'a table without policy',
      'CREATE TABLE planted (org_id uuid NOT NULL, id uuid, PRIMARY KEY (org_id, id))',
      'planted does not have row-level security',
    ],
    ['a table without organization', 'CREATE TABLE planted (id uuid PRIMARY KEY)', 'planted has no org_id'],
    [
      'a policy that lets everybody through',
      'CREATE POLICY planted ON members USING (true)',
      'members.planted is not the tenant policy',
    ],
    [
      'a grant on a partition',
      'GRANT SELECT ON events_default TO cadenza_app',
      'the partition events_default by cadenza_app',
    ],
    [
      'a foreign key without organization',
      'ALTER TABLE contacts ADD COLUMN boss uuid, ADD UNIQUE (id); ALTER TABLE contacts ADD CONSTRAINT planted FOREIGN KEY (boss) REFERENCES contacts (id)',
      'the foreign key planted',
    ],
    [
      'a unique index without organization',
      'CREATE UNIQUE INDEX planted ON members (email)',
      'the unique index planted',
    ],
    [
      'a function as its definer',
      'CREATE FUNCTION planted() RETURNS int LANGUAGE sql SECURITY DEFINER AS $$ SELECT 1 $$',
      'planted does not pin its search_path',
    ],
    ['a view with its owner’s rights', 'CREATE VIEW planted AS SELECT * FROM members', 'the view planted'],
    ['more for the picker', 'GRANT SELECT (detail) ON touches TO cadenza_picker', 'touches.detail'],
    ['a trail that can be changed', 'GRANT UPDATE ON audit_log TO cadenza_app', 'audit_log can be changed'],
    [
      'a row-level security not forced',
      'ALTER TABLE touches NO FORCE ROW LEVEL SECURITY',
      'touches does not have row-level security',
    ],
  ])('[TEN-2] the check finds %s', async (_what, plant, finding) => {
    await owner.query('BEGIN');
    try {
      await owner.query(plant);
      expect((await isolationFindings(owner)).join('\n')).toContain(finding);
    } finally {
      await owner.query('ROLLBACK');
    }
  });

  test('[TEN-6] the job queue holds nothing an organization owns, and is all that lies elsewhere', async () => {
    const { rows } = await owner.query<{ schema: string }>(
      `SELECT DISTINCT n.nspname AS schema FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('public', 'pg_catalog', 'information_schema')
         AND n.nspname NOT LIKE 'pg\\_toast%'`,
    );
    expect(rows).toEqual([{ schema: 'graphile_worker' }]);
  });
});

describe('every tenant table', () => {
  beforeAll(async () => {
    tables = await tenantTables(owner);
    await fillEveryTable(owner, [OURS, THEIRS]);
  });

  test('[TEN-2] each holds a row of two organizations, of which each sees its own', async () => {
    expect(tables.length).toBeGreaterThan(20);
    for (const table of tables)
      for (const org of [OURS, THEIRS]) {
        await app.query('BEGIN');
        await app.query(`SET LOCAL app.org = '${org}'`);
        const { rows } = await app.query(`SELECT org_id FROM ${table}`);
        await app.query('ROLLBACK');
        expect(rows, table).toEqual([{ org_id: org }]);
      }
  });

  const strangers: [string, string | null][] = [
    ['no organization', null],
    ['an empty organization', ''],
    ['an organization that does not exist', NOBODYS],
  ];

  test.each(strangers)('[TEN-2] with %s nothing is read, written, changed or deleted', async (_what, org) => {
    for (const table of tables) {
      expect(await attempt(app, org, `SELECT * FROM ${table}`), table).toBe(0);
      expect(await attempt(app, org, `INSERT INTO ${table} (org_id) VALUES ('${OURS}')`), table).toBe(
        REFUSED,
      );
      expect([0, REFUSED], table).toContain(await attempt(app, org, `UPDATE ${table} SET org_id = org_id`));
      expect([0, REFUSED], table).toContain(await attempt(app, org, `DELETE FROM ${table}`));
    }
  });

  test('[TEN-2] an organization cannot write, move or delete another’s rows, whatever the WHERE', async () => {
    for (const table of tables) {
      expect(await attempt(app, THEIRS, `SELECT * FROM ${table} WHERE org_id = '${OURS}'`), table).toBe(0);
      expect(await attempt(app, THEIRS, `INSERT INTO ${table} (org_id) VALUES ('${OURS}')`), table).toBe(
        REFUSED,
      );
      expect(await attempt(app, THEIRS, `UPDATE ${table} SET org_id = '${OURS}'`), table).toBe(REFUSED);
      expect([1, REFUSED], table).toContain(
        await attempt(app, THEIRS, `UPDATE ${table} SET org_id = org_id`),
      );
      expect([1, REFUSED], table).toContain(await attempt(app, THEIRS, `DELETE FROM ${table}`));
    }
  });

  test('[TEN-2] a malformed organization is an error, never a way in', async () => {
    for (const table of tables)
      expect(await attempt(app, 'x', `SELECT * FROM ${table}`), table).toBe('22P02');
  });

  test('[TEN-6] the reporting role reads one organization and writes nothing', async () => {
    await owner.query('SET ROLE cadenza_readonly');
    try {
      for (const table of tables) {
        expect(await attempt(owner, null, `SELECT * FROM ${table}`), table).toBe(0);
        expect(await attempt(owner, OURS, `SELECT * FROM ${table}`), table).toBe(1);
        expect(await attempt(owner, OURS, `INSERT INTO ${table} (org_id) VALUES ('${OURS}')`), table).toBe(
          REFUSED,
        );
        expect(await attempt(owner, OURS, `UPDATE ${table} SET org_id = org_id`), table).toBe(REFUSED);
        expect(await attempt(owner, OURS, `DELETE FROM ${table}`), table).toBe(REFUSED);
      }
    } finally {
      await owner.query('RESET ROLE');
    }
  });

  test('[TEN-2] credentials are looked up by anybody who has one, entered and removed by their organization', async () => {
    const hash = randomBytes(32).toString('hex');
    await owner.query(
      `INSERT INTO directory (hash, org_id, kind) VALUES ('\\x${hash}', '${OURS}', 'api_key')`,
    );
    expect(await attempt(app, null, `SELECT * FROM directory WHERE hash = '\\x${hash}'`)).toBe(1);
    const other = `INSERT INTO directory (hash, org_id, kind) VALUES ('\\x00', '${OURS}', 'api_key')`;
    expect(await attempt(app, THEIRS, other)).toBe(REFUSED);
    expect(await attempt(app, OURS, other)).toBe(1);
    expect(await attempt(app, THEIRS, 'DELETE FROM directory')).toBe(0);
    expect(await attempt(app, OURS, 'DELETE FROM directory')).toBe(1);
    expect(await attempt(app, OURS, `UPDATE directory SET org_id = '${THEIRS}'`)).toBe(REFUSED);
  });
});
