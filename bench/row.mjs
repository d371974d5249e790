/**
 * A row of the bench in a process of its own, on the Node it needs, driven over IPC by `rowProcess`. A row is a module
 * with these exports; all rates are whole jobs or steps a second:
 *
 *   prepare({ url, redis, touches, quick })  once; makes its tables in the empty database at `url`. May answer
 *                                     `{ unavailable: 'why' }`: the row is then skipped by that reason
 *   load({ touches })                 before each run: puts that many due ones there (the caller vacuums afterwards)
 *   run({ touches })                  works them off; answers `{ rate, settled, seconds }`
 *   measure({ url, quick, budget_ms })  optional, at the end: `{ figures?: { name: { values, unit } }, ratios?, notes?,
 *                                     missing?: { part: { ratios, why } } }`
 *   close()                           lets go of everything
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { killAtInterrupt } from './interrupt.mjs';
import { NODE_OPTIONS } from './node-options.mjs';

const SELF = fileURLToPath(import.meta.url);
const CALLS = ['prepare', 'load', 'run', 'measure', 'close'];
const CLOSE_MS = 10_000;
/** A call that takes longer hangs: its process is killed, and the row says so. */
const CALL_MS = 180_000;

/**
 * @param {string} module path of the row's module
 * @param {string} node path of the Node that runs it
 */
export function rowProcess(module, node) {
  // Its standard output goes to our standard error: the last line of ours is the result.
  const child = fork(SELF, [module], {
    execPath: node,
    execArgv: NODE_OPTIONS,
    serialization: 'advanced',
    stdio: ['ignore', 2, 2, 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const waiting = new Map();
  let last = 0;
  let over = null;
  const kill = () => child.kill('SIGKILL');
  const forget = killAtInterrupt(kill);
  child.on('message', ({ id, value, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(value);
    else reject(new Error(error));
  });
  const gone = new Promise((resolve) => {
    const ended = (why) => {
      over = new Error(`${module} ended: ${why}`);
      forget();
      for (const { reject } of waiting.values()) reject(over);
      waiting.clear();
      resolve();
    };
    child.once('exit', (code, signal) => ended(signal ?? `code ${code}`));
    child.once('error', (error) => ended(error.message));
  });
  const call = (name, options, limit_ms = CALL_MS) =>
    new Promise((resolve, reject) => {
      if (over !== null) return reject(over);
      const id = ++last;
      const timer = setTimeout(() => {
        reject(new Error(`${name} took over ${limit_ms / 1000} s`));
        kill();
      }, limit_ms);
      const done = (settle) => (value) => {
        clearTimeout(timer);
        settle(value);
      };
      waiting.set(id, { resolve: done(resolve), reject: done(reject) });
      child.send({ id, name, options });
    });
  return {
    prepare: (options) => call('prepare', options),
    load: (options) => call('load', options),
    run: (options) => call('run', options),
    measure: (options) => call('measure', options, options.budget_ms + CLOSE_MS),
    async close() {
      const timer = setTimeout(kill, CLOSE_MS);
      await call('close').catch(() => {});
      if (child.connected) child.disconnect();
      await gone;
      clearTimeout(timer);
    },
  };
}

async function serve(path) {
  const row = await import(path);
  process.on('message', async ({ id, name, options }) => {
    if (!CALLS.includes(name)) throw new Error(`no call ${name}`);
    try {
      process.send({ id, value: (await row[name]?.(options)) ?? null });
    } catch (error) {
      process.send({ id, error: error?.stack ?? String(error) });
    }
  });
  process.on('disconnect', () => process.exit());
}

if (process.argv[1] === SELF) await serve(process.argv[2]);
