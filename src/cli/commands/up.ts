/** `up`: everything in one process, what `npm start` runs. */
import { join } from 'node:path';
import { pino } from 'pino';
import { type App, openApp, openSandbox, type Sandbox } from '../../app.ts';
import { type Config, dataDirectory, masterSecrets, removeRun, writeRun } from '../../config.ts';
import { Database } from '../../db/database.ts';
import { takeLock } from '../../db/embedded/lock.ts';
import { REVIVAL_WINDOW_MS, REVIVALS } from '../../db/embedded/server.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { createApiKey } from '../../tenancy/api-keys.ts';
import { createOrganization, listOrganizationIds } from '../../tenancy/organizations.ts';
import { type Call, type Command, EXIT } from '../command.ts';
import { type Demo, loadDemo } from '../demo.ts';
import { callerFor, cliActor } from '../installation.ts';
import { probePort, type Running, startApi, startWorkers, stopAll, untilSignal } from '../processes.ts';
import { assertReachable } from '../reachable.ts';
import { openDatabase, type UpDatabase } from '../up/database.ts';
import { followSandbox, rememberDemo } from '../up/follow-sandbox.ts';
import { startScreen } from '../up/screen.ts';

interface First {
  org: Uuid | null;
  /** Shown once, at the first start. */
  key: string | null;
  demo: Demo | null;
}

export const up: Command = {
  options: { 'no-demo': { about: 'Start empty' } },
  about:
    'Uses DATABASE_URL when it is set, else an embedded PostgreSQL in CADENZA_DATA. Stop it with Ctrl-C.',
  async run(call: Call) {
    const { config } = call;
    await probePort(config);
    await assertReachable(config);
    // Before anything in it is opened: beside another process the sandbox would cut that one's record. Kept when
    // something does not stop, because what is open then stays open until the process ends.
    const release = takeLock(dataDirectory(config));
    const parts: Parts = {};
    try {
      const screen = await startParts(call, parts);
      await untilSignal();
      screen?.stop();
    } catch (error) {
      await stopParts(config, parts).then(release, (other: Error) =>
        call.note(`while stopping: ${other.message}`),
      );
      throw error;
    }
    call.note('stopping: what is in flight is settled first');
    await stopParts(config, parts);
    release();
    call.note('stopped: the next start goes on from here');
    return undefined;
  },
};

/** Nothing can be settled without the database: as after a SIGKILL, the next start goes on from what is on disk. */
function giveUp({ config, note }: Call): never {
  const log = join(config.cadenza_data, 'postgres', 'server.log');
  note(
    `the embedded database ended more than ${REVIVALS} times in ${REVIVAL_WINDOW_MS / 60_000} minutes; ${log} says why. Cadenza ends`,
  );
  removeRun(config);
  process.exit(EXIT.failed);
}

/** What has been started so far. */
interface Parts {
  database?: UpDatabase;
  app?: App;
  sandbox?: Sandbox;
  api?: Running;
  workers?: Running;
}

/** The callers of each part before the part; the database last, whatever became of the others. */
function stopParts(config: Config, { api, workers, app, sandbox, database }: Parts): Promise<void> {
  return stopAll([
    api,
    workers,
    app && { stop: () => app.close() },
    sandbox,
    { stop: async () => removeRun(config) },
    database,
  ]);
}

async function startParts(call: Call, parts: Parts): Promise<{ stop(): void } | null> {
  const { config } = call;
  const database = await openDatabase(config, masterSecrets(config), call.note);
  parts.database = database;
  database.onExit(() => giveUp(call));
  let port = config.port;
  const app = await openApp(config, {
    appUrl: database.appUrl,
    connections: config.api_connections + config.worker_connections,
    publicUrl: () => config.public_url ?? `http://${config.host}:${port}`,
    name: 'cadenza',
    logger: fileLogger(config),
  });
  parts.app = app;
  const sandbox = await openSandbox(config, call.note);
  parts.sandbox = sandbox;
  await followSandbox(app, sandbox, call.note);
  const api = await startApi(app, sandbox.sink);
  parts.api = api;
  port = api.port;
  parts.workers = await startWorkers(app, config.workers);
  writeRun(config, {
    pid: process.pid,
    port,
    database_url: database.ownerUrl,
    app_database_url: database.appUrl,
  });
  const url = `http://${config.host}:${port}`;
  const first = await firstStart(app, database.ownerUrl, {
    url,
    sandbox,
    wanted: !call.options['no-demo'],
    note: call.note,
  });
  const hints = hintsOf(url, first);
  call.result(
    { url, ...first, inbox: `${url}/api/sandbox/inbox` },
    [`Cadenza runs at ${url}`, ...hints].join('\n'),
  );
  return call.json ? null : startScreen({ app, sink: sandbox.sink, org: first.org, url, hints });
}

/** What is printed is for people; log lines go to a file in the data directory. */
function fileLogger(config: Config) {
  return pino(
    { name: 'cadenza', level: config.log_level },
    pino.destination({ dest: join(config.cadenza_data, 'cadenza.log'), mkdir: true }),
  );
}

/** An installation without organizations gets the demo and a key for it; any other is left as it is. */
async function firstStart(
  app: App,
  ownerUrl: string,
  { url, sandbox, wanted, note }: { url: string; sandbox: Sandbox; wanted: boolean; note: Call['note'] },
): Promise<First> {
  const owner = new Database({ url: ownerUrl, max: 1, application_name: 'cadenza up' });
  const [existing] = await listOrganizationIds(owner).finally(() => owner.close());
  if (existing !== undefined || !wanted) return { org: existing ?? null, key: null, demo: null };
  const { id } = await createOrganization(app.db, cliActor(), {
    name: 'Demo',
    postal_address: 'Demo Ltd, 1 Example Street, Exampleton',
  });
  const { key } = await createApiKey(app.db, callerFor(id), { name: 'first start', role: 'owner' });
  try {
    const demo = await loadDemo({ url, key, sandbox: sandbox.config });
    rememberDemo(app.config, { organization_id: id, sender_ids: [demo.sender_id] });
    return { org: id, key, demo };
  } catch (error) {
    // The key is shown once, and is worth more than the demo.
    note(`${(error as Error).message}; everything else runs`);
    return { org: id, key, demo: null };
  }
}

function hintsOf(url: string, first: First): string[] {
  const key = first.key ?? '<API key: npx cadenza keys create --name NAME>';
  return [
    `API reference   ${url}/api/docs`,
    `API key         ${key}${first.key ? '   (shown once)' : ''}`,
    `inbox           curl -H "Authorization: Bearer ${first.key ? '$KEY' : 'KEY'}" ${url}/api/sandbox/inbox`,
    ...(first.demo
      ? [
          `pause somebody  curl -X PATCH -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" -d '{"action":"pause"}' ${url}/api/outreach/enrollments/ID`,
        ]
      : []),
  ];
}
