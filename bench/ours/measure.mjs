/**
 * The figures of row ours that are not rates. In: the URL of the row's database, and the time. Out: what `ours.mjs`
 * says. Each figure has databases of its own: what the rounds left behind is no part of it.
 */
import { dropDatabase, makeDatabase, settleDown } from '../database.mjs';
import { now } from './clock.mjs';
import { measureFairness } from './fairness.mjs';
import { measureHistory } from './history.mjs';
import { measureIdle } from './idle.mjs';
import { measurePauses } from './pauses.mjs';
import { makeWorld, openWorld } from './world.mjs';

const SIZES = {
  full: {
    idle: { repetitions: 5, probes: 40 },
    pauses: { repetitions: 3, touches: 120_000 },
    fairness: { many: 1_000_000, probes: 25 },
    history: { touches: 10_000_000, repetitions: 7 },
  },
  quick: {
    idle: { repetitions: 1, probes: 15 },
    pauses: { repetitions: 1, touches: 30_000 },
    fairness: { many: 50_000, probes: 5 },
    history: { touches: 500_000, repetitions: 3 },
  },
};
const TEMPLATE = 'bench_ours_template';

/**
 * @param {{ quick: boolean, budget_ms: number, only?: string[] | undefined }} options `only`: parts, for trying one out
 */
export async function measureFigures(url, { quick, budget_ms, only }) {
  const size = SIZES[quick ? 'quick' : 'full'];
  const deadline = now() + budget_ms;
  const template = await makeWorld(await makeDatabase(url, TEMPLATE));
  await template.close();
  const found = { figures: {}, ratios: {}, notes: [] };
  for (const [name, part] of Object.entries(PARTS)) {
    if (only !== undefined && !only.includes(name)) continue;
    if (now() > deadline) {
      found.notes.push(`${name}: not measured, the time was over`);
      continue;
    }
    const began = now();
    const inWorld = (work) => inOwnWorld(url, { name: `bench_ours_${name}`, ...template }, work);
    const { figures, ratios, notes } = await part({ ...size[name], budget_ms: deadline - began, inWorld });
    Object.assign(found.figures, figures);
    Object.assign(found.ratios, ratios);
    found.notes.push(...(notes ?? []));
    console.error(`ours, ${name}: ${((now() - began) / 1000).toFixed(1)} s`);
  }
  return found;
}

/** The long ones last: when the time is over, those are missing. */
const PARTS = {
  idle: async ({ inWorld, ...size }) => ({ figures: await inWorld((world) => measureIdle(world, size)) }),
  pauses: async ({ inWorld, ...size }) => ({ figures: await inWorld((world) => measurePauses(world, size)) }),
  async fairness({ inWorld, ...size }) {
    const { figures, ratio } = await inWorld((world) => measureFairness(world, size));
    const notes = [`fairness: beside ${readable(size.many)} due, and beside 500; ${size.probes} probes each`];
    return { figures, ratios: { fairness: ratio }, notes };
  },
  async history(size) {
    const { figures, ratio, finished, seconds } = await measureHistory(size);
    const notes = [
      `history_10m: with ${readable(finished)} finished touches, written in ${seconds.toFixed(0)} s`,
    ];
    return { figures, ratios: { history_10m: ratio }, notes };
  },
};

const readable = (count) => count.toLocaleString('en-US');

/** Dropped afterwards: its pages would be written out during whatever is measured next. */
async function inOwnWorld(url, { name, organizations }, work) {
  const own = await makeDatabase(url, name, TEMPLATE);
  const world = await openWorld(own, organizations);
  try {
    await settleDown(own);
    return await work(world);
  } finally {
    await world.close();
    await dropDatabase(url, name);
  }
}
