/**
 * Housekeeping: imports, bulk enrolments, moves between versions, releasing what a Hold kept, refreshing templates. Queued and worked by
 * graphile-worker as the application's login; payloads hold ids only. A task that dies is tried again and goes on where it was.
 */
import { EventEmitter } from 'node:events';
import { setTimeout } from 'node:timers/promises';
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
import { SYNC_TEMPLATES, syncTurns } from '../senders/template-turns.ts';
import { type JobLeases, keepJobLeases } from './job-leases.ts';

/** Tasks at once; each is one statement at a time. */
const CONCURRENCY = 2;
/** Before a queue that ended by itself is begun anew. */
const AGAIN_MS = 1_000;

/**
 * What comes by itself, whatever the number of processes: one of them queues it, each minute once. One at a time, and
 * while nobody works the queue it does not pile up.
 */
export const CRONTAB = `* * * * * ${SYNC_TEMPLATES} ?queue=${SYNC_TEMPLATES}&jobKey=${SYNC_TEMPLATES}&jobKeyMode=replace&max=1`;

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
    async [SYNC_TEMPLATES](_payload, helpers) {
      await syncTurns(app, helpers.abortSignal);
    },
    async import_contacts(payload, helpers) {
      await importContactsTask(app.db, payload as ImportTask, helpers.abortSignal);
    },
  };
}

export interface Jobs {
  stop(): Promise<void>;
}

/**
 * The queue ends itself when it cannot write down that a job is done, as when its connection is cut just then. It is begun
 * anew: the job is free once the old one is silent, and goes on where it was.
 */
export async function startJobs(app: App, again_ms: number = AGAIN_MS): Promise<Jobs> {
  const leases = keepJobLeases(app.db, app.engine.worker, (error) =>
    app.logger.warn({ error }, 'the heartbeat of the job queue failed'),
  );
  const stopping = new AbortController();
  const first = await begin(app, leases);
  const running = keepRunning(first, stopping.signal, again_ms, async () => {
    app.logger.warn('the job queue ended by itself; it begins anew');
    return begin(app, leases);
  });
  return {
    async stop() {
      stopping.abort();
      await running;
      await leases.stop();
    },
  };
}

/** Until it is to stop, there is a queue. */
async function keepRunning(
  first: Queue,
  stopping: AbortSignal,
  again_ms: number,
  next: () => Promise<Queue>,
): Promise<void> {
  const stop = new Promise<void>((resolve) => stopping.addEventListener('abort', () => resolve()));
  let queue: Queue | null = first;
  while (!stopping.aborted) {
    if (queue) await Promise.race([queue.ended, stop]);
    if (stopping.aborted) break;
    queue?.forget();
    await Promise.race([setTimeout(again_ms, undefined, { ref: false }), stop]);
    queue = stopping.aborted ? null : await next().catch(() => null);
  }
  await queue?.stop();
}

interface Queue {
  /** Resolves when it has ended, by itself or not. */
  ended: Promise<void>;
  stop(): Promise<void>;
  /** Its jobs are free once it has been silent. */
  forget(): void;
}

async function begin(app: App, leases: JobLeases): Promise<Queue> {
  const events: WorkerEvents = new EventEmitter();
  // What locks a job is the pool, not one of its workers.
  let id: string | null = null;
  events.on('pool:create', ({ workerPool }) => {
    id = workerPool.id;
    leases.add(id);
  });
  const runner = await run({
    pgPool: app.db.pool,
    taskList: tasks(app),
    crontab: CRONTAB,
    concurrency: CONCURRENCY,
    noHandleSignals: true,
    pollInterval: 1_000,
    events,
    // Without, it waits for nobody when it writes that a job is done, and a failure ends the process.
    preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
    logger: new GraphileLogger(() => (level, message) => {
      if (level === 'error' || level === 'warning') app.logger.warn({ job: true }, message);
    }),
  });
  const ended = runner.promise.catch(() => undefined);
  return {
    ended,
    async stop() {
      // Rejects when it is ending by itself.
      await runner.stop().catch(() => ended);
    },
    forget() {
      if (id !== null) leases.remove(id);
    },
  };
}
