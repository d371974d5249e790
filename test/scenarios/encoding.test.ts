/** A database in another encoding than UTF8: refused when new, told of when old. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { LEDGER_CHECKS } from '../../src/api/checks.ts';
import { main } from '../../src/cli/main.ts';
import { Database } from '../../src/db/database.ts';
import { newId } from '../../src/kernel/ids.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

const name = `ascii_${randomBytes(6).toString('hex')}`;
const url = Object.assign(new URL(inject('ownerUrl')), { pathname: `/${name}` }).href;
const dir = mkdtempSync(join(tmpdir(), 'cadenza-encoding-'));
let good: TestDatabase;

async function query(text: string, server = inject('ownerUrl')) {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  return client.query(text).finally(() => client.end());
}
beforeAll(async () => {
  good = await createDatabase();
  await query(
    `CREATE DATABASE ${name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER 'libc' TEMPLATE template0`,
  );
});
afterAll(async () => {
  await good?.drop();
  await query(`DROP DATABASE ${name} WITH (FORCE)`);
  rmSync(dir, { recursive: true });
});

async function cadenza(words: string[], DATABASE_URL: string) {
  const out: string[] = [];
  const err: string[] = [];
  const env = { DATABASE_URL, CADENZA_DATA: dir, CADENZA_SECRET: randomBytes(32).toString('base64url') };
  const code = await main(words, env, { out: (text) => out.push(text), err: (text) => err.push(text) });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

async function health(server: string) {
  const db = new Database({ url: server, max: 1 });
  const ctx = { org: newId(), actor: { type: 'system' as const, id: 'test', name: 'test' } };
  return LEDGER_CHECKS.find((one) => one.name === 'encoding')!
    .run(db, ctx)
    .finally(() => db.close());
}

it('[OPS-1] migrating a new database that is not in UTF8 is refused, with how to make one that is', async () => {
  const refused = await cadenza(['migrate'], url);
  expect(refused.code).toBe(1);
  expect(refused.err).toBe(
    `Failed: The database ${name} has the encoding SQL_ASCII, and Cadenza needs UTF8, which only a new database can have: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0.`,
  );
  const { rows } = await query(
    'SELECT count(*)::int AS n FROM pg_tables WHERE schemaname = current_schema()',
    url,
  );
  expect(rows).toEqual([{ n: 0 }]);
});

it('[OPS-4] the doctor and a health check tell of one that was migrated before', async () => {
  await query(
    'CREATE TABLE schema_migrations (name text PRIMARY KEY, checksum text NOT NULL, kind text NOT NULL, applied_at timestamptz NOT NULL)',
    url,
  );
  expect((await cadenza(['migrate'], url)).code).toBe(0);
  expect((await cadenza(['doctor'], url)).out).toMatch(/FAIL {2}encoding .*SQL_ASCII.*ENCODING 'UTF8'/);
  expect(await health(url)).toMatchObject({ status: 'fail', data: { encoding: 'SQL_ASCII' } });
  expect((await cadenza(['doctor'], good.ownerUrl)).out).toContain('ok    encoding');
  expect(await health(good.ownerUrl)).toMatchObject({ status: 'ok' });
});
