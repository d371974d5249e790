/** Starts that cannot end well: one plain line, exit code 1, and nothing left behind. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { stopAll } from '../../src/cli/processes.ts';
import { lockOwner, takeLock } from '../../src/db/embedded/lock.ts';
import { startChild } from '../support/child.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let dir: string;
/** Takes calls and answers each with a line that is no PostgreSQL's. */
let other: Server;
let port: string;

beforeAll(async () => {
  database = await createDatabase();
  dir = mkdtempSync(join(tmpdir(), 'cadenza-start-'));
  other = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  }).listen(0, '127.0.0.1');
  await once(other, 'listening');
  port = String((other.address() as AddressInfo).port);
});
afterAll(async () => {
  other.close();
  await database?.drop();
  rmSync(dir, { recursive: true, force: true });
});

async function cadenza(words: string[], env: Record<string, string>) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await main(words, env, { out: (text) => out.push(text), err: (text) => err.push(text) });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

const fresh = (name: string) => join(dir, name);

describe('a port in use', () => {
  test('`up` says so before it starts a database', async () => {
    const CADENZA_DATA = fresh('taken');
    const failed = await cadenza(['up', '--json'], { PORT: port, CADENZA_DATA });
    expect(failed.code).toBe(1);
    expect(failed.err).toBe(`Failed: Port ${port} of 127.0.0.1 is in use: set PORT to another.`);
    expect(JSON.parse(failed.out).error.detail).toContain(port);
    expect(existsSync(CADENZA_DATA)).toBe(false);
  });

  test('`serve` says so too', async () => {
    const env = { PORT: port, CADENZA_DATA: fresh('serve'), DATABASE_URL: database.ownerUrl };
    const failed = await cadenza(['serve'], env);
    expect([failed.code, failed.err]).toEqual([1, expect.stringContaining('set PORT to another')]);
  });

  test('names the Cadenza that has it', async () => {
    const CADENZA_DATA = fresh('second');
    mkdirSync(CADENZA_DATA);
    const run = { pid: process.pid, port: Number(port), database_url: 'x', app_database_url: 'x' };
    writeFileSync(join(CADENZA_DATA, 'run.json'), JSON.stringify(run));
    const failed = await cadenza(['up'], { PORT: port, CADENZA_DATA });
    expect(failed.err).toContain(`already runs on ${CADENZA_DATA}, process ${process.pid}`);
  });
});

describe('CADENZA_DATA', () => {
  const file = () => {
    writeFileSync(fresh('file'), '');
    return fresh('file');
  };
  const dangling = () => {
    symlinkSync(fresh('gone'), fresh('dangling'));
    return fresh('dangling');
  };
  const cases: [string, () => string, string][] = [
    ['that is a file', file, 'file is a file'],
    ['below a file', () => join(fresh('file'), 'a', 'b'), 'file is a file'],
    ['that is a link to nothing', dangling, 'is a symbolic link that leads nowhere'],
    ['with a name that is too long', () => fresh('x'.repeat(300)), 'has a name that is too long'],
  ];
  test.each(cases)('[OPS-4] %s is told with the setting and what to do', async (_what, path, reason) => {
    const CADENZA_DATA = path();
    const failed = await cadenza(['up'], { PORT: '0', CADENZA_DATA });
    expect(failed.code).toBe(1);
    expect(failed.err).toContain(`Failed: CADENZA_DATA (${CADENZA_DATA}) cannot be used: `);
    expect(failed.err).toContain(reason);
    expect(failed.err).toContain('. Set CADENZA_DATA to a directory that this user may make or write to.');
    expect(failed.err.split('\n')).toHaveLength(1);
  });

  test.runIf(existsSync('/proc/self'))(
    '[OPS-4] where nothing can be made the start ends',
    async () => {
      const child = startChild('bin/cadenza.mjs', ['up', '--json'], {
        PORT: '0',
        CADENZA_DATA: '/proc/nope/deeper',
      });
      // Making it recursively would keep the processor busy for ever.
      const stuck = setTimeout(() => child.process.kill('SIGKILL'), 20_000);
      const said = await child.line().finally(() => clearTimeout(stuck));
      expect(said['error']).toMatchObject({
        detail: expect.stringContaining('CADENZA_DATA (/proc/nope/deeper) cannot be used'),
      });
      expect(await child.ended).toBe(1);
    },
    40_000,
  );
});

