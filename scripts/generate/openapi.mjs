/** Writes openapi.json: what the server says of itself. No database is asked; nothing listens. */
import './load-typescript.mjs';
import { pino } from 'pino';
import { writeOrCheck } from './write-or-check.mjs';

const { buildServer } = await import('../../src/api/server.ts');
const { describe } = await import('../../src/api/reference.ts');
const { loadConfig } = await import('../../src/config.ts');
const { Database } = await import('../../src/db/database.ts');
const { createSecrets } = await import('../../src/tenancy/secrets.ts');

// Connects when first asked, so never.
const db = new Database({ url: 'postgres://127.0.0.1/none' });
const app = await buildServer({
  db,
  config: loadConfig({}),
  logger: pino({ level: 'silent' }),
  secrets: createSecrets(['only to build the server with, seals nothing']),
  adapters: new Map(),
  checks: [],
});
writeOrCheck('openapi.json', `${JSON.stringify(describe(app), null, 1)}\n`);
await app.close();
await db.close();
