import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isAlive, serversIn } from '../../src/db/embedded/processes.ts';
import { removeEmbedded } from '../../src/db/embedded/remove.ts';
import {
  canActAsRoot,
  type Launcher,
  launch,
  makeCheckout,
  nativeOf,
  removeLinks,
} from '../support/launch.ts';

/** An account of every Linux that is not the one root changes to. */
const ORDINARY = { uid: 1, gid: 1 };

/** Often enough to catch initdb half-way. */
const PATIENT = { interval: 5, timeout: 30_000 };

let checkout: string;
let dir: string;
let dataDir: string;
let launchers: Launcher[];

const start = (options: Partial<Parameters<typeof launch>[1]> = {}, from = checkout): Launcher => {
  const launcher = launch(from, { dataDir, durable: false, cacheDirs: [join(dir, 'cache')], ...options });
  launchers.push(launcher);
  return launcher;
};

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  // Some of these tests kill the server under it.
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}

const userOf = (pid: number) => statSync(`/proc/${pid}`).uid;
const programOf = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0];
const userIdOfData = () => statSync(join(dataDir, 'data')).uid;

beforeAll(() => {
  checkout = mkdtempSync(join(tmpdir(), 'embedded-checkout-'));
  makeCheckout(checkout);
});

afterAll(() => rmSync(checkout, { recursive: true, force: true }));

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'embedded-launch-'));
  // Open to all, as a temporary directory is: the cache lies here.
  chmodSync(dir, 0o755);
  dataDir = join(dir, 'postgres');
  launchers = [];
});

afterEach(async () => {
  for (const launcher of launchers) if (launcher.child.exitCode === null) await launcher.kill();
  if (existsSync(dataDir)) await removeEmbedded(dataDir);
  rmSync(dir, { recursive: true, force: true });
});

describe('the embedded PostgreSQL', () => {
  it('starts on loopback with a generated password that only its owner can read, and stops', async () => {
    const launcher = start({ durable: true });
    const { url, port, pid, adopted } = await launcher.server;
    expect(adopted).toBe(false);
    const { password, hostname } = new URL(url);
    expect(hostname).toBe('127.0.0.1');
    expect(password.length).toBeGreaterThanOrEqual(32);
    expect(statSync(join(dataDir, 'owner-password')).mode & 0o777).toBe(0o600);
    const [row] = await query(
      url,
      `SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit,
              current_setting('listen_addresses') AS listens, current_setting('unix_socket_directories') AS sockets,
              current_setting('data_checksums') AS checksums, current_setting('server_encoding') AS encoding`,
    );
    expect(row).toEqual({
      fsync: 'on',
      commit: 'on',
      listens: '127.0.0.1',
      sockets: '',
      checksums: 'on',
      encoding: 'UTF8',
    });
    await launcher.tell('stop');
    expect(isAlive(pid)).toBe(false);

    const again = start({ durable: true });
    const second = await again.server;
    expect(second.port).toBe(port);
    expect(second.url).toBe(url);
    await again.tell('stop');
  });

  it.runIf(canActAsRoot)('runs as nobody when root starts it', async () => {
    const launcher = start();
    const { url, pid } = await launcher.server;
    expect(userOf(pid)).toBe(65534);
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await launcher.tell('stop');
  });

  it.runIf(canActAsRoot)('runs as the ordinary user who starts it', async () => {
    chownSync(dir, ORDINARY.uid, ORDINARY.gid);
    const launcher = start(ORDINARY);
    const { url, pid } = await launcher.server;
    expect(userOf(pid)).toBe(ORDINARY.uid);
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await launcher.tell('stop');

    // Root goes on with the data as the user they belong to, and that user can come back.
    const asRoot = start();
    expect(userOf((await asRoot.server).pid)).toBe(ORDINARY.uid);
    await asRoot.tell('stop');
  });

  it.runIf(canActAsRoot)('starts from a checkout, and on data, that its account may not enter', async () => {
    const closed = join(dir, 'home');
    mkdirSync(closed, { mode: 0o700 });
    makeCheckout(join(closed, 'checkout'));
    dataDir = join(closed, 'checkout', '.cadenza', 'postgres');
    const launcher = start({}, join(closed, 'checkout'));
    const { url, pid } = await launcher.server;
    expect(userOf(pid)).toBe(65534);
    expect(programOf(pid)).toContain(join(dir, 'cache'));
    expect(await query(url, `SELECT lower('ÄÖ') AS folded`)).toEqual([{ folded: 'äö' }]);
    await launcher.tell('stop');
    expect(readdirSync(join(dir, 'cache'))).toHaveLength(1);
  });

  it('is not steered by PostgreSQL variables and the locale of the shell', async () => {
    const shell = {
      PGDATA: '/nowhere',
      PGPORT: '1',
      PGUSER: 'stranger',
      PGSSLMODE: 'require',
      LC_ALL: 'xx_XX.UTF-8',
    };
    const launcher = start({ env: shell });
    const { url } = await launcher.server;
    const asked = `SELECT current_user AS "user", current_setting('lc_messages') AS messages`;
    expect(await query(url, asked)).toEqual([{ user: 'cadenza', messages: 'C' }]);
    await launcher.tell('stop');
  });

  it.runIf(canActAsRoot)('says what to do where root may not become another user', async () => {
    const launcher = start({ under: ['unshare', '--user', '--map-root-user'] });
    await expect(launcher.server).rejects.toThrow(/root may not become nobody.*ordinary user.*DATABASE_URL/);
  });
});

