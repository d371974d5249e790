/** The two halves of Cadenza as running things: the HTTP server and the workers. `serve`, `worker` and `up` use them. */
import type { AddressInfo } from 'node:net';
import { LEDGER_CHECKS } from '../api/checks.ts';
import type { ApiDeps } from '../api/deps.ts';
import { buildServer } from '../api/server.ts';
import type { App } from '../app.ts';
import { startJobs } from '../worker/jobs.ts';
import { Worker } from '../worker/worker.ts';

export interface Running {
  stop(): Promise<void>;
}

export async function startApi(app: App, sink: ApiDeps['sink']): Promise<Running & { port: number }> {
  const server = await buildServer({ ...app, sink, checks: LEDGER_CHECKS });
  await server.listen({ port: app.config.port, host: app.config.host });
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
