/** What `cadenza up` does when its database server is killed under it, and when it is started twice. */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockOwner } from '../../src/db/embedded/lock.ts';
import { isAlive } from '../../src/db/embedded/processes.ts';
import { REVIVALS } from '../../src/db/embedded/server.ts';
import { type Child, startChild } from '../support/child.ts';
import { createDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';

const DEMO = 12;
const LIMIT_MS = 120_000;
let dir: string;
let children: Child[];

function up(databaseUrl = '', options = ['--no-demo']): Child {
  const env = { CADENZA_DATA: dir, PORT: '0', DATABASE_URL: databaseUrl };
  const child = startChild('bin/cadenza.mjs', ['up', ...options, '--json'], env);
  children.push(child);
  return child;
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cadenza-revive-'));
  children = [];
});

afterEach(async () => {
  for (const child of children) child.process.kill('SIGTERM');
  await Promise.all(children.map((child) => child.ended));
  rmSync(dir, { recursive: true, force: true });
});

function postmaster(): { pid: number; ready: boolean } {
  const path = join(dir, 'postgres/data/postmaster.pid');
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  return { pid: Number(lines[0] ?? 0), ready: lines[7]?.trim() === 'ready' };
}

/** SIGKILL to the server; resolves with the pid of the next one. */
async function killServer(): Promise<number> {
  const { pid } = postmaster();
  process.kill(pid, 'SIGKILL');
  await until(() => postmaster().ready && postmaster().pid !== pid, 'the server to run again', 30_000);
  return postmaster().pid;
}

async function ask(url: string, sql: string) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return (await client.query(sql).finally(() => client.end())).rows;
}

interface First {
  url: string;
  key: string;
}

/** What the API answers; `{}` while it cannot. */
// biome-ignore lint/suspicious/noExplicitAny: answers of our own API, whose shapes its description gives
async function api({ url, key }: First, path: string, change?: unknown): Promise<any> {
  const response = await fetch(`${url}/api/${path}`, {
    ...(change === undefined ? {} : { method: 'PATCH', body: JSON.stringify(change) }),
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  });
  return response.ok ? response.json() : {};
}

/** A second start ends with a word on why, and leaves alone what the first is just writing to its record. */
async function expectRefused(first: Child, databaseUrl?: string): Promise<void> {
  const journal = join(dir, 'sandbox/journal.jsonl');
  appendFileSync(journal, 'half a line');
  const second = up(databaseUrl);
  const { error } = (await second.line()) as { error: { detail: string } };
  expect(error.detail).toContain(`${dir} is in use by process ${first.process.pid}`);
  expect(await second.ended).toBe(1);
  expect(readFileSync(journal, 'utf8').endsWith('half a line')).toBe(true);
}

test(
  '[OPS-5] [EXE-1] a killed database server is started again at the same address, and sending goes on; given up in the end',
  async () => {
    const child = up('', []);
    const first = (await child.line()) as unknown as First;
    const sent = async () => (await api(first, 'sandbox/inbox')).items?.length;
    await until(async () => (await sent()) === DEMO, 'the first messages', 30_000);
    const { items } = await api(first, 'outreach/enrollments?status=active');
    const run = JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8')) as { database_url: string };
    await ask(run.database_url, 'CREATE TABLE kept AS SELECT generate_series(1, 50) AS n');

    await killServer();
    expect(await ask(run.database_url, 'SELECT count(*)::int AS n FROM kept')).toEqual([{ n: 50 }]);
    const restarted = async () =>
      (await api(first, `outreach/enrollments/${items[0].id}`, { action: 'restart' })).enrollment;
    await until(async () => (await restarted()) !== undefined, 'the API to change something again', 30_000);
    await until(async () => (await sent()) === DEMO + 1, 'a message after the revival', 30_000);
    expect(lockOwner(join(dir, 'postgres'))).toBe(child.process.pid);
    await expectRefused(child);

    for (let n = 1; n < REVIVALS; n++) await killServer();
    process.kill(postmaster().pid, 'SIGKILL');
    expect(await child.ended).toBe(1);
    expect(lockOwner(dir)).toBeNull();
  },
  LIMIT_MS,
);

test(
  '[OPS-5] a stop after a revival ends the new server and frees the directory',
  async () => {
    const child = up();
    await child.line();
    const pid = await killServer();
    child.process.kill('SIGTERM');
    expect(await child.ended).toBe(0);
    expect(isAlive(pid)).toBe(false);
    expect([lockOwner(dir), lockOwner(join(dir, 'postgres'))]).toEqual([null, null]);
  },
  LIMIT_MS,
);

test(
  '[OPS-5] a second start on the same data directory is refused with a database of its own as well',
  async () => {
    const database = await createDatabase();
    const child = up(database.ownerUrl);
    await child.line();
    await expectRefused(child, database.ownerUrl);
    child.process.kill('SIGTERM');
    expect(await child.ended).toBe(0);
    await database.drop();
  },
  LIMIT_MS,
);
