/**
 * The server process: start it, find the one that is there already, end it. All it tells about itself stands in
 * `postmaster.pid` inside the data directory.
 *
 * Root keeps the data in a place that the server's account may not enter (root's home, a checkout below it). On
 * Linux that is no obstacle: the working directory is set before the account is changed, and /proc/self/cwd leads
 * there without walking the path. Elsewhere the path must be open to the account.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Account, spawnAs } from './account.ts';
import { program } from './platform.ts';
import { serversIn, serves, stillServes, until } from './processes.ts';

/** Recovery after a crash replays at most max_wal_size, on a slow disk. */
const START_MS = 180_000;
const FAST_STOP_MS = 30_000;
const KILL_MS = 10_000;
const LOG_BYTES = 8 * 1024 * 1024;

export interface PidFile {
  pid: number;
  port: number;
  /** `starting`, `ready`, `stopping`, `standby`, or '' before the first of them. */
  status: string;
}

export interface Place {
  /** The data directory itself. */
  data: string;
  native: string;
  account: Account | null;
  /** Where the server's own log goes. */
  logFile: string;
}

export function readPidFile(data: string): PidFile | null {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
    const pid = Number(lines[0]);
    if (!Number.isInteger(pid) || pid <= 0) return null;
    return { pid, port: Number(lines[3] ?? 0), status: (lines[7] ?? '').trim() };
  } catch {
    return null;
  }
}

/** The postmaster that works in `data`, or null: a pid file alone proves nothing. */
export function findPostmaster(data: string): PidFile | null {
  const file = readPidFile(data);
  return file !== null && serves(file.pid, data) ? file : null;
}

/** How the server is told its data directory and working directory. */
export function whereabouts(place: { data: string; account: Account | null }): { cwd: string; path: string } {
  const hidden = place.account !== null && process.platform === 'linux';
  return { cwd: place.data, path: hidden ? '/proc/self/cwd' : place.data };
}

/**
 * Clears what a killed postmaster left. Its children end by themselves when they notice, but one that is frozen
 * or deep in a statement keeps the shared memory, and a new server refuses to start beside it. It refuses as well
 * when the pid in the file exists, be it a stranger's or a zombie's that nobody has reaped.
 */
async function clearRemains(data: string): Promise<void> {
  for (const pid of serversIn(data)) signal(pid, 'SIGKILL');
  await until(() => serversIn(data).length === 0, KILL_MS);
  rmSync(join(data, 'postmaster.pid'), { force: true });
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function logSize(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function logSince(path: string, offset: number): string {
  if (!existsSync(path)) return '';
  return readFileSync(path).subarray(offset).toString('utf8').trim().split('\n').slice(-20).join('\n');
}

export type Started = { child: ChildProcess; pid: number } | { failed: 'port taken' | 'other'; log: string };

/** Starts the server on that port and waits until it takes connections. Nothing that serves `data` may run. */
export async function startPostmaster(place: Place, port: number, settings: string[]): Promise<Started> {
  await clearRemains(place.data);
  if (logSize(place.logFile) > LOG_BYTES) rmSync(place.logFile);
  const offset = logSize(place.logFile);
  // A file, not a pipe: the server must be able to write when we are gone.
  const output = openSync(place.logFile, 'a', 0o600);
  const { cwd, path } = whereabouts(place);
  const child = spawn(program(place.native, 'postgres'), ['-D', path, '-p', String(port), ...settings], {
    ...spawnAs(place.account),
    cwd,
    stdio: ['ignore', output, output],
    // A session of its own: Ctrl-C is for us, who then stop it in order.
    detached: true,
    windowsHide: true,
  });
  closeSync(output);
  let ended = false;
  let problem = '';
  child.once('error', (error) => {
    ended = true;
    problem = error.message;
  });
  child.once('exit', () => {
    ended = true;
  });
  const ready = () => {
    const file = readPidFile(place.data);
    return file !== null && file.pid === child.pid && file.status === 'ready';
  };
  const inTime = await until(() => ended || ready(), START_MS);
  if (!ended && inTime && child.pid !== undefined) {
    child.unref();
    return { child, pid: child.pid };
  }
  if (child.pid !== undefined && !ended) signal(child.pid, 'SIGKILL');
  const log = [problem, logSince(place.logFile, offset)].filter(Boolean).join('\n');
  const taken = log.includes('could not bind') || log.includes('could not create any TCP/IP sockets');
  return { failed: taken ? 'port taken' : 'other', log };
}

/** A server that is still recovering or shutting down is waited for; gives it when it is ready, null when gone. */
export async function settledPostmaster(data: string): Promise<PidFile | null> {
  let found: PidFile | null = null;
  await until(() => {
    found = findPostmaster(data);
    return found === null || found.status === 'ready';
  }, START_MS);
  return found;
}

/** Fast shutdown: open transactions are rolled back, everything committed is on disk. Harder when that hangs. */
export async function stopPostmaster(
  pid: number,
  place: Pick<Place, 'data' | 'native'>,
  patienceMs = FAST_STOP_MS,
): Promise<void> {
  const gone = () => !stillServes(pid, place.data);
  if (process.platform === 'win32') {
    spawnSync(program(place.native, 'pg_ctl'), ['stop', '-m', 'fast', '-D', place.data], {
      windowsHide: true,
    });
  } else {
    signal(pid, 'SIGINT');
  }
  if (await until(gone, patienceMs)) return;
  signal(pid, 'SIGQUIT');
  if (await until(gone, Math.min(patienceMs, KILL_MS))) return;
  signal(pid, 'SIGKILL');
  await until(gone, KILL_MS);
}
