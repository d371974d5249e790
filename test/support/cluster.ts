/**
 * The database server of a test run: one throw-away embedded cluster with a migrated template, which
 * `database.ts` clones for each test file. Gone at the end; what a killed run left is swept by the next.
 */
import { mkdtempSync, readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbedded } from '../../src/db/embedded/launcher.ts';
import { lockOwner } from '../../src/db/embedded/lock.ts';
import { removeEmbedded } from '../../src/db/embedded/remove.ts';
import { migrate } from '../../src/db/migrate.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The owner of the test cluster, on its maintenance database. */
    ownerUrl: string;
  }
}

export const PREFIX = 'cadenza-test-';
const TEMPLATE = 'cadenza_template';
/** A directory without a lock may belong to a run that is just beginning. */
const YOUNG_MS = 60_000;

/** Ends and removes the clusters whose test run is dead. */
export async function sweep(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const dir = join(tmpdir(), name);
    try {
      if (Date.now() - statSync(dir).mtimeMs < YOUNG_MS || lockOwner(dir) !== null) continue;
      await removeEmbedded(dir);
    } catch {
      // Somebody else's, or just swept by another run.
    }
  }
}

async function buildTemplate(ownerUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${TEMPLATE}`);
  } finally {
    await client.end();
  }
  const url = new URL(ownerUrl);
  url.pathname = `/${TEMPLATE}`;
  await migrate({ url: url.href });
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await sweep();
  const dataDir = mkdtempSync(join(tmpdir(), PREFIX));
  const server = await startEmbedded({ dataDir, durable: false });
  const remove = async () => {
    await server.stop();
    await removeEmbedded(dataDir);
  };
  try {
    await buildTemplate(server.url);
  } catch (error) {
    await remove();
    throw error;
  }
  project.provide('ownerUrl', server.url);
  return remove;
}
