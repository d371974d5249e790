/**
 * From an empty database, or any released schema, to the current one. In: the owner's URL. Tables come from
 * numbered files in `migrations/`, forward only, each in one transaction, one statement a query (Citus takes one
 * DDL statement a query), with a checksum that must never change. Functions live beside their room in
 * `src/**\/*.sql` and are installed again whenever their text changes. A session advisory lock lets any number of
 * processes start at once.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join as joinPath, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Logger, runMigrations } from 'graphile-worker';
import pg from 'pg';
import { encodingProblem, WrongEncoding } from './encoding.ts';
import { failureOf } from './owner-rights.ts';
import { splitStatements } from './statements.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SRC = joinPath(ROOT, 'src');
const MIGRATIONS = joinPath(SRC, 'db', 'migrations');
/** Any constant; one migration at a time per database. */
const LOCK_KEY = 7_236_152;
/** Months of events whose partitions are made ahead; beyond them a default partition takes what comes. */
const PARTITIONS_AHEAD = 3;

export interface MigrateOptions {
  /** The owner's connection URL. */
  url: string;
  log?: (line: string) => void;
}

export interface MigrationState {
  pending: string[];
  applied: string[];
}

interface SqlFile {
  name: string;
  text: string;
  checksum: string;
}

const quietLogger = new Logger(() => () => undefined);

const checksumOf = (text: string) => createHash('sha256').update(text).digest('hex');

function migrationFiles(): SqlFile[] {
  return readdirSync(MIGRATIONS)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => read(joinPath(MIGRATIONS, name), name));
}

function functionFiles(): SqlFile[] {
  return readdirSync(SRC, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.sql') && entry.parentPath !== MIGRATIONS)
    .map((entry) => joinPath(entry.parentPath, entry.name))
    .sort()
    .map((path) => read(path, relative(SRC, path)));
}

function read(path: string, name: string): SqlFile {
  const text = readFileSync(path, 'utf8');
  return { name, text, checksum: checksumOf(text) };
}

/** An old database goes on as it is (the doctor tells); a new one is refused while nothing is in it yet. */
async function assertEncoding(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string; encoding: string; fresh: boolean }>(
    `SELECT current_database() AS name, current_setting('server_encoding') AS encoding, to_regclass('schema_migrations') IS NULL AS fresh`,
  );
  const { name, encoding, fresh } = rows[0]!;
  const problem = fresh ? encodingProblem(name, encoding) : null;
  if (problem !== null) throw new WrongEncoding(problem);
}

async function bootstrap(client: pg.Client): Promise<void> {
  await client.query(
    'CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, checksum text NOT NULL, kind text NOT NULL, applied_at timestamptz NOT NULL)',
  );
}

async function recorded(client: pg.Client): Promise<Map<string, string>> {
  const { rows } = await client.query<{ name: string; checksum: string }>(
    'SELECT name, checksum FROM schema_migrations',
  );
  return new Map(rows.map((row) => [row.name, row.checksum]));
}

async function apply(client: pg.Client, file: SqlFile, kind: 'table' | 'function'): Promise<void> {
  await client.query('BEGIN');
  try {
    if (kind === 'function') await dropFunctions(client, file.text);
    for (const statement of splitStatements(file.text)) await client.query(statement);
    await client.query(
      `INSERT INTO schema_migrations (name, checksum, kind, applied_at) VALUES ($1, $2, $3, now())
       ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, applied_at = excluded.applied_at`,
      [file.name, file.checksum, kind],
    );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw await failureOf(client, file.name, error);
  }
}

/** Another signature of an earlier release would stay beside the new one, and another result type could not replace it. */
async function dropFunctions(client: pg.Client, text: string): Promise<void> {
  const names = [...text.matchAll(/^CREATE OR REPLACE FUNCTION (\w+)/gm)].map((match) => match[1]);
  const { rows } = await client.query<{ signature: string }>(
    `SELECT oid::regprocedure::text AS signature FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = ANY ($1)`,
    [names],
  );
  // sql-from-string: DROP takes no parameter, and the catalog spelled and quoted the signature
  for (const { signature } of rows) await client.query(`DROP FUNCTION ${signature}`);
}

/** @throws WrongEncoding, OwnerLacksRights */
export async function migrate(options: MigrateOptions): Promise<{ applied: string[] }> {
  const client = new pg.Client({ connectionString: options.url, application_name: 'cadenza migrate' });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [LOCK_KEY]);
    await assertEncoding(client);
    await bootstrap(client);
    const done = await recorded(client);
    const applied: string[] = [];
    for (const file of migrationFiles()) {
      const before = done.get(file.name);
      if (before === file.checksum) continue;
      if (before !== undefined)
        throw new Error(`${file.name} was changed after it had been applied; add a new migration instead`);
      await apply(client, file, 'table');
      applied.push(file.name);
      options.log?.(`migrated ${file.name}`);
    }
    // graphile-worker keeps its own schema and its own record of it.
    await runMigrations({ connectionString: options.url, logger: quietLogger });
    for (const file of functionFiles()) {
      if (done.get(file.name) === file.checksum) continue;
      await apply(client, file, 'function');
      applied.push(file.name);
    }
    if (applied.length > 0) await grantJobQueue(client);
    await client.query('SELECT events_partitions($1)', [PARTITIONS_AHEAD]);
    return { applied };
  } finally {
    // Ending the connection gives the lock back.
    await client.end();
  }
}

/** The queue has row-level security without a policy on each of its tables: closed to all but the owner. */
const OPEN_JOB_QUEUE = `
  DO $$
  DECLARE t regclass;
  BEGIN
    FOR t IN SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'graphile_worker'::regnamespace AND c.relrowsecurity LOOP
      EXECUTE format('DROP POLICY IF EXISTS cadenza_app ON %s', t);
      EXECUTE format('CREATE POLICY cadenza_app ON %s TO cadenza_app USING (true) WITH CHECK (true)', t);
    END LOOP;
  END $$`;

/** The application queues and works jobs; the queue's tables hold ids only and know no tenant. */
async function grantJobQueue(client: pg.Client): Promise<void> {
  for (const statement of [
    'GRANT USAGE ON SCHEMA graphile_worker TO cadenza_app',
    'GRANT ALL ON ALL TABLES IN SCHEMA graphile_worker TO cadenza_app',
    'GRANT ALL ON ALL SEQUENCES IN SCHEMA graphile_worker TO cadenza_app',
    'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA graphile_worker TO cadenza_app',
    OPEN_JOB_QUEUE,
  ])
    await client.query(statement);
}

/** What `cadenza migrate --status` shows. */
export async function migrationStatus(options: MigrateOptions): Promise<MigrationState> {
  const client = new pg.Client({ connectionString: options.url });
  await client.connect();
  try {
    const { rows } = await client.query<{ there: boolean }>(
      "SELECT to_regclass('schema_migrations') IS NOT NULL AS there",
    );
    const done = rows[0]?.there === true ? await recorded(client) : new Map<string, string>();
    const files = [...migrationFiles(), ...functionFiles()];
    return {
      applied: files.filter((file) => done.get(file.name) === file.checksum).map((file) => file.name),
      pending: files.filter((file) => done.get(file.name) !== file.checksum).map((file) => file.name),
    };
  } finally {
    await client.end();
  }
}
