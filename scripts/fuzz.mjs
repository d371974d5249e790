/**
 * `npm run fuzz -- --requests N [--seed S] [--json]`: fuzzes the API from its own description, on a throw-away
 * embedded server. Exit code 1 when an answer was a 5xx, or a status its operation does not describe.
 */
import './generate/load-typescript.mjs';
import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { readArguments, wholeNumber } from './arguments.mjs';

const HELP = `npm run fuzz -- [--requests N] [--seed S] [--json]

Fuzzes the API from its own description, on a throw-away embedded server.

  --requests N  how many; 2000 unless told
  --seed S      of an earlier run, to have it again
  --json        the report as one JSON object`;

const values = readArguments(HELP, {
  requests: { type: 'string', default: '2000' },
  seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
  json: { type: 'boolean', default: false },
});
const requests = wholeNumber(HELP, 'requests', values.requests, 1, 10_000_000);
const seed = wholeNumber(HELP, 'seed', values.seed, 0, 2 ** 32);

const { startEmbedded } = await import('../src/db/embedded/launcher.ts');
const { removeEmbedded } = await import('../src/db/embedded/remove.ts');
const { migrate } = await import('../src/db/migrate.ts');
const { ensureAppLogin } = await import('../src/tenancy/app-login.ts');
const { createApiKey } = await import('../src/tenancy/api-keys.ts');
const { createOrganization } = await import('../src/tenancy/organizations.ts');
const { SCOPES } = await import('../src/tenancy/roles.ts');
const { buildServer } = await import('../src/api/server.ts');
const { describe } = await import('../src/api/reference.ts');
const { loadConfig } = await import('../src/config.ts');
const { openApp } = await import('../src/app.ts');
const { LEDGER_CHECKS } = await import('../src/api/checks.ts');
const { fuzz } = await import('../test/api/fuzz/run.ts');
const { quietSmtp } = await import('../test/api/fuzz/world.ts');

async function organization(db, name) {
  const actor = { type: 'system', id: 'fuzz', name: 'fuzz' };
  const { id } = await createOrganization(db, actor, { name });
  const caller = { org: id, actor, role: 'owner', scopes: SCOPES };
  return { id, key: async (role) => (await createApiKey(db, caller, { name: role, role })).key };
}

async function run(ownerUrl) {
  await migrate({ url: ownerUrl });
  const master = randomBytes(32).toString('base64url');
  const app = await openApp(loadConfig({ CADENZA_SECRET: master, RATE_LIMIT_PER_MINUTE: '1000000' }), {
    appUrl: await ensureAppLogin(ownerUrl, master),
    connections: 8,
    publicUrl: () => 'http://127.0.0.1',
    logger: pino({ level: 'error' }, pino.destination(2)),
    name: 'fuzz',
  });
  const adapters = new Map([[quietSmtp.provider, quietSmtp]]);
  const server = await buildServer({ ...app, adapters, sink: null, checks: LEDGER_CHECKS });
  try {
    const url = await server.listen({ host: '127.0.0.1', port: 0 });
    const [ours, theirs] = [await organization(app.db, 'Ours'), await organization(app.db, 'Theirs')];
    return await fuzz({
      url,
      document: describe(server),
      requests,
      seed,
      keys: { owner: await ours.key('owner'), others: [await ours.key('viewer'), await theirs.key('owner')] },
      foreignIds: [theirs.id],
      newOwnerKey: () => ours.key('owner'),
    });
  } finally {
    await server.close();
    await app.close();
  }
}

const dataDir = mkdtempSync(join(tmpdir(), 'cadenza-test-'));
const server = await startEmbedded({ dataDir, durable: false });
try {
  const report = await run(server.url);
  if (values.json) console.log(JSON.stringify(report));
  else {
    console.log(`${report.requests} requests to ${report.operations} operations, seed ${report.seed}`);
    console.log(`statuses: ${JSON.stringify(report.statuses)}`);
    if (report.never_succeeded.length > 0)
      console.log(`never succeeded: ${report.never_succeeded.join(', ')}`);
    for (const one of report.violations.slice(0, 20)) console.log(JSON.stringify(one, null, 1));
    console.log(`violations: ${report.violations.length}`);
  }
  if (report.violations.length > 0) process.exitCode = 1;
} finally {
  await server.stop();
  await removeEmbedded(dataDir);
}
