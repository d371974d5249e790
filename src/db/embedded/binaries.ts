/**
 * A `native` folder that the server's account can run. Usually the package's own. It is copied to a cache when
 * the account cannot enter the checkout (root's home is closed to `nobody`), and when links are missing that we
 * may not create (installed with --ignore-scripts by somebody else): without its ICU links postgres does not
 * start at all.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { type Account, spawnAs } from './account.ts';
import { type PostgresPackage, program } from './platform.ts';

interface Link {
  at: string;
  to: string;
}

/** The links that the package lists but npm cannot pack. */
function listedLinks(native: string): Link[] {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return [];
  const entries = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  return entries.map(({ source, target }) => ({
    at: join(dirname(native), target),
    to: basename(source),
  }));
}

function makeLinks(native: string): void {
  for (const { at, to } of listedLinks(native)) {
    if (existsSync(at)) continue;
    try {
      symlinkSync(to, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** What keeps the account from running these programs, or null. Asked by running one: it is the only honest test. */
function obstacle(native: string, account: Account | null): string | null {
  for (const name of ['postgres', 'initdb'] as const) {
    const run = spawnSync(program(native, name), ['--version'], {
      ...spawnAs(account),
      cwd: '/',
      encoding: 'utf8',
      timeout: 20_000,
    });
    const code = (run.error as NodeJS.ErrnoException | undefined)?.code;
    if (account !== null && (code === 'EPERM' || code === 'EINVAL')) {
      throw new Error(
        `root may not become ${account.name} here (${code}), and PostgreSQL does not run as root: ` +
          'start as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own',
      );
    }
    if (run.error) return run.error.message;
    if (run.status !== 0) return run.stderr.trim() || `${name} ended with ${run.status ?? run.signal}`;
  }
  return null;
}

/** Root looks for a place open to all; others use their own cache. The temporary directories come last. */
function cacheParents(account: Account | null): string[] {
  const first = account === null ? [join(homedir(), '.cache')] : ['/var/cache', '/var/lib'];
  return [...first, '/var/tmp', tmpdir()];
}

/** A copy in a shared directory is run only if nobody else can have put it there or changed it. */
function isTrustworthy(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isDirectory()) return false;
  return process.getuid === undefined || (stat.uid === process.getuid() && (stat.mode & 0o022) === 0);
}

/** The checkout may have been made under a strict umask. */
function openToAll(dir: string): void {
  chmodSync(dir, 0o755);
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) openToAll(path);
    else if (entry.isFile()) chmodSync(path, basename(dir) === 'bin' ? 0o755 : 0o644);
  }
}

/** Copies under another name and renames, so that a half-made copy is never found. */
function copyTo(target: string, from: string): void {
  const draft = mkdtempSync(`${target}-`);
  try {
    const native = join(draft, 'native');
    cpSync(from, native, { recursive: true, verbatimSymlinks: true });
    makeLinks(native);
    openToAll(draft);
    renameSync(draft, target);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // Another start made the same copy meanwhile: theirs is as good.
    if (!existsSync(join(target, 'native'))) throw error;
  }
}

function copyOut(from: PostgresPackage, account: Account | null, parents: string[]): string {
  const obstacles: string[] = [];
  for (const parent of parents) {
    const target = join(parent, `cadenza-postgres-${from.id}`);
    try {
      if (!existsSync(target)) {
        mkdirSync(parent, { recursive: true });
        copyTo(target, from.native);
      }
      const native = join(target, 'native');
      const why = isTrustworthy(target) ? obstacle(native, account) : 'belongs to somebody else';
      if (why === null) return native;
      obstacles.push(`${target}: ${why}`);
    } catch (error) {
      obstacles.push(`${target}: ${(error as Error).message}`);
    }
  }
  throw new Error(
    `no directory from which ${account?.name ?? 'this user'} can run PostgreSQL\n${obstacles.join('\n')}`,
  );
}

/** Gives a `native` folder whose programs the account can run, copying it out when it must. */
export function runnableBinaries(
  from: PostgresPackage,
  account: Account | null,
  log: (line: string) => void,
  parents: string[] = cacheParents(account),
): string {
  // Why the links are missing, when they are.
  let why: string | null = null;
  try {
    makeLinks(from.native);
  } catch (error) {
    why = (error as Error).message;
  }
  const stuck = obstacle(from.native, account);
  if (stuck === null) return from.native;
  if (account === null && why === null) throw new Error(`PostgreSQL does not run on this machine: ${stuck}`);
  log(`PostgreSQL cannot run from ${from.native} (${why ?? stuck}); using a copy`);
  return copyOut(from, account, parents);
}
