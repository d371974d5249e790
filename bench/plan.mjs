/** What `bench engine` measures and how much of it: the rows, their sizes, the time it may take. */
import { join } from 'node:path';

const at = (file) => join(import.meta.dirname, file);

/**
 * `touches`: jobs or steps a run. `peer`: runs on the Node that the peers need. `ratio`: its name among the ratios.
 * @type {{ name: string, module: string, unit: string, touches: { full: number, quick: number },
 *          peer?: boolean, redis?: boolean, ratio?: string, bound: string }[]}
 */
export const ROWS = [
  {
    name: 'ours',
    module: at('ours.mjs'),
    unit: 'steps/s',
    touches: { full: 60_000, quick: 20_000 },
    bound: 'rows written times indexes',
  },
  {
    name: 'graphile_noop',
    module: at('rows/graphile-noop.mjs'),
    unit: 'jobs/s',
    touches: { full: 60_000, quick: 30_000 },
    peer: true,
    ratio: 'graphile_noop',
    bound: 'its Node process: one promise chain a job',
  },
  {
    name: 'graphile_default',
    module: at('rows/graphile-default.mjs'),
    unit: 'jobs/s',
    touches: { full: 2_000, quick: 2_000 },
    peer: true,
    bound: 'two statements and a commit a job',
  },
  {
    name: 'pgboss',
    module: at('rows/pgboss.mjs'),
    unit: 'jobs/s',
    touches: { full: 60_000, quick: 30_000 },
    peer: true,
    ratio: 'pgboss',
    bound: 'two wide UPDATEs of each job row',
  },
  {
    name: 'bullmq_aof',
    module: at('rows/bullmq.mjs'),
    unit: 'jobs/s',
    touches: { full: 60_000, quick: 20_000 },
    peer: true,
    redis: true,
    ratio: 'bullmq_aof',
    bound: 'one script call a job in one Node process',
  },
  {
    name: 'same_step_graphile',
    module: at('rows/same-step.mjs'),
    unit: 'steps/s',
    touches: { full: 6_000, quick: 2_000 },
    peer: true,
    ratio: 'same_step_graphile',
    bound: 'seven round trips a step, and commits one at a time: each notifies the job queue',
  },
];

export const LIMIT = {
  name: 'L',
  module: at('rows/limit.mjs'),
  unit: 'touches/s',
  due: { full: 1_000_000, quick: 150_000 },
  touches: { full: 40_000, quick: 15_000 },
};

export const PLAN = {
  full: { rounds: 5, repeats: 2, budget_ms: 14.5 * 60_000, measure_ms: 5.75 * 60_000 },
  quick: { rounds: 1, repeats: 1, budget_ms: 116_000, measure_ms: 50_000 },
};

/** Names that only `measure` of row ours can give. */
export const MEASURED_RATIOS = ['history_10m', 'fairness'];

/** @param {string[] | null} asked names or their beginnings (`graphile` takes both of its rows); null for all */
export function chooseRows(asked) {
  if (asked === null) return ROWS;
  const known = [LIMIT.name, ...ROWS.map((row) => row.name)];
  for (const name of asked) {
    if (!known.some((full) => full.startsWith(name))) {
      throw new Error(`no row ${name}; there are ${known.join(', ')}`);
    }
  }
  return ROWS.filter((row) => asked.some((name) => row.name.startsWith(name)));
}