describe('its links, missing after an install with --ignore-scripts,', () => {
  let bare: string;

  beforeEach(() => {
    bare = join(dir, 'bare');
    makeCheckout(bare);
    removeLinks(nativeOf(bare));
  });

  it('are made in the package', async () => {
    const launcher = start({}, bare);
    await launcher.server;
    expect(lstatSync(join(nativeOf(bare), 'lib/libicuuc.so.60')).isSymbolicLink()).toBe(true);
    await launcher.tell('stop');
    expect(existsSync(join(dir, 'cache'))).toBe(false);
  });

  it.runIf(canActAsRoot)('are made in a copy when the package belongs to somebody else', async () => {
    const own = join(dir, 'own');
    mkdirSync(own);
    chownSync(own, ORDINARY.uid, ORDINARY.gid);
    dataDir = join(own, 'postgres');
    const launcher = start({ ...ORDINARY, cacheDirs: [join(own, 'cache')] }, bare);
    const { pid } = await launcher.server;
    expect(programOf(pid)).toContain(join(own, 'cache'));
    expect(existsSync(join(nativeOf(bare), 'lib/libicuuc.so.60'))).toBe(false);
    await launcher.tell('stop');
  });

  it.runIf(canActAsRoot)('are not looked for in a copy that somebody else could have planted', async () => {
    const own = join(dir, 'own');
    mkdirSync(own);
    chownSync(own, ORDINARY.uid, ORDINARY.gid);
    dataDir = join(own, 'postgres');
    const shared = join(dir, 'shared');
    mkdirSync(shared);
    // Made by root for itself: not the ordinary user's.
    const closed = join(dir, 'home');
    mkdirSync(closed, { mode: 0o700 });
    makeCheckout(join(closed, 'checkout'));
    const first = start({ dataDir: join(dir, 'other'), cacheDirs: [shared] }, join(closed, 'checkout'));
    await first.server;
    await first.tell('stop');
    const second = start({ ...ORDINARY, cacheDirs: [shared] }, bare);
    await expect(second.server).rejects.toThrow(/belongs to somebody else/);
    await removeEmbedded(join(dir, 'other'));
  });
});

