/**
 * A Redis of its own for the BullMQ row: append-only file, written out every second (`appendfsync everysec`, the
 * setting that BullMQ's and Redis's own guides recommend). It may lose the last second of acknowledged work, which
 * no row on PostgreSQL may.
 */
import { spawn, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { dataDirectory } from './cluster.mjs';

const START_MS = 10_000;
const STOP_MS = 5_000;

/** @returns {string | null} its version, or null when it is not installed */
export function redisVersion() {
  const asked = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  return asked.status === 0 ? (/v=(\S+)/.exec(asked.stdout)?.[1] ?? 'unknown') : null;
}

/** @returns {Promise<{ url: string, stop: () => Promise<void> }>} */
export async function startRedis() {
  const dir = dataDirectory('redis');
  const port = await freePort();
  const options = { port, bind: '127.0.0.1', dir, appendonly: 'yes', appendfsync: 'everysec', save: '' };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn('redis-server', [...args, '--maxmemory-policy', 'noeviction'], { stdio: 'ignore' });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const endWithUs = () => child.kill('SIGKILL');
  process.once('exit', endWithUs);
  const stop = async () => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await gone;
    clearTimeout(timer);
    process.removeListener('exit', endWithUs);
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await answers(port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `redis://127.0.0.1:${port}`, stop };
}

async function answers(port) {
  // Here and not above: without the peers this file must still load.
  const { Redis } = await import('ioredis');
  const deadline = Date.now() + START_MS;
  const redis = new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => 50 });
  redis.on('error', () => {});
  try {
    const timer = new Promise((_, reject) => {
      setTimeout(() => reject(new Error('redis-server did not answer')), deadline - Date.now()).unref();
    });
    await Promise.race([redis.ping(), timer]);
  } finally {
    redis.disconnect();
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
