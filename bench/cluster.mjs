/**
 * The cluster that all rows of one run share: the product's own embedded PostgreSQL on the product's own settings,
 * in a directory of its own beside the checkout (a temporary directory may lie in memory, where a commit costs
 * nothing). Out go the owner's URL and what the server says of its durability.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';

const ROOT = join(import.meta.dirname, '..');
const LAUNCHER = join(ROOT, 'dist/db/embedded/launcher.js');
const REPORTED = ['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers'];

/** A directory for data whose commits must reach a disk. The caller removes it. */
export function dataDirectory(name) {
  const parent = join(ROOT, 'tmp');
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(join(parent, `bench-${name}-`));
}

/**
 * @param {(line: string) => void} log
 * @returns {Promise<{ url: string, settings: Record<string, string>, stop: () => Promise<void> }>}
 */
export async function startCluster(log) {
  const dataDir = dataDirectory('postgres');
  try {
    return await startServer(dataDir, log);
  } catch (error) {
    rmSync(dataDir, { recursive: true, force: true });
    throw error;
  }
}

/** The server of that directory, fully durable; its data goes when it is stopped. */
export async function startServer(dataDir, log) {
  const server = await launch({ dataDir, durable: true, log });
  const stop = async () => {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  try {
    return { url: server.url, settings: await durability(server.url), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The product's own launcher. */
export async function launch(options) {
  if (!existsSync(LAUNCHER)) throw new Error('dist/ lacks the database launcher: run `npm run build` first');
  const { startEmbedded } = await import(LAUNCHER);
  return startEmbedded(options);
}

/** Asked of the server itself: a bench on a cluster that loses commits would flatter every row of PostgreSQL. */
async function durability(url) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const settings = {};
    for (const name of REPORTED) settings[name] = (await client.query(`SHOW ${name}`)).rows[0][name];
    for (const name of ['fsync', 'synchronous_commit', 'full_page_writes']) {
      if (settings[name] !== 'on') throw new Error(`the cluster runs with ${name} = ${settings[name]}`);
    }
    return settings;
  } finally {
    await client.end();
  }
}
