/** From an empty database, and from every state an earlier release may have left one in, one command makes the schema of today. */
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { printCatalog } from '../../scripts/generate/catalog.mjs';
import { migrate, migrationStatus } from '../../src/db/migrate.ts';
import { splitStatements } from '../../src/db/statements.ts';

const DIRECTORY = new URL('../../src/db/migrations/', import.meta.url);
const FILES = readdirSync(DIRECTORY).sort();
const name = `upgrade_${randomBytes(6).toString('hex')}`;
const url = Object.assign(new URL(inject('ownerUrl')), { pathname: `/${name}` }).href;
const schema = readFileSync(new URL('../../schema.sql', import.meta.url), 'utf8');

let cluster: pg.Client;
beforeAll(async () => {
  cluster = new pg.Client({ connectionString: inject('ownerUrl') });
  await cluster.connect();
});
afterAll(async () => {
  await cluster.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await cluster.end();
});

async function inside<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** An empty database, taken as far as this migration, with a function as another release had it. */
async function leftAt(file: string | null): Promise<void> {
  await cluster.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await cluster.query(`CREATE DATABASE ${name}`);
  if (file === null) return;
  await inside(async (client) => {
    await client.query(
      'CREATE TABLE schema_migrations (name text PRIMARY KEY, checksum text NOT NULL, kind text NOT NULL, applied_at timestamptz NOT NULL)',
    );
    for (const one of FILES.slice(0, FILES.indexOf(file) + 1)) {
      const text = readFileSync(new URL(one, DIRECTORY), 'utf8');
      for (const statement of splitStatements(text)) await client.query(statement);
      const checksum = createHash('sha256').update(text).digest('hex');
      await client.query("INSERT INTO schema_migrations VALUES ($1, $2, 'table', now())", [one, checksum]);
    }
    await client.query("CREATE FUNCTION settle(p_org uuid) RETURNS int LANGUAGE sql AS 'SELECT 1'");
  });
}

it.each([null, ...FILES])('[OPS-1] from %s to the current schema, by one command', async (file) => {
  await leftAt(file);
  const { applied } = await migrate({ url });
  const tables = applied.filter((one) => FILES.includes(one));
  expect(tables).toEqual(FILES.slice(file === null ? 0 : FILES.indexOf(file) + 1));
  expect(await migrationStatus({ url })).toMatchObject({ pending: [] });
  expect(schema).toContain(await inside(printCatalog));
});

it('[OPS-1] a migration that was changed after it had been applied is refused, and nothing is written', async () => {
  const last = FILES.at(-1)!;
  await leftAt(last);
  await inside((client) =>
    client.query("UPDATE schema_migrations SET checksum = 'x' WHERE name = $1", [last]),
  );
  await expect(migrate({ url })).rejects.toThrow(`${last} was changed after it had been applied`);
  const functions = await inside((client) =>
    client.query("SELECT FROM pg_proc WHERE proname = 'gate' AND pronamespace = 'public'::regnamespace"),
  );
  expect(functions.rowCount).toBe(0);
});
