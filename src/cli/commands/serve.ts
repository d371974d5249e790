/** `serve` and `worker`: the two halves, for an installation of several processes. */
import { type App, openApp } from '../../app.ts';
import { type Config, masterSecrets } from '../../config.ts';
import { ensureAppLogin } from '../../tenancy/app-login.ts';
import type { Call, Command } from '../command.ts';
import { requireOwnerUrl } from '../installation.ts';
import { probePort, startApi, startWorkers, untilSignal } from '../processes.ts';
import { publicUrlElsewhere } from '../public-url.ts';
import { assertReachable } from '../reachable.ts';

async function appUrl(config: Config): Promise<string> {
  await assertReachable(config);
  return config.app_database_url ?? ensureAppLogin(requireOwnerUrl(config), masterSecrets(config));
}

/** The start failed: no connection of the application keeps the process alive. */
async function closed(app: App, error: unknown): Promise<never> {
  await app.close();
  throw error;
}

/** Where links point before anybody says otherwise. */
function publicUrl(config: Config, port: number): string {
  return config.public_url ?? `http://${config.host}:${port}`;
}

export const serve: Command = {
  about:
    'Needs a migrated database: `npx cadenza migrate`. Runs until SIGTERM, then finishes the requests in progress.',
  async run(call: Call) {
    const { config } = call;
    await probePort(config);
    let port = config.port;
    const app = await openApp(config, {
      appUrl: await appUrl(config),
      connections: config.api_connections,
      publicUrl: () => publicUrl(config, port),
      name: 'cadenza serve',
    });
    const api = await startApi(app, null).catch((error) => closed(app, error));
    port = api.port;
    call.result({ port: api.port }, `listening on http://${config.host}:${api.port}`);
    await untilSignal();
    await api.stop();
    await app.close();
    return undefined;
  },
};

export const worker: Command = {
  about:
    'Any number may run. SIGTERM: takes nothing up any more, settles what is in flight, lets its lanes go.',
  async run(call: Call) {
    const { config } = call;
    const url = publicUrlElsewhere(config);
    const app = await openApp(config, {
      appUrl: await appUrl(config),
      connections: config.worker_connections,
      publicUrl: () => url,
      name: 'cadenza worker',
    });
    const workers = await startWorkers(app, 1).catch((error) => closed(app, error));
    call.result({ worker: app.engine.worker }, `worker ${app.engine.worker} runs`);
    await untilSignal();
    await workers.stop();
    await app.close();
    return undefined;
  },
};
