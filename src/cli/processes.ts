/** The two halves of Cadenza as running things: the HTTP server and the workers. `serve`, `worker` and `up` use them. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { LEDGER_CHECKS } from '../api/checks.ts';
import type { ApiDeps } from '../api/deps.ts';
import { buildServer } from '../api/server.ts';
import type { App } from '../app.ts';
import { type Config, ConfigError, readRun } from '../config.ts';
import { startJobs } from '../worker/jobs.ts';
import { Worker } from '../worker/worker.ts';

export interface Running {
  stop(): Promise<void>;
}

function portProblem(config: Config, error: unknown): unknown {
  const { port, host } = config;
  const code = (error as NodeJS.ErrnoException).code;
  const at = `Port ${port} of ${host}`;
  if (code === 'EACCES') return new ConfigError(`${at} is not open to this user: set PORT to another.`);
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new ConfigError(`${host} is no address of this machine (${code}): set HOST to another.`);
  if (code !== 'EADDRINUSE') return error;
  const run = readRun(config);
  if (run?.port !== port) return new ConfigError(`${at} is in use: set PORT to another.`);
  return new ConfigError(
    `${at} is in use: Cadenza already runs on ${config.cadenza_data}, process ${run.pid}. Stop it, or for a second one set PORT to another and CADENZA_DATA too.`,
  );
}

/** Tries the port before anything is started: a start that cannot end well changes nothing. @throws ConfigError */
export async function probePort(config: Config): Promise<void> {
  if (config.port === 0) return;
  const probe = createServer();
  try {
    probe.listen({ port: config.port, host: config.host });
    await once(probe, 'listening');
  } catch (error) {
    throw portProblem(config, error);
  }
  probe.close();
  await once(probe, 'close');
}

/**
 * Stops in this order what there is; one that fails does not keep the others running.
 * @throws the first failure, when all have been asked
 */
export async function stopAll(parts: readonly (Running | null | undefined)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const part of parts) await part?.stop().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}

export async function startApi(app: App, sink: ApiDeps['sink']): Promise<Running & { port: number }> {
  const server = await buildServer({ ...app, sink, checks: LEDGER_CHECKS });
  try {
    await server.listen({ port: app.config.port, host: app.config.host });
  } catch (error) {
    await server.close();
    throw portProblem(app.config, error);
  }
  return { port: (server.server.address() as AddressInfo).port, stop: () => server.close() };
}

/** Lanes a worker works at once: two keep two cores and two connections busy. */
const LANES = 2;

export async function startWorkers(app: App, count: number): Promise<Running & { workers: Worker[] }> {
  const workers = Array.from(
    { length: count },
    () => new Worker(app.engine, { lanes: LANES, poll_ms: app.config.worker_poll_ms }),
  );
  const jobs = count > 0 ? await startJobs(app) : null;
  for (const worker of workers) worker.start();
  return {
    workers,
    async stop() {
      // Jobs end their current statement; touches in flight are settled, lanes let go (OPS-5).
      await Promise.all([jobs?.stop(), ...workers.map((worker) => worker.stop())]);
    },
  };
}

/** Resolves on SIGINT or SIGTERM; a second signal ends the process at once. */
export function untilSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(1));
        resolve(signal);
      });
    }
  });
}
