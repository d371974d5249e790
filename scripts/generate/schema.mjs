/** Writes schema.sql: what all migrations together make, read back from a throw-away embedded server. */
import './load-typescript.mjs';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { printCatalog } from './catalog.mjs';
import { writeOrCheck } from './write-or-check.mjs';

const { startEmbedded } = await import('../../src/db/embedded/launcher.ts');
const { removeEmbedded } = await import('../../src/db/embedded/remove.ts');
const { migrate } = await import('../../src/db/migrate.ts');

async function schemaOf(url) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await printCatalog(client);
  } finally {
    await client.end();
  }
}

// The name that test clusters have, so that a killed run's leavings are swept with theirs.
const dataDir = mkdtempSync(join(tmpdir(), 'cadenza-test-'));
const server = await startEmbedded({ dataDir, durable: false });
try {
  await migrate({ url: server.url });
  writeOrCheck(
    'schema.sql',
    `-- The whole schema, read from a freshly migrated database by \`npm run db:schema\`. Not a migration: those are in
-- src/db/migrations, and functions beside the module that owns them.

${await schemaOf(server.url)}
`,
  );
} finally {
  await server.stop();
  await removeEmbedded(dataDir);
}
