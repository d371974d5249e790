/** A worker process of the product, seen from the bench: started, its probe calls awaited, stopped with its tallies. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const FILE = join(import.meta.dirname, 'worker-process.mjs');
const WAIT_MS = 30_000;

/**
 * @param {Record<string, string>} [settings] of `docs/configuration.md`
 * @returns a worker that runs: `settled` so far; `called(touch)`, the moment of the provider's call for a probe;
 *   `stop()`, which answers `{ peak_rss_mb, settled, calls }`
 */
export async function startWorker(world, settings = {}) {
  const child = fork(FILE, [world.appUrl, JSON.stringify(settings)], { stdio: ['ignore', 2, 2, 'ipc'] });
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

/** The first message that has that key; refused when the process ends before. */
function heard(child, key) {
  return new Promise((resolve, reject) => {
    const listen = (message) => {
      if (message[key] === undefined) return;
      child.off('message', listen);
      child.off('exit', gone);
      resolve(message[key]);
    };
    const gone = (code, signal) => reject(new Error(`the worker ended: ${signal ?? code}`));
    child.on('message', listen);
    child.once('exit', gone);
  });
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
