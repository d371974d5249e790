/** A worker process of the product, seen from the bench: started, its probe calls awaited, stopped with its tallies. */
import { once } from 'node:events';
import { heard, startChild } from './child.mjs';

const WAIT_MS = 30_000;

/**
 * @param {Record<string, string>} [settings] of `docs/configuration.md`
 * @returns a worker that runs: `settled` so far; `called(touch)`, the moment of the provider's call for a probe;
 *   `stop()`, which answers `{ peak_rss_mb, settled, calls }`
 */
export async function startWorker(world, settings = {}) {
  const child = startChild('worker-process.mjs', { url: world.appUrl, settings });
  const calls = new Map();
  const waiting = new Map();
  const worker = {
    settled: 0,
    called: (touch) => calls.get(touch) ?? awaited(waiting, touch),
    async stop() {
      const exit = once(child, 'exit');
      const ended = heard(child, 'ended');
      child.send('stop');
      const tallies = await ended;
      await exit;
      return tallies;
    },
  };
  child.on('message', ({ settled, call }) => {
    if (settled !== undefined) worker.settled = settled;
    if (call === undefined) return;
    calls.set(call.touch, call.at);
    waiting.get(call.touch)?.(call.at);
  });
  await heard(child, 'ready');
  return worker;
}

function awaited(waiting, touch) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`touch ${touch} did not reach the provider in ${WAIT_MS} ms`)),
      WAIT_MS,
    );
    waiting.set(touch, (at) => {
      clearTimeout(timer);
      waiting.delete(touch);
      resolve(at);
    });
  });
}
