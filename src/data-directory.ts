/**
 * Makes the data directory. In: its path. Out: nothing when it is there and can be written to, else what is wrong.
 * A level at a time: Node's own recursive making never ends in file systems that refuse with ENOENT, as /proc does.
 */
import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const REASONS: Record<string, string> = {
  EACCES: 'is not open to this user',
  EPERM: 'is not open to this user',
  EROFS: 'lies in a file system that is read-only',
  ENOSPC: 'lies in a file system that is full',
  ENAMETOOLONG: 'has a name that is too long',
  ELOOP: 'is a symbolic link that leads to itself',
  EEXIST: 'is a symbolic link that leads nowhere',
};

const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException).code);

/** Is it there? Anything but "no" that keeps us from knowing is thrown. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (codeOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}

/** What has to be made, the outermost first. */
function missingLevels(path: string): string[] {
  const missing: string[] = [];
  for (let at = path; !isThere(at); at = dirname(at)) {
    missing.unshift(at);
    if (dirname(at) === at) break;
  }
  return missing;
}

function makeLevel(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another first start made it at the same moment.
    if (codeOf(error) !== 'EEXIST' || !isThere(path)) throw error;
  }
}

/** @returns what is wrong with it, beginning with the path concerned; null: it is there, closed to others when made here */
export function makeDirectory(path: string): string | null {
  let at = path;
  try {
    const missing = missingLevels(path);
    at = missing[0] === undefined ? path : dirname(missing[0]);
    if (!statSync(at).isDirectory()) return `${at} is a file`;
    accessSync(at, constants.W_OK | constants.X_OK);
    for (const level of missing) {
      at = level;
      makeLevel(level);
    }
    return null;
  } catch (error) {
    const code = codeOf(error);
    return `${at} ${REASONS[code] ?? `cannot be made there (${code})`}`;
  }
}
