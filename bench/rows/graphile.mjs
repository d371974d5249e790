/**
 * Rows graphile_noop and graphile_default: what a good job queue on PostgreSQL gives when its jobs do nothing. No guard,
 * no message, no ledger: the job is deleted when done.
 */
import { Logger, makeWorkerUtils, runOnce } from 'graphile-worker';
import pg from 'pg';

/** The settings of the project's own performance page. */
export const DOCUMENTED = {
  concurrentJobs: 24,
  maxPoolSize: 25,
  localQueue: { size: 500 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
};
const CHUNK = 10_000;
/** Only warnings and worse. */
export const quiet = new Logger(() => (level, message) => {
  if (level === 'error' || level === 'warning') console.error(`graphile-worker: ${message}`);
});

/** @param {object} settings of graphile-worker over its defaults */
export function noopRow(settings) {
  let url;
  let utils;
  return {
    async prepare(options) {
      url = options.url;
      utils = await makeWorkerUtils({ connectionString: url, logger: quiet });
      await utils.migrate();
    },
    async load({ touches }) {
      for (let from = 0; from < touches; from += CHUNK) {
        const length = Math.min(CHUNK, touches - from);
        await utils.addJobs(
          Array.from({ length }, (_, n) => ({ identifier: 'noop', payload: { id: from + n } })),
        );
      }
    },
    async run({ touches }) {
      let done = 0;
      let start = 0;
      const noop = async () => {
        if (done === 0) start = performance.now();
        done += 1;
      };
      await runOnce({ preset: { worker: { connectionString: url, logger: quiet, ...settings } } }, { noop });
      const seconds = (performance.now() - start) / 1000;
      const left = await count(url, 'SELECT count(*)::int AS n FROM graphile_worker.jobs');
      if (left !== 0 || done !== touches) throw new Error(`${done} of ${touches} jobs ran, ${left} are left`);
      return { rate: done / seconds, settled: done, seconds };
    },
    close: async () => utils?.release(),
  };
}

export async function count(url, sql) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows[0].n;
  } finally {
    await client.end();
  }
}
