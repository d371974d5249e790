/**
 * How long another organization's single touch takes from due to the provider: while one organization has a very
 * great number due, and while it has 500. One worker process serves both; the ratio of the medians is `fairness`.
 */
import { settleDown } from '../database.mjs';
import { median } from '../stats.mjs';
import { databaseOffset, now } from './clock.mjs';
import { dueIn, probePlanned, sleep, timely } from './probes.mjs';
import { startWorker } from './worker.mjs';
import { loadDue } from './world.mjs';

const SETTINGS = { WORKER_IN_FLIGHT: '1500' };
const FEW = 500;
const AHEAD_MS = 250;
/** The single touch falls due while the 500 are being worked: so much later than they. */
const BESIDE_MS = [2, 20];
const REST_MS = [40, 100];
/** Probes before the first that counts, and touches settled before the first beside the many: what runs is warm by then. */
const WARM_UP = { probes: 2, settled: 20_000 };
/** Part of the time in which the many may be loaded. */
const LOADING_PART = 0.6;
/** So much of the many must be due still after the last probe. */
const LEFT = 0.3;

const between = ([from, to]) => from + Math.random() * (to - from);

/** @param {{ many: number, probes: number, until: number }} size the many are fewer when loading them takes too long */
export async function measureFairness(world, { many, probes, until }) {
  const [, crowded, other] = world.organizations;
  const few = await besideFew(world, probes, { crowded, other });
  const began = now();
  const loaded = await loadDue(world, {
    touches: many,
    organizations: [crowded],
    mixed: false,
    until: began + (until - began) * LOADING_PART,
  });
  await settleDown(world.url);
  const beside = await besideMany(world, probes, { other, settled: Math.min(WARM_UP.settled, loaded / 10) });
  const left = await world.ask('SELECT count(*)::int FROM touches WHERE wake_at <= now()');
  if (left < loaded * LEFT) throw new Error(`${left} of ${loaded} were due after the last probe: too few`);
  const ms = (values) => ({ values, unit: 'ms' });
  return {
    figures: { beside_few_ms: ms(few), beside_many_ms: ms(beside) },
    ratio: median(beside) / median(few),
    many: loaded,
  };
}

async function besideFew(world, probes, { crowded, other }) {
  const worker = await startWorker(world, SETTINGS);
  try {
    return await repeated(probes, async () => {
      const offset = await databaseOffset(world);
      const due = dueIn(AHEAD_MS, offset);
      await loadDue(world, {
        touches: FEW,
        organizations: [crowded],
        due: `to_timestamp(${due} / 1000.0)`,
        mixed: false,
      });
      return probePlanned(world, worker, other, { due: Math.round(due + between(BESIDE_MS)), offset });
    });
  } finally {
    await worker.stop();
  }
}

async function besideMany(world, probes, { other, settled }) {
  const worker = await startWorker(world, SETTINGS);
  try {
    while (worker.settled < settled) await sleep(5);
    return await repeated(probes, async () => {
      const offset = await databaseOffset(world);
      return probePlanned(world, worker, other, { due: dueIn(AHEAD_MS, offset), offset });
    });
  } finally {
    await worker.stop();
  }
}

async function repeated(probes, probe) {
  const values = [];
  for (let n = -WARM_UP.probes; n < probes; n++) {
    await sleep(between(REST_MS));
    const value = await timely(probe);
    if (n >= 0) values.push(value);
  }
  return values;
}
