/** A throw-away server of Debian's PostgreSQL 15, for tests that must hold on the oldest version too. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { vi } from 'vitest';

export interface Postgres15 {
  /** A superuser's. */
  url: string;
  stop(): Promise<void>;
}

const START_LIMIT_MS = 30_000;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** PostgreSQL refuses to run as root. */
function account(): { uid?: number; gid?: number } {
  if (userInfo().uid !== 0) return {};
  const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** `initdb`: where Debian's is. */
export async function startPostgres15(initdb: string, password: string): Promise<Postgres15> {
  const dir = mkdtempSync(join(tmpdir(), 'cadenza-pg15-'));
  const who = { ...account(), cwd: dir };
  // Its own account must reach it; the data directory inside is closed by initdb.
  chmodSync(dir, 0o777);
  writeFileSync(join(dir, 'password'), password, { mode: 0o644 });
  const data = join(dir, 'data');
  const create = [
    '-D',
    data,
    '-U',
    'postgres',
    '-A',
    'scram-sha-256',
    '--pwfile',
    join(dir, 'password'),
    '-N',
  ];
  execFileSync(initdb, create, { ...who, stdio: 'ignore' });
  const port = await freePort();
  const settings = ['-c', 'listen_addresses=127.0.0.1', '-c', `port=${port}`, '-c', 'fsync=off', '-k', dir];
  const child = spawn(join(dirname(initdb), 'postgres'), ['-D', data, ...settings], {
    ...who,
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  const killed = () => child.kill('SIGKILL');
  process.once('exit', killed);
  const stop = async () => {
    child.kill('SIGINT');
    await ended;
    process.off('exit', killed);
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await vi.waitUntil(() => answers(url), { timeout: START_LIMIT_MS, interval: 50 });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, stop };
}
