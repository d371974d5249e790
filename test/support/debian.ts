/**
 * Tests against real programs from Debian (postfix, dovecot, redis-server, chromium, PostgreSQL 15). Where a program is
 * absent its tests are skipped by name, and the closing line counts them; where `CI` is set they fail instead, so that
 * a machine that should have everything cannot pass by lacking it.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, it } from 'vitest';

/** Debian keeps daemons and versioned servers off an ordinary user's PATH. */
const FURTHER_FOLDERS = ['/usr/sbin', '/sbin', '/usr/lib/postgresql/15/bin'];

/** Where the program is, or undefined. */
export function findProgram(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...FURTHER_FOLDERS];
  return folders
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** A `describe` whose tests need `program`; `body` gets its path. */
export function describeWith(program: string, title: string, body: (path: string) => void): void {
  const path = findProgram(program);
  const named = `${title} (needs ${program})`;
  if (path !== undefined) describe(named, () => body(path));
  else if (process.env.CI) {
    describe(named, () => {
      it(`finds ${program}`, () => {
        throw new Error(`${program} is not installed; scripts/debian.sh installs it`);
      });
    });
  } else describe.skip(named, () => body(program));
}
