/**
 * Owns the embedded PostgreSQL 18: one server a directory, for people who have only Node. In comes a directory;
 * out goes the owner's URL of a running server. The directory holds `data/` (the server's), `owner-password`,
 * `port`, `server.log` and the launcher's lock.
 *
 * The server outlives a killed parent. The next start finds it by its pid file, proves that it serves this very
 * directory, and goes on with it (or replaces it, when it does not answer or runs with other settings).
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { type Account, serverAccount } from './account.ts';
import { runnableBinaries } from './binaries.ts';
import { hasData, initialize, OWNER, prepareDirectory } from './initialize.ts';
import { takeLock } from './lock.ts';
import { postgresPackage } from './platform.ts';
import { type Place, settledPostmaster, startPostmaster, stopPostmaster } from './postmaster.ts';
import { type EmbeddedServer, superviseServer } from './server.ts';
import { settingArguments } from './settings.ts';

export type { EmbeddedServer } from './server.ts';

const DATABASE = 'cadenza';
const PORT_TRIES = 5;
const ANSWER_MS = 5_000;
/** A server that does not answer is frozen or broken: it gets less time to end than one that works. */
const MUTE_STOP_MS = 2_000;

export interface EmbeddedOptions {
  /** The launcher's directory; made when missing. */
  dataDir: string;
  log?: (line: string) => void;
  /** Server settings over ours, e.g. `{ shared_buffers: '1GB' }`. */
  settings?: Record<string, string>;
  /** False for throw-away data: nothing waits for the disk. Default true. */
  durable?: boolean;
  /** Start the server again, at the same port, when it ends by itself: 5 times in 10 minutes. Default false. */
  revive?: boolean;
  /** Where a copy of the binaries may be kept, if one is needed; default: the system's or the user's cache. */
  cacheDirs?: string[];
}

interface Running {
  pid: number;
  port: number;
  adopted: boolean;
}

/**
 * Starts or adopts the server of that directory.
 * @throws DataDirectoryInUse when a living process launched it; NoEmbeddedPostgres when there is none for this
 * machine; Error with the server's own last words when it does not start.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const dir = resolve(options.dataDir);
  const log = options.log ?? (() => {});
  const durable = options.durable ?? true;
  prepareDirectory(dir);
  const release = takeLock(dir);
  try {
    const data = join(dir, 'data');
    const account = serverAccount(data);
    const native = runnableBinaries(postgresPackage(), account, log, options.cacheDirs);
    const place: Place = { data, native, account, logFile: join(dir, 'server.log') };
    const password = ownerPassword(dir, data);
    if (!hasData(data, account)) {
      log('making a new PostgreSQL 18 data directory');
      await initialize({ dir, data, native, account, password, durable });
    }
    openPathFor(account, dir);
    const settings = settingArguments(durable, options.settings ?? {});
    const running = (await adopt(place, password, settings)) ?? (await start(place, dir, settings));
    const url = ownerUrl(password, running.port, DATABASE);
    await makeDatabase(ownerUrl(password, running.port, 'postgres'));
    log(
      `PostgreSQL ${running.adopted ? 'was running' : 'runs'} on 127.0.0.1:${running.port}, process ${running.pid}`,
    );
    const again = options.revive ? () => startAt(place, running.port, settings) : null;
    return superviseServer({ ...running, url, place, release, log, again });
  } catch (error) {
    release();
    throw error;
  }
}

function ownerUrl(password: string, port: number, database: string): string {
  // Said outright, because PGSSLMODE=require in the caller's shell would ask this server for TLS it has not.
  return `postgres://${OWNER}:${password}@127.0.0.1:${port}/${database}?sslmode=disable`;
}

/** Written before the data directory exists: data without its password would be locked away for good. */
function ownerPassword(dir: string, data: string): string {
  const path = join(dir, 'owner-password');
  if (existsSync(path)) return readFileSync(path, 'utf8').trim();
  if (existsSync(data)) throw new Error(`${path} is missing: restore it, or remove ${dir} to begin anew`);
  const password = randomBytes(24).toString('base64url');
  writeFileSync(path, `${password}\n`, { mode: 0o600 });
  return password;
}

/** Without /proc the server walks the path to its data, so its account must be able to pass. */
function openPathFor(account: Account | null, dir: string): void {
  if (account !== null && process.platform !== 'linux') chmodSync(dir, 0o711);
}

async function adopt(place: Place, password: string, settings: string[]): Promise<Running | null> {
  const found = await settledPostmaster(place.data);
  if (found === null) return null;
  const answers = await canConnect(ownerUrl(password, found.port, 'postgres'));
  if (answers && runsWith(place.data, settings)) return { pid: found.pid, port: found.port, adopted: true };
  await stopPostmaster(found.pid, place, answers ? undefined : MUTE_STOP_MS);
  return null;
}

/** The command line of the running server, as it wrote it down itself. */
function runsWith(data: string, settings: string[]): boolean {
  const written = readFileSync(join(data, 'postmaster.opts'), 'utf8');
  return written.includes(settings.map((argument) => `"${argument}"`).join(' '));
}

async function start(place: Place, dir: string, settings: string[]): Promise<Running> {
  let last = '';
  for (let attempt = 0; attempt < PORT_TRIES; attempt++) {
    // The last port again, when it is free: who was connected before a crash finds the server at the same place.
    const port = attempt === 0 ? await freePort(rememberedPort(dir)) : await freePort(0);
    const started = await startPostmaster(place, port, settings);
    if ('pid' in started) {
      writeFileSync(join(dir, 'port'), `${port}\n`, { mode: 0o600 });
      return { pid: started.pid, port, adopted: false };
    }
    last = started.log;
    if (started.failed !== 'port taken') break;
  }
  throw new Error(`PostgreSQL did not start\n${last}`);
}

/** At that port or not at all: connection strings in use name it. */
async function startAt(place: Place, port: number, settings: string[]): Promise<number> {
  const started = await startPostmaster(place, port, settings);
  if ('pid' in started) return started.pid;
  throw new Error(`PostgreSQL did not start again\n${started.log}`);
}

function rememberedPort(dir: string): number {
  const path = join(dir, 'port');
  return existsSync(path) ? Number(readFileSync(path, 'utf8')) || 0 : 0;
}

function freePort(wanted: number): Promise<number> {
  return new Promise((resolvePort, reject) => {
    const probe = createServer();
    probe.once('error', () => (wanted === 0 ? reject(new Error('no free port')) : resolvePort(freePort(0))));
    probe.listen({ port: wanted, host: '127.0.0.1', exclusive: true }, () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolvePort(port));
    });
  });
}

async function canConnect(url: string): Promise<boolean> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: ANSWER_MS,
    query_timeout: ANSWER_MS,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

async function makeDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: ANSWER_MS });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query('CREATE DATABASE cadenza');
  } finally {
    await client.end().catch(() => {});
  }
}
