/**
 * One launcher a data directory. The lock is a numbered file `lock.N` that names its owner; the highest number
 * rules. Whoever finds the ruling owner dead creates N+1, which only one can. So a lock is taken over without
 * ever being absent, which deleting and creating again (or renaming) cannot promise without flock.
 */
import { randomBytes } from 'node:crypto';
import { linkSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, startOf } from './processes.ts';

interface Owner {
  pid: number;
  start: string;
}

const RELEASED: Owner = { pid: 0, start: '' };
const MAX_ROUNDS = 100;

export class DataDirectoryInUse extends Error {
  override name = 'DataDirectoryInUse';
  readonly code = 'DATA_DIRECTORY_IN_USE';
  readonly pid: number;

  constructor(dir: string, pid: number) {
    const who = pid === process.pid ? 'this process already' : `process ${pid}`;
    super(`${dir} is in use by ${who}: stop it, or choose another directory with CADENZA_DATA`);
    this.pid = pid;
  }
}

function numbers(dir: string): number[] {
  return readdirSync(dir)
    .filter((name) => /^lock\.\d+$/.test(name))
    .map((name) => Number(name.slice(5)));
}

function highest(dir: string): number {
  return Math.max(0, ...numbers(dir));
}

function write(dir: string, owner: Owner): string {
  const path = join(dir, `.lock-${randomBytes(6).toString('hex')}`);
  writeFileSync(path, JSON.stringify(owner), { mode: 0o600 });
  return path;
}

function ownerOf(dir: string, n: number): Owner {
  try {
    return JSON.parse(readFileSync(join(dir, `lock.${n}`), 'utf8')) as Owner;
  } catch {
    return RELEASED;
  }
}

function holds(owner: Owner): boolean {
  if (owner.pid === 0 || !isAlive(owner.pid)) return false;
  const start = startOf(owner.pid);
  return start === '' || owner.start === '' || start === owner.start;
}

/** The pid of the living launcher of this directory, or null. */
export function lockOwner(dir: string): number | null {
  const owner = ownerOf(dir, highest(dir));
  return holds(owner) ? owner.pid : null;
}

/** Takes the lock and gives back how to let go of it. @throws DataDirectoryInUse */
export function takeLock(dir: string): () => void {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const ruling = highest(dir);
    const owner = ownerOf(dir, ruling);
    if (holds(owner)) throw new DataDirectoryInUse(dir, owner.pid);
    const mine = ruling + 1;
    const draft = write(dir, { pid: process.pid, start: startOf(process.pid) });
    try {
      linkSync(draft, join(dir, `lock.${mine}`));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    } finally {
      rmSync(draft, { force: true });
    }
    if (highest(dir) !== mine) {
      // Others went round twice while we slept between reading and creating: ours never ruled.
      rmSync(join(dir, `lock.${mine}`), { force: true });
      continue;
    }
    for (const n of numbers(dir)) if (n < mine) rmSync(join(dir, `lock.${n}`), { force: true });
    return () => renameSync(write(dir, RELEASED), join(dir, `lock.${mine}`));
  }
  throw new Error(`could not take the lock of ${dir}: too many others want it`);
}
