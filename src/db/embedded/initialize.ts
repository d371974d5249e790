/**
 * Makes a data directory. It is made beside its final place and renamed when complete, so that an initdb that
 * was cut off leaves nothing that looks like data; the next start makes it again.
 */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Account, spawnAs } from './account.ts';
import { program } from './platform.ts';
import { whereabouts } from './postmaster.ts';

export const OWNER = 'cadenza';
export const MAJOR = '18';
const STAGING = 'init-';

interface Making {
  /** The launcher's directory; the staging directory is made here. */
  dir: string;
  data: string;
  native: string;
  account: Account | null;
  password: string;
  durable: boolean;
}

function initdbArguments(data: string, making: Making): string[] {
  return [
    `--pgdata=${data}`,
    `--pwfile=${data}/../password`,
    `--username=${OWNER}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // PostgreSQL's own C.UTF-8 sorts the same on every system and needs no locale of the machine.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    ...(making.durable ? [] : ['--no-sync']),
  ];
}

function runInitdb(data: string, making: Making): Promise<void> {
  const { cwd, path } = whereabouts({ data, account: making.account });
  const child = spawn(program(making.native, 'initdb'), initdbArguments(path, making), {
    ...spawnAs(making.account),
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-4000);
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, cut) => {
      if (code === 0) resolve();
      else reject(new Error(`initdb ended with ${code ?? cut}\n${output.trim()}`));
    });
  });
}

/** What interrupted attempts left. An initdb that outlived its parent may still write: what stays goes next time. */
function removeLeftovers(dir: string): void {
  for (const name of readdirSync(dir)) {
    if (!name.startsWith(STAGING)) continue;
    try {
      rmSync(join(dir, name), { recursive: true, force: true, maxRetries: 3 });
    } catch {
      // It is only rubbish, never read.
    }
  }
}

export async function initialize(making: Making): Promise<void> {
  removeLeftovers(making.dir);
  const staging = mkdtempSync(join(making.dir, STAGING));
  const data = join(staging, 'data');
  const password = join(staging, 'password');
  mkdirSync(data, { mode: 0o700 });
  writeFileSync(password, `${making.password}\n`, { mode: 0o600 });
  if (making.account !== null) giveTo(making.account, staging);
  await runInitdb(data, making);
  renameSync(data, making.data);
  rmSync(staging, { recursive: true, force: true });
}

function giveTo(account: Account, path: string): void {
  lchownSync(path, account.uid, account.gid);
  if (!statSync(path).isDirectory()) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) giveTo(account, child);
    else lchownSync(child, account.uid, account.gid);
  }
}

/** Is there a data directory this server can use? Also gives it back to the account after a restore by root. */
export function hasData(data: string, account: Account | null): boolean {
  const owner = statSync(data, { throwIfNoEntry: false })?.uid;
  if (owner === undefined) return false;
  const self = process.getuid?.();
  if (self !== undefined && self !== 0 && owner !== self) {
    throw new Error(
      `${data} belongs to uid ${owner}: start as that user or as root, or give it to uid ${self}`,
    );
  }
  const version = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim();
  if (version !== MAJOR) {
    throw new Error(
      `${data} was made by PostgreSQL ${version}, this is ${MAJOR}: move it away, or dump and restore`,
    );
  }
  if (account !== null && owner !== account.uid) giveTo(account, data);
  chmodSync(data, 0o700);
  return true;
}

export function prepareDirectory(dir: string): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
}
