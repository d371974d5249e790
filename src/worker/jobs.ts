/**
 * Housekeeping: imports, bulk enrolments, moves between versions, releasing what a Hold kept. Queued and worked by graphile-worker as the
 * application's login; payloads hold ids only. A task that dies is tried again and goes on where it was.
 */
import { EventEmitter } from 'node:events';
import { Logger as GraphileLogger, run, type TaskList, type WorkerEvents } from 'graphile-worker';
import type { App } from '../app.ts';
import { type ImportTask, importContactsTask } from '../contacts/import/run.ts';
import { readInboundTask } from '../inbound/interpret.ts';
import type { Uuid } from '../kernel/ids.ts';
import { wake } from '../ledger/wake.ts';
import { bulkEnrollTask } from '../plan/sequences/bulk-enroll.ts';
import { moveVersionTask } from '../plan/sequences/bulk-version-move.ts';
import { reactTask } from '../plan/sequences/react.ts';
import { decideVariantsTask } from '../plan/sequences/variants/decide.ts';
import { type HoldClass, releaseHeld } from '../plan/stop.ts';
import { keepJobLeases } from './job-leases.ts';

/** Tasks at once; each is one statement at a time. */
const CONCURRENCY = 2;

export function tasks(app: App): TaskList {
  return {
    async release_held(payload) {
      const job = payload as { org: Uuid; class: HoldClass; id: string; epoch: number };
      if ((await releaseHeld(app.db, job)) > 0) await wake(app.db, job.org);
    },
    async [bulkEnrollTask.name](payload, helpers) {
      const { engine, logger } = app;
      await bulkEnrollTask.run(app, payload, { worker: engine.worker, logger, signal: helpers.abortSignal });
    },
    async [moveVersionTask.name](payload, helpers) {
      await moveVersionTask.run(app, payload, { worker: app.engine.worker, signal: helpers.abortSignal });
    },
    async [decideVariantsTask.name](payload) {
      await decideVariantsTask.run(app.db, payload);
    },
    async [reactTask.name](payload, helpers) {
      await reactTask.run({ ...app, log: app.logger }, payload, helpers.abortSignal);
    },
    async [readInboundTask.name](payload, helpers) {
      await readInboundTask.run({ ...app, log: app.logger }, payload, helpers.abortSignal);
    },
    async import_contacts(payload, helpers) {
      await importContactsTask(app.db, payload as ImportTask, helpers.abortSignal);
    },
  };
}

export interface Jobs {
  stop(): Promise<void>;
}

export async function startJobs(app: App): Promise<Jobs> {
  const leases = keepJobLeases(app.db, app.engine.worker, (error) =>
    app.logger.warn({ error }, 'the heartbeat of the job queue failed'),
  );
  const events: WorkerEvents = new EventEmitter();
  events.on('worker:create', ({ worker }) => leases.add(worker.workerId));
  const runner = await run({
    pgPool: app.db.pool,
    taskList: tasks(app),
    concurrency: CONCURRENCY,
    noHandleSignals: true,
    pollInterval: 1_000,
    events,
    logger: new GraphileLogger(() => (level, message) => {
      if (level === 'error' || level === 'warning') app.logger.warn({ job: true }, message);
    }),
  });
  return {
    async stop() {
      await runner.stop();
      await leases.stop();
    },
  };
}
