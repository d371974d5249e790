/** Row bullmq_aof: no-op jobs on BullMQ, over a Redis with an append-only file written out every second. */
import { Queue, Worker } from 'bullmq';

const QUEUE = 'noop';
const CONCURRENCY = 200;
const CHUNK = 5_000;
let connection;
let queue;

export async function prepare({ redis }) {
  connection = { url: redis, maxRetriesPerRequest: null };
  queue = new Queue(QUEUE, { connection, defaultJobOptions: { removeOnComplete: true } });
  await queue.waitUntilReady();
}

export async function load({ touches }) {
  await queue.obliterate({ force: true });
  for (let from = 0; from < touches; from += CHUNK) {
    const length = Math.min(CHUNK, touches - from);
    await queue.addBulk(Array.from({ length }, (_, n) => ({ name: 'noop', data: { id: from + n } })));
  }
}

export async function run({ touches }) {
  let completed = 0;
  const { promise: all, resolve } = Promise.withResolvers();
  const worker = new Worker(QUEUE, async () => {}, { connection, concurrency: CONCURRENCY, autorun: false });
  worker.on('error', (error) => console.error('bullmq:', error.message));
  worker.on('completed', () => {
    completed += 1;
    if (completed === touches) resolve();
  });
  await worker.waitUntilReady();
  const start = performance.now();
  const running = worker.run();
  await all;
  const seconds = (performance.now() - start) / 1000;
  await worker.close();
  await running;
  return { rate: completed / seconds, settled: completed, seconds };
}

export async function close() {
  await queue?.close();
}
