/** The commands, as a person or a script calls them: words in, exit code and text out. */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { loadConfig, writeRun } from '../../src/config.ts';
import { Database } from '../../src/db/database.ts';
import { newId } from '../../src/kernel/ids.ts';
import { ensureAppLogin } from '../../src/tenancy/app-login.ts';
import { authenticate } from '../../src/tenancy/authenticate.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let empty: string;
let dir: string;
const secret = randomBytes(32).toString('base64url');

async function onCluster(text: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject('ownerUrl') });
  await client.connect();
  await client.query(text);
  await client.end();
}

beforeAll(async () => {
  database = await createDatabase();
  dir = mkdtempSync(join(tmpdir(), 'cadenza-cli-'));
  const name = `empty_${randomBytes(4).toString('hex')}`;
  await onCluster(`CREATE DATABASE ${name}`);
  empty = new URL(`/${name}`, inject('ownerUrl')).href;
});
afterAll(async () => {
  await database?.drop();
  await onCluster(`DROP DATABASE ${new URL(empty).pathname.slice(1)} WITH (FORCE)`);
  rmSync(dir, { recursive: true });
});

interface Outcome {
  code: number;
  out: string;
  err: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever JSON they expect
  json: any;
}

async function cadenza(words: string[], env: Record<string, string> = {}): Promise<Outcome> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await main(
    words,
    { DATABASE_URL: database.ownerUrl, CADENZA_DATA: dir, CADENZA_SECRET: secret, ...env },
    { out: (text) => out.push(text), err: (text) => err.push(text) },
  );
  const text = out.join('\n');
  return {
    code,
    out: text,
    err: err.join('\n'),
    json: words.includes('--json') && text ? JSON.parse(text) : null,
  };
}

async function opens(key: string): Promise<boolean> {
  const db = new Database({ url: await ensureAppLogin(database.ownerUrl, secret), max: 1 });
  try {
    return (await authenticate(db, key)).ok;
  } finally {
    await db.close();
  }
}

describe('cadenza', () => {
  test('alone shows its commands and how it ends', async () => {
    const help = await cadenza(['--help']);
    expect(help.code).toBe(0);
    expect(help.out).toContain('keys create');
    expect(help.out).toContain('Exit codes: 0');
    expect((await cadenza([])).code).toBe(2);
    expect((await cadenza(['keys', 'create', '--help'])).out).toContain('--name NAME');
    expect((await cadenza(['help', 'doctor'])).out).toContain('cadenza doctor');
  });

  test('wrong use is exit code 2, with a suggestion on standard error', async () => {
    const wrong = await cadenza(['doctr']);
    expect([wrong.code, wrong.out]).toEqual([2, '']);
    expect(wrong.err).toContain('Did you mean doctor?');
  });

  test('a bad setting is named before anything is done', async () => {
    const bad = await cadenza(['doctor'], { PORT: 'x' });
    expect([bad.code, bad.err]).toEqual([1, expect.stringContaining('PORT: must be a whole number')]);
  });

  test('without a database it says where it looked', async () => {
    const lost = await cadenza(['keys', 'list', '--json'], { DATABASE_URL: '' });
    expect(lost.code).toBe(1);
    expect(lost.json.error.detail).toContain(dir);
    expect(lost.err).not.toContain('    at ');
  });
});

describe('migrate', () => {
  test('[OPS-1] shows what is pending, does it once, and then has nothing to do', async () => {
    const env = { DATABASE_URL: empty };
    const before = await cadenza(['migrate', '--status', '--json'], env);
    expect(before.code).toBe(1);
    expect(before.json.pending).toContain('0001_roles_and_tenancy.sql');
    expect((await cadenza(['keys', 'list'], env)).err).toContain('cadenza migrate');
    const done = await cadenza(['migrate', '--json'], env);
    expect(done.json.applied).toEqual(before.json.pending);
    expect(done.json.login).toBe(`cadenza_app_${new URL(empty).pathname.slice(1)}`);
    const after = await cadenza(['migrate', '--status'], env);
    expect(after.code).toBe(0);
    expect(after.out.trimEnd()).toMatch(new RegExp(`\n${before.json.pending.length} applied, none pending$`));
    expect((await cadenza(['migrate', '--json'], env)).json.applied).toEqual([]);
  });
});

