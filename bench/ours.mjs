/**
 * Row ours: whole steps a second of the engine: lane, read, compose (a real Liquid template), gate with all its checks,
 * an in-process provider, settle with event, advance, next touch planned. It is called as `row.mjs` describes, in a
 * process of its own, with the same Node that runs the bench, and imports the engine from `../dist/`.
 *
 * The contract, so that its rate may be set against the other rows:
 * - `prepare({ url, touches, quick })`: `url` is the owner's URL of an empty database. Migrates it; makes organizations (100),
 *   senders, one published sequence each with at least two more steps after the first. Answers `{ unavailable: why }` when
 *   `dist/` has no engine.
 * - `load({ touches })`: before each run; that many NEW active enrollments, each with its first touch due now, consent
 *   given. One in twenty is suppressed and one in twenty paused (as in the row same_step_graphile). The caller then runs
 *   VACUUM ANALYZE and CHECKPOINT.
 * - `run({ touches })`: one warm-up batch a lane, then until nothing is due. `settled` counts touches that reached
 *   `sent` in the database (asked of the database, not of the engine), with their next touch planned; `seconds` is the
 *   wall time after the warm-up, `rate` what was sent a second in it. Throws when a count does not add up.
 * - `measure({ quick, budget_ms })`: the figures that are not rates, within that time:
 *   `{ figures: { idle_p50_ms: { values: [2.1, …], unit: 'ms' }, idle_p95_ms, pause_p99_ms, rss_mb },
 *      ratios: { history_10m, fairness } }`. One value per repetition; the bench takes the medians. A ratio that the
 *   time did not allow is left out.
 * - `close()`: ends workers and pools.
 */
import { performance } from 'node:perf_hooks';
import { measureFigures } from './ours/measure.mjs';
import { acceptAll } from './ours/provider.mjs';
import { engineOf, isBuilt, loadDue, makeWorld, product } from './ours/world.mjs';

let url = null;
let world = null;

export async function prepare(options) {
  if (!isBuilt()) return { unavailable: 'dist/ lacks the engine: run `npm run build`' };
  url = options.url;
  world = await makeWorld(url);
  return {};
}

export async function load({ touches }) {
  await loadDue(world, { touches });
}

const sentCount = () => world.ask("SELECT count(*)::int FROM touches WHERE state = 'sent'");
const dueCount = () => world.ask('SELECT count(*)::int FROM touches WHERE wake_at <= now()');

/** As L does before its clock starts: a batch for each lane, so that connections and their plans are there. */
const WARM_UP = 1_000;
const until = async (holds) => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
};

/** Until nothing is due. The count is asked of the database before and after; while it runs only the engine's own tally is read. */
export async function run({ touches }) {
  const { Worker } = await product('worker/worker');
  const before = await sentCount();
  const due = await dueCount();
  const worker = new Worker(await engineOf(world, acceptAll()), { lanes: 2, poll_ms: 100 });
  worker.start();
  await until(() => worker.settled >= Math.min(WARM_UP, due / 10));
  const warm = worker.settled;
  const start = performance.now();
  await until(() => worker.settled >= due);
  const seconds = (performance.now() - start) / 1000;
  await worker.stop();
  const settled = (await sentCount()) - before;
  if ((await dueCount()) !== 0) throw new Error('touches are still due');
  const suppressed = Math.floor(touches / 20);
  if (Math.abs(due - settled - suppressed) > touches / 100)
    throw new Error(`due ${due}, sent ${settled}: the counts do not add up`);
  // The engine's tally counts what it skipped too.
  return { rate: (settled * (1 - warm / due)) / seconds, settled, seconds };
}

/** In databases of its own: what the rounds left behind is no part of these figures. */
export function measure(options) {
  return measureFigures(url, options);
}

export async function close() {
  await world?.close();
  world = null;
}