test('a second start on one data directory says who holds it, without a stack', async () => {
  const CADENZA_DATA = fresh('held');
  mkdirSync(CADENZA_DATA);
  const release = takeLock(CADENZA_DATA);
  const failed = await cadenza(['up'], { PORT: '0', CADENZA_DATA });
  release();
  expect(failed.code).toBe(1);
  expect(failed.err).toContain('is in use by');
  expect(failed.err).toContain('CADENZA_DATA');
  expect(failed.err).not.toContain('    at ');
});

test('a start that fails late stops the database it had started', async () => {
  const CADENZA_DATA = fresh('late');
  mkdirSync(CADENZA_DATA);
  // The sandbox comes after the database and the application.
  writeFileSync(join(CADENZA_DATA, 'sandbox.json'), 'not JSON');
  const failed = await cadenza(['up', '--no-demo'], { PORT: '0', CADENZA_DATA });
  expect([failed.code, failed.err]).toEqual([1, expect.stringContaining('JSON')]);
  const postgres = join(CADENZA_DATA, 'postgres');
  expect(existsSync(join(postgres, 'data', 'PG_VERSION'))).toBe(true);
  expect(existsSync(join(postgres, 'data', 'postmaster.pid'))).toBe(false);
  expect([lockOwner(postgres), lockOwner(CADENZA_DATA)]).toEqual([null, null]);
}, 120_000);

test('one part that does not stop does not keep the next running', async () => {
  const stopped: string[] = [];
  const part = (name: string, error?: Error) => ({
    async stop() {
      stopped.push(name);
      if (error) throw error;
    },
  });
  await expect(stopAll([part('api', new Error('stuck')), undefined, part('database')])).rejects.toThrow(
    'stuck',
  );
  expect(stopped).toEqual(['api', 'database']);
});

describe('DATABASE_URL', () => {
  const password = `pw-${randomBytes(12).toString('hex')}`;
  const refusing = () => {
    const url = new URL(database.ownerUrl);
    url.password = password;
    return url.href;
  };
  const cases: [string, () => string, string][] = [
    ['where nothing listens', () => `postgres://me:${password}@127.0.0.1:1/x`, 'nothing listens there'],
    ['of something else', () => `postgres://me:${password}@127.0.0.1:${port}/x`, 'is no PostgreSQL'],
    ['with a wrong password', refusing, 'the login is refused'],
    ['of no database', () => new URL('/nowhere_at_all', inject('ownerUrl')).href, 'does not exist'],
  ];
  for (const [what, url, reason] of cases)
    test.each(['up', 'serve', 'worker', 'migrate', 'keys list'])(
      `${what}: \`%s\` says so in a line`,
      async (words) => {
        const DATABASE_URL = url();
        const env = { DATABASE_URL, PORT: '0', PUBLIC_URL: 'http://127.0.0.1:1', CADENZA_DATA: fresh('url') };
        const failed = await cadenza([...words.split(' '), '--json'], env);
        const { detail } = JSON.parse(failed.out).error;
        expect(failed.code).toBe(1);
        expect(failed.err).toBe(`Failed: ${detail}`);
        expect(detail).toContain(`DATABASE_URL (${new URL(DATABASE_URL).host})`);
        expect(detail).toContain(reason);
        expect(failed.err.split('\n')).toHaveLength(1);
        expect(failed.out + failed.err).not.toContain(password);
      },
    );
});

test('wrong use is told as JSON too, when JSON is asked for', async () => {
  const wrong = await cadenza(['doctr', '--json'], {});
  expect([wrong.code, JSON.parse(wrong.out).error]).toEqual([
    2,
    { code: 'usage', detail: expect.stringContaining('Did you mean doctor?') },
  ]);
});
