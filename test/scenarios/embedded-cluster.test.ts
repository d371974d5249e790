import { existsSync, mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { isAlive } from '../../src/db/embedded/processes.ts';
import { PREFIX, sweep } from '../support/cluster.ts';
import { createDatabase } from '../support/database.ts';
import { launch, makeCheckout } from '../support/launch.ts';

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('the test cluster', () => {
  it('gives each caller a database of its own, also when many ask at once', async () => {
    const databases = await Promise.all(Array.from({ length: 6 }, () => createDatabase()));
    expect(new Set(databases.map((database) => database.ownerUrl)).size).toBe(6);
    const [one, other] = databases;
    await query(one!.ownerUrl, 'CREATE TABLE only_here (n int)');
    const found = await query(other!.ownerUrl, `SELECT to_regclass('only_here') AS name`);
    expect(found).toEqual([{ name: null }]);
    for (const database of databases) await database.drop();
    await expect(query(one!.ownerUrl, 'SELECT 1')).rejects.toThrow(/does not exist/);
  });

  it('runs PostgreSQL 18 with UTF-8 and refuses a wrong password', async () => {
    const database = await createDatabase();
    const rows = await query(
      database.ownerUrl,
      `SELECT current_setting('server_version_num')::int / 10000 AS major, pg_encoding_to_char(encoding) AS encoding,
              lower('ÄÉÑ') AS folded
         FROM pg_database WHERE datname = current_database()`,
    );
    expect(rows).toEqual([{ major: 18, encoding: 'UTF8', folded: 'äéñ' }]);
    const wrong = new URL(database.ownerUrl);
    wrong.password = 'guess';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/);
    await database.drop();
  });

  it('is removed by the next run when its own was killed, and left alone while that lives', async () => {
    const checkout = mkdtempSync(join(tmpdir(), 'embedded-checkout-'));
    makeCheckout(checkout);
    const dataDirs = [0, 1].map(() => mkdtempSync(join(tmpdir(), PREFIX)));
    const runs = dataDirs.map((dataDir) => launch(checkout, { dataDir }));
    const servers = await Promise.all(runs.map((run) => run.server));
    await runs[0]!.kill();
    const longAgo = new Date(Date.now() - 3_600_000);
    for (const dataDir of dataDirs) utimesSync(dataDir, longAgo, longAgo);

    await sweep();
    expect(dataDirs.map((dataDir) => existsSync(dataDir))).toEqual([false, true]);
    expect(servers.map((server) => isAlive(server.pid))).toEqual([false, true]);

    await runs[1]!.tell('stop');
    utimesSync(dataDirs[1]!, longAgo, longAgo);
    await sweep();
    expect(existsSync(dataDirs[1]!)).toBe(false);
    rmSync(checkout, { recursive: true });
  });
});
