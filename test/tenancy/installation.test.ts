/** Whose installation a database is, for processes that are given the application's login. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openApp } from '../../src/app.ts';
import { main } from '../../src/cli/main.ts';
import { loadConfig } from '../../src/config.ts';
import { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import { ensureAppLogin } from '../../src/tenancy/app-login.ts';
import { assertInstallation, OtherInstallation } from '../../src/tenancy/installation.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

const secret = () => randomBytes(32).toString('base64url');
const first = secret();

let database: TestDatabase;
let appUrl: string;
let db: Database;
let owner: Database;
let dir: string;
beforeAll(async () => {
  database = await createDatabase();
  appUrl = await ensureAppLogin(database.ownerUrl, first);
  db = new Database({ url: appUrl, max: 8 });
  owner = new Database({ url: database.ownerUrl, max: 1 });
  dir = mkdtempSync(join(tmpdir(), 'cadenza-installation-'));
});
afterAll(async () => {
  await db?.close();
  await owner?.close();
  await database?.drop();
  rmSync(dir, { recursive: true });
});

const configOf = (CADENZA_SECRET: string) =>
  loadConfig({ APP_DATABASE_URL: appUrl, CADENZA_DATA: dir, CADENZA_SECRET, LOG_LEVEL: 'silent' });
const opened = (CADENZA_SECRET: string) =>
  openApp(configOf(CADENZA_SECRET), {
    appUrl,
    connections: 1,
    publicUrl: () => 'https://example.com',
    name: 'test',
  });

describe('[TEN-8] a process that is given the login of the application', () => {
  test('[TEN-8] with the secret of the installation it starts, with another it is refused and says why', async () => {
    await (await opened(first)).close();
    await expect(opened(secret())).rejects.toThrow(OtherInstallation);
    const err: string[] = [];
    const env = { APP_DATABASE_URL: appUrl, CADENZA_DATA: dir };
    const code = await main(['due', '--org', 'x'], env, { out() {}, err: (text) => err.push(text) });
    expect(code).toBe(1);
    expect(err.join()).toContain('another CADENZA_SECRET');
    expect(err.join()).not.toContain('    at ');
  });

  test('[TEN-8] a rotation is known from the first process that has both secrets on', async () => {
    const next = secret();
    await expect(assertInstallation(db, [next])).rejects.toThrow(OtherInstallation);
    await assertInstallation(db, [next, first]);
    await assertInstallation(db, [next]);
    await assertInstallation(db, [first]);
  });

  test('[TEN-8] of two that come first with different secrets one is refused', async () => {
    await owner.call(sql`DELETE FROM installation_secrets`);
    const all = await Promise.allSettled(Array.from({ length: 8 }, () => assertInstallation(db, [secret()])));
    expect(all.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
  });

  test('[TEN-8] the secret that the login has is the installation’s, whoever came before', async () => {
    await ensureAppLogin(database.ownerUrl, first);
    await assertInstallation(db, [first]);
    const rows = await owner.call(sql`SELECT check_value FROM installation_secrets`);
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain(first);
  });

  test('[TEN-6] the application adds to the list and takes nothing from it', async () => {
    const gone = db.outsideOrgs((tx) => tx.run(sql`DELETE FROM installation_secrets`));
    await expect(gone).rejects.toMatchObject({ code: '42501' });
  });
});
