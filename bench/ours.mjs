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
 * - `run({ touches })`: one warm-up batch a connection if it likes, then until nothing is due. `settled` counts touches that reached
 *   `sent` in the database (asked of the database, not of the engine), with their next touch planned; `seconds` is the
 *   wall time in which they did; `rate` is their quotient. Throws when a count does not add up.
 * - `measure({ quick, budget_ms })`: the figures that are not rates, within that time:
 *   `{ figures: { idle_p50_ms: { values: [2.1, …], unit: 'ms' }, idle_p95_ms, pause_p99_ms, rss_mb },
 *      ratios: { history_10m, fairness } }`. One value per repetition; the bench takes the medians. A ratio that the
 *   time did not allow is left out.
 * - `close()`: ends workers and pools.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const ENGINE = join(import.meta.dirname, '../dist/dispatch/deliver.js');

export async function prepare() {
  const why = existsSync(ENGINE) ? 'the row is not connected to the engine yet' : 'dist/ lacks the engine';
  return { unavailable: why };
}

export async function load() {
  throw new Error('the engine is not available');
}

export async function run() {
  throw new Error('the engine is not available');
}

export async function close() {}