describe('after a crash the embedded PostgreSQL', () => {
  it('[OPS-5] that outlived its killed parent is adopted by the next start', async () => {
    const first = start();
    const before = await first.server;
    await query(before.url, 'CREATE TABLE kept AS SELECT 42 AS n');
    await first.kill();
    expect(isAlive(before.pid)).toBe(true);

    const second = start();
    const after = await second.server;
    expect(after).toEqual({ ...before, adopted: true });
    expect(await query(after.url, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
    await second.tell('stop');
    expect(isAlive(before.pid)).toBe(false);
    expect(serversIn(join(dataDir, 'data'))).toEqual([]);
  });

  it('is replaced when the orphan runs with other settings', async () => {
    const first = start();
    const before = await first.server;
    await first.kill();
    const second = start({ settings: { work_mem: '5MB' } });
    const after = await second.server;
    expect(after.adopted).toBe(false);
    expect(isAlive(before.pid)).toBe(false);
    expect(await query(after.url, `SELECT current_setting('work_mem') AS work_mem`)).toEqual([
      { work_mem: '5MB' },
    ]);
    await second.tell('stop');
  });

  it('is replaced when the orphan is frozen', async () => {
    const first = start();
    const before = await first.server;
    await first.kill();
    process.kill(before.pid, 'SIGSTOP');
    const second = start();
    const after = await second.server;
    expect(after.adopted).toBe(false);
    expect(await query(after.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await second.tell('stop');
  });

  it('[OPS-5] of the server itself tells its launcher, and the next start has every committed row', async () => {
    const first = start({ durable: true });
    const before = await first.server;
    await query(before.url, 'CREATE TABLE kept (n int)');
    for (let n = 0; n < 50; n++) await query(before.url, `INSERT INTO kept VALUES (${n})`);
    // A backend that is frozen in its statement holds the shared memory when the postmaster is gone.
    const frozen = new pg.Client({ connectionString: before.url });
    frozen.on('error', () => {});
    await frozen.connect();
    const { rows } = await frozen.query('SELECT pg_backend_pid() AS pid');
    process.kill(rows[0].pid, 'SIGSTOP');
    process.kill(before.pid, 'SIGKILL');
    await expect.poll(() => first.lines.some((line) => line.exited === true), PATIENT).toBe(true);

    const second = start({ durable: true });
    const after = await second.server;
    expect(after.adopted).toBe(false);
    expect(after.port).toBe(before.port);
    expect(await query(after.url, 'SELECT count(*)::int AS n FROM kept')).toEqual([{ n: 50 }]);
    await second.tell('stop');
    await frozen.end().catch(() => {});
  });

  it('starts when the pid in its file was given to another process meanwhile', async () => {
    const first = start();
    const { pid, url } = await first.server;
    await query(url, 'CREATE TABLE kept AS SELECT 1 AS n');
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => first.lines.some((line) => line.exited === true), PATIENT).toBe(true);
    const file = join(dataDir, 'data', 'postmaster.pid');
    // Of the server's own account: PostgreSQL believes such a process to be its predecessor.
    const account = canActAsRoot ? { uid: userIdOfData(), gid: 65534 } : {};
    const stranger = spawn('sleep', ['600'], { stdio: 'ignore', ...account });
    try {
      writeFileSync(file, readFileSync(file, 'utf8').replace(String(pid), String(stranger.pid)));
      const second = start();
      const after = await second.server;
      expect(await query(after.url, 'SELECT n FROM kept')).toEqual([{ n: 1 }]);
      await second.tell('stop');
      expect(isAlive(stranger.pid!)).toBe(true);
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  it('is not confused with the server of the directory that this one was copied from', async () => {
    const first = start();
    const original = await first.server;
    await query(original.url, 'CHECKPOINT');
    const copy = join(dir, 'copy');
    cpSync(dataDir, copy, { recursive: true });
    for (const name of readdirSync(copy)) if (name.startsWith('lock.')) rmSync(join(copy, name));
    const second = start({ dataDir: copy });
    const other = await second.server;
    expect(other.adopted).toBe(false);
    expect(other.pid).not.toBe(original.pid);
    expect(other.port).not.toBe(original.port);
    expect(isAlive(original.pid)).toBe(true);
    await second.tell('stop');
    await first.tell('stop');
  });

  it('makes its data again when the first time was cut off', async () => {
    const first = start();
    const staging = () =>
      existsSync(dataDir) ? readdirSync(dataDir).filter((name) => name.startsWith('init-')) : [];
    await expect.poll(() => staging().length, PATIENT).toBe(1);
    const half = join(dataDir, staging()[0]!, 'data', 'base');
    await expect.poll(() => existsSync(half), PATIENT).toBe(true);
    await first.kill();
    expect(existsSync(join(dataDir, 'data'))).toBe(false);

    const second = start();
    const { url } = await second.server;
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await second.tell('stop');
    const third = start();
    await third.server;
    await third.tell('stop');
    expect(staging()).toEqual([]);
  });
});

describe('two starts at once', () => {
  it('on one directory: one runs, the other names the process that holds it', async () => {
    const both = [start(), start(), start()];
    const results = await Promise.allSettled(both.map((launcher) => launcher.server));
    const winners = both.filter((_, n) => results[n]!.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'fulfilled') continue;
      expect(result.reason.name).toBe('DataDirectoryInUse');
      expect(result.reason.message).toContain(`is in use by process ${winners[0]!.child.pid}`);
    }
    await winners[0]!.tell('stop');
  });

  it('on two directories both run', async () => {
    const one = start();
    const other = start({ dataDir: join(dir, 'second') });
    const [a, b] = await Promise.all([one.server, other.server]);
    expect(a.port).not.toBe(b.port);
    await one.tell('stop');
    await other.tell('stop');
  });
});