describe('keys', () => {
  test('[TEN-7] on a new installation the first key comes with the first organization', async () => {
    const made = await cadenza(['keys', 'create', '--name', 'first', '--json']);
    expect(made.code).toBe(0);
    expect(made.json).toMatchObject({ name: 'first', role: 'admin', key: expect.stringMatching(/^cdz_/) });
    expect(await opens(made.json.key)).toBe(true);
    const plain = await cadenza(['keys', 'create', '--name', 'second', '--role', 'viewer']);
    expect(plain.out).toMatch(/^cdz_[\w-]{43}$/);

    const list = await cadenza(['keys', 'list', '--json']);
    expect(list.json.items.map((one: { name: string }) => one.name)).toEqual(['second', 'first']);
    expect(list.out).not.toContain(made.json.key);

    expect((await cadenza(['keys', 'revoke', made.json.id])).code).toBe(0);
    expect(await opens(made.json.key)).toBe(false);
    expect((await cadenza(['keys', 'list'])).out).toContain('revoked');
  });

  test('[OPS-6] with several organizations it wants to know which, by id or name', async () => {
    const second = await cadenza([
      'orgs',
      'create',
      '--name',
      'Second',
      '--time-zone',
      'Europe/Berlin',
      '--json',
    ]);
    expect(second.json.time_zone).toBe('Europe/Berlin');
    const refused = await cadenza(['keys', 'create', '--name', 'x', '--json']);
    expect([refused.code, refused.json.error.code]).toEqual([3, 'conflict']);
    expect(refused.json.error.advice).toBe('Name one with --org, by its id or name.');
    const list = (await cadenza(['orgs', 'list', '--json'])).json.items.map(
      (one: { id: string; name: string }) => `\n  ${one.id}  ${one.name}`,
    );
    expect(list).toHaveLength(2);
    expect(refused.err).toBe(
      `Refused: Option --org is missing, and there are several organizations. Name one with --org, by its id or name:${list.join('')}`,
    );
    for (const org of [second.json.id, 'Second']) {
      const made = await cadenza(['keys', 'create', '--name', 'x', '--org', org, '--json']);
      expect(made.json.organization_id).toBe(second.json.id);
    }
    expect((await cadenza(['orgs', 'list', '--json'])).json.items).toHaveLength(2);
    const unknown = await cadenza(['keys', 'create', '--name', 'x', '--org', 'Nobody']);
    expect(unknown.code).toBe(3);
    expect(unknown.err).toBe(
      `Refused: --org "Nobody": there is no organization with this id or name. Name one of these with --org:${list.join('')}`,
    );
    const nobody = newId();
    const byId = await cadenza(['keys', 'list', '--org', nobody, '--json']);
    expect([byId.code, byId.json.error.code]).toEqual([3, 'not_found']);
    expect(byId.err).toBe(
      `Refused: --org ${nobody}: there is no organization with this id. Name one of these with --org:${list.join('')}`,
    );
  });

  test.each([
    [['--role', 'king'], '--role must be'],
    [['--scopes', 'all'], 'no scope all'],
    [['--expires', 'soon'], '--expires must be'],
  ])('%j is wrong use', async (words, message) => {
    const wrong = await cadenza(['keys', 'create', '--name', 'x', ...words]);
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining(message)]);
  });

  test('a running installation is found through its data directory', async () => {
    const config = loadConfig({ CADENZA_DATA: dir });
    const app_database_url = await ensureAppLogin(database.ownerUrl, secret);
    writeRun(config, { pid: process.pid, port: 1, database_url: database.ownerUrl, app_database_url });
    const found = await cadenza(['orgs', 'list', '--json'], { DATABASE_URL: '' });
    expect([found.code, found.json.items.length]).toEqual([0, 2]);
    rmSync(join(dir, 'run.json'));
  });
});

describe('doctor', () => {
  test('finds nothing wrong with a good installation', async () => {
    const { json, code } = await cadenza(['doctor', '--json']);
    const failed = json.checks.filter((one: { status: string }) => one.status === 'fail');
    // The test cluster gives up durability for speed; that is all there is to say against it.
    expect(failed.map((one: { name: string }) => one.name)).toEqual(['durability']);
    expect(code).toBe(1);
    expect(json.checks.map((one: { name: string }) => one.name)).toEqual(
      expect.arrayContaining(['node', 'secrets', 'server', 'migrations', 'login', 'isolation', 'clock']),
    );
  });

  test('says what is wrong: a secret others can read, a login without isolation, no database', async () => {
    await cadenza(['keys', 'list', '--org', 'Second'], { CADENZA_SECRET: '' });
    const path = join(dir, 'secrets.json');
    expect(existsSync(path)).toBe(true);
    chmodSync(path, 0o644);
    const open = await cadenza(['doctor'], { CADENZA_SECRET: '' });
    expect(open.out).toContain('FAIL  secrets');
    const superuser = await cadenza(['doctor'], { APP_DATABASE_URL: database.ownerUrl });
    expect(superuser.out).toContain('FAIL  login');
    expect(superuser.out).toContain('it is a superuser');
    const gone = await cadenza(['doctor'], { DATABASE_URL: 'postgres://x@127.0.0.1:1/x' });
    expect(gone.out).toContain('FAIL  database');
  });
});
