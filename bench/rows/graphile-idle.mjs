/**
 * What `idle_*` of the engine stands beside: from the call that adds a job to its task, on graphile-worker with its
 * defaults, awake by notification. The job does nothing.
 */
import { makeWorkerUtils, run } from 'graphile-worker';
import { percentile } from '../stats.mjs';
import { quiet } from './graphile.mjs';

const WARM_UP = 8;
const PROBES = { full: 64, quick: 12 };
const REST_MS = [20, 60];

export async function measureIdle(url, size) {
  let began = () => {};
  const preset = { worker: { connectionString: url, logger: quiet } };
  const noop = async () => began(performance.now());
  const worker = await run({ preset, taskList: { noop }, noHandleSignals: true });
  const utils = await makeWorkerUtils({ connectionString: url, logger: quiet });
  const values = [];
  try {
    for (let n = -WARM_UP; n < PROBES[size]; n++) {
      await new Promise((resolve) =>
        setTimeout(resolve, REST_MS[0] + Math.random() * (REST_MS[1] - REST_MS[0])),
      );
      const reached = new Promise((resolve) => {
        began = resolve;
      });
      const asked = performance.now();
      await utils.addJob('noop', {});
      const took = (await reached) - asked;
      if (n >= 0) values.push(took);
    }
  } finally {
    await utils.release();
    await worker.stop();
  }
  const ms = (part) => ({ values: [percentile(values, part)], unit: 'ms' });
  return { figures: { graphile_idle_p50_ms: ms(0.5), graphile_idle_p95_ms: ms(0.95) } };
}
