/** Everything a run needs, started in order and ended in reverse: cluster, proxies, provider, model, API, workers, world. */
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Client, Recorder } from './client.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { type DatabaseProxy, startDatabaseProxy } from './database-proxy.ts';
import { turn } from './day.ts';
import { type Project, project } from './dist.ts';
import {
  BUDGET_MS,
  CALL_TIMEOUT_MS,
  DRAFTING_MS,
  LANE_LEASE_MS,
  LEASE_MARGIN_MS,
  LOOKUP_GAP_MS,
  POLL_MS,
} from './limits.ts';
import { startModel } from './model.ts';
import { keepRunning, type Managed, runForJson, startTelling } from './processes.ts';
import { keyLives } from './senders.ts';
import { type Book, LABELS, makeBook } from './world.ts';

/** Two, so that one may be frozen in the middle of a stop while the other goes on. */
export const APIS = 2;
const UP_MS = 30_000;
const LOOK_MS = 50;

export interface Stage {
  cluster: Cluster;
  processes: ReadonlyMap<string, Managed>;
  proxies: ReadonlyMap<string, DatabaseProxy>;
  provider(path: '/faults' | '/refuse', body: object): Promise<void>;
  client: Client;
  recorder: Recorder;
  books: Book[];
  journal: string;
  /** No faults any more, everything running. */
  calm(): Promise<void>;
  /** Ends the workers, each with what it has begun, so that nothing moves while the end is read. */
  rest(): Promise<void>;
  end(): Promise<void>;
}

export async function startStage(
  root: string,
  dir: string,
  { seed, workers }: { seed: number; workers: number },
): Promise<Stage> {
  const of = project(root);
  const ends: (() => Promise<unknown>)[] = [];
  const end = async () => {
    for (const one of ends.splice(0).reverse()) await one();
  };
  try {
    const cluster = await startCluster(of, dir);
    ends.push(() => cluster.stop());
    const provider = await startTelling<{ port: number; control_port: number; journal: string }>([
      of.built('channels/sandbox-http/provider.js'),
      '--dir',
      dir,
    ]);
    ends.push(() => provider.stop());
    const control = `http://127.0.0.1:${provider.told.control_port}`;
    const tellProvider: Stage['provider'] = async (path, body) => {
      const told = path === '/faults' ? { ...body, key_lives: keyLives(LABELS) } : body;
      const { status } = await fetch(control + path, { method: 'POST', body: JSON.stringify(told) });
      if (status !== 200) throw new Error(`the provider answered ${status} to ${path}`);
    };

    const model = await startModel(seed);
    ends.push(() => model.close());
    const ports = await Promise.all(Array.from({ length: APIS }, freePort));
    const secret = randomBytes(32).toString('base64url');
    const common = { ...environment(dir, secret, ports[0]!), DRAFTING_URL: model.url };
    const owner = { ...common, DATABASE_URL: cluster.url() };
    await run(of, ['migrate'], owner);
    const orgs = new Map(
      await Promise.all(LABELS.map(async (label) => [label, await organization(of, owner, label)] as const)),
    );

    const processes = new Map<string, Managed>();
    const proxies = new Map<string, DatabaseProxy>();
    const all = [
      ...ports.map((port, n) => ({ name: `api-${n}`, command: 'serve', env: { PORT: String(port) } })),
      ...Array.from({ length: workers }, (_, n) => ({ name: `worker-${n}`, command: 'worker', env: {} })),
    ];
    for (const { name, command, env } of all) {
      const proxy = await startDatabaseProxy(() => cluster.port());
      proxies.set(name, proxy);
      ends.push(() => proxy.stop());
      const url = new URL(cluster.url());
      url.port = String(proxy.port);
      const managed = keepRunning(dir, {
        name,
        args: [of.cli, command],
        env: { ...common, ...env, DATABASE_URL: url.href },
      });
      processes.set(name, managed);
      ends.push(() => managed.stop());
    }
    const apis = ports.map((port) => `http://127.0.0.1:${port}`);
    await Promise.all(apis.map(ready));
    const recorder = new Recorder(join(dir, 'acks.jsonl'));
    const client = new Client(apis, new Map([...orgs].map(([label, { key }]) => [label, key])), recorder);
    const providerUrl = `http://127.0.0.1:${provider.told.port}`;
    const minute = turn();
    const books = await Promise.all(
      [...orgs].map(([label, { id }]) => makeBook(client, { label, id, turn: minute, seed }, providerUrl)),
    );
    return {
      cluster,
      processes,
      proxies,
      provider: tellProvider,
      client,
      recorder,
      books,
      journal: provider.told.journal,
      async calm() {
        for (const managed of processes.values()) managed.thaw();
        await cluster.up();
        await tellProvider('/faults', {});
        await Promise.all(apis.map(ready));
      },
      async rest() {
        const workers = [...processes.values()].filter(({ name }) => name.startsWith('worker-'));
        await Promise.all(workers.map((worker) => worker.stop()));
      },
      end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

function environment(dir: string, secret: string, port: number): Record<string, string> {
  return {
    CADENZA_DATA: join(dir, 'data'),
    CADENZA_SECRET: secret,
    PORT: String(port),
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    LOG_LEVEL: 'warn',
    PRIVATE_HOSTS: '127.0.0.1',
    RATE_LIMIT_PER_MINUTE: '1000000',
    DRAFTING_TIMEOUT_MS: String(DRAFTING_MS),
    DRAFTING_DAILY_TOKENS: '1000000000',
    WORKER_LANE_LEASE_MS: String(LANE_LEASE_MS),
    WORKER_BUDGET_MS: String(BUDGET_MS),
    WORKER_CALL_TIMEOUT_MS: String(CALL_TIMEOUT_MS),
    WORKER_LEASE_MARGIN_MS: String(LEASE_MARGIN_MS),
    WORKER_LOOKUP_GAP_MS: String(LOOKUP_GAP_MS),
    WORKER_POLL_MS: String(POLL_MS),
  };
}

function run(of: Project, args: string[], env: Record<string, string>): Promise<Record<string, unknown>> {
  return runForJson([of.cli, ...args, '--json'], env);
}

async function organization(
  of: Project,
  env: Record<string, string>,
  name: string,
): Promise<{ id: string; key: string }> {
  const { id } = await run(of, ['orgs', 'create', '--name', name], env);
  const { key } = await run(
    of,
    ['keys', 'create', '--name', 'chaos', '--org', String(id), '--role', 'owner'],
    env,
  );
  return { id: String(id), key: String(key) };
}

/** For the API: it keeps its port over its restarts. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

async function ready(api: string): Promise<void> {
  const end = performance.now() + UP_MS;
  for (;;) {
    const status = await fetch(`${api}/readyz`, { signal: AbortSignal.timeout(2_000) })
      .then((response) => response.status)
      .catch(() => null);
    if (status === 200) return;
    if (performance.now() > end) throw new Error(`the API did not come up: /readyz ${status}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
