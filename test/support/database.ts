/** A migrated database of its own for a test file, cloned from the cluster's template in some 50 ms. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { migrate } from '../../src/db/migrate.ts';

export interface TestDatabase {
  /** The owner's URL of this database. */
  ownerUrl: string;
  /** Ends every connection to it and removes it. */
  drop(): Promise<void>;
}

/** A template must have no connections while it is copied, and two copies at once count as such. */
const CLONE_LOCK = 7_305_201;

async function onCluster(
  statements: (client: pg.Client) => Promise<void>,
  server = inject('ownerUrl'),
): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await statements(client);
  } finally {
    await client.end();
  }
}

export async function createDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await onCluster(async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [CLONE_LOCK]);
    await client.query(`CREATE DATABASE ${name} TEMPLATE cadenza_template`);
  });
  const url = new URL(inject('ownerUrl'));
  url.pathname = `/${name}`;
  return {
    ownerUrl: url.href,
    drop: () =>
      onCluster(async (client) => {
        await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      }),
  };
}

/** The same on another server, where there is no template. */
export async function migratedDatabase(server: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await onCluster(async (client) => {
    await client.query(`CREATE DATABASE ${name}`);
  }, server);
  const url = new URL(server);
  url.pathname = `/${name}`;
  await migrate({ url: url.href });
  return {
    ownerUrl: url.href,
    drop: () =>
      onCluster(async (client) => {
        await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      }, server),
  };
}
