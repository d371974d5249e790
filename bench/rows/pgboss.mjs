/**
 * Row pgboss: batches of no-op jobs, each job with an outcome of its own (`perJobResults`), which is what a sender needs:
 * one refused address must not fail the others of its batch.
 */
import { PgBoss } from 'pg-boss';
import { count } from './graphile.mjs';

const QUEUE = 'noop';
const BATCH = 500;
const WORKERS = 2;
const CHUNK = 5_000;
let boss;
let url;

export async function prepare(options) {
  url = options.url;
  boss = new PgBoss({ connectionString: url, max: 10, supervise: false, schedule: false });
  boss.on('error', (error) => console.error('pg-boss:', error.message));
  await boss.start();
  await boss.createQueue(QUEUE);
}

export async function load({ touches }) {
  await boss.deleteAllJobs(QUEUE);
  for (let from = 0; from < touches; from += CHUNK) {
    const length = Math.min(CHUNK, touches - from);
    await boss.insert(
      QUEUE,
      Array.from({ length }, (_, n) => ({ data: { id: from + n } })),
    );
  }
}

export async function run({ touches }) {
  let done = 0;
  let start = 0;
  const { promise: all, resolve } = Promise.withResolvers();
  const work = async (jobs) => {
    if (done === 0) start = performance.now();
    done += jobs.length;
    if (done >= touches) resolve();
    return jobs.map((job) => ({ id: job.id, status: 'completed' }));
  };
  const options = {
    batchSize: BATCH,
    localConcurrency: WORKERS,
    perJobResults: true,
    burstWhenBatchFull: true,
    pollingIntervalSeconds: 0.5,
  };
  await boss.work(QUEUE, options, work);
  await all;
  await boss.offWork(QUEUE, { wait: true }); // the last batches are written now
  const seconds = (performance.now() - start) / 1000;
  const left = await count(url, `SELECT count(*)::int AS n FROM pgboss.job WHERE state <> 'completed'`);
  if (left !== 0) throw new Error(`${left} of ${touches} jobs are not completed`);
  return { rate: done / seconds, settled: done, seconds };
}

export async function close() {
  await boss?.stop({ graceful: false });
}
