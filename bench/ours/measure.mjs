/**
 * The figures of row ours that are not rates, part by part. In: the URL of the row's database, and the time. Out: what
 * `ours.mjs` says. Each part has databases of its own: what the rounds left behind is no part of it. A part that fails or
 * does not end in time is missing from the answer, by name and reason; the others stand.
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
    idle: { repetitions: 5, probes: 32 },
    pauses: { repetitions: 3, touches: 60_000 },
    fairness: { many: 1_000_000, probes: 25 },
    history: { touches: 10_000_000, repetitions: 7 },
  },
  quick: {
    idle: { repetitions: 1, probes: 12 },
    pauses: { repetitions: 1, touches: 20_000 },
    fairness: { many: 40_000, probes: 4 },
    history: { touches: 200_000, repetitions: 2 },
  },
};
const TEMPLATE = 'bench_ours_template';
/** Kept back, so that a part cut off does not take the answer with it. */
const CLOSE_MS = 3_000;

/**
 * `share`: so much of what is left of the time is meant for it; it makes less of itself when that is over.
 * @type {Record<string, { share: number, ratios: string[], run: (at: object) => Promise<object> }>}
 */
const PARTS = {
  idle: {
    share: 0.15,
    ratios: [],
    run: async ({ inWorld, ...at }) => ({ figures: await inWorld((world) => measureIdle(world, at)) }),
  },
  pauses: {
    share: 0.25,
    ratios: [],
    run: async ({ inWorld, ...at }) => ({ figures: await inWorld((world) => measurePauses(world, at)) }),
  },
  history: {
    share: 0.5,
    ratios: ['history_10m'],
    async run({ touches, repetitions, until }) {
      const size = { touches, repetitions, budget_ms: until - now() };
      const { figures, ratio, finished, seconds } = await measureHistory(size);
      const notes = [
        `history_10m: with ${readable(finished)} finished touches, written in ${seconds.toFixed(0)} s`,
      ];
      return { figures, ratios: { history_10m: ratio }, notes };
    },
  },
  fairness: {
    share: 1,
    ratios: ['fairness'],
    async run({ inWorld, ...at }) {
      const { figures, ratio, many } = await inWorld((world) => measureFairness(world, at));
      const notes = [`fairness: beside ${readable(many)} due, and beside 500; ${at.probes} probes each`];
      return { figures, ratios: { fairness: ratio }, notes };
    },
  },
};

const readable = (count) => count.toLocaleString('en-US');

/**
 * @param {{ quick: boolean, budget_ms: number, only?: string[] | undefined }} options `only`: parts, to try one out
 */
export async function measureFigures(url, { quick, budget_ms, only }) {
  const sizes = SIZES[quick ? 'quick' : 'full'];
  const deadline = now() + budget_ms - CLOSE_MS;
  const template = await makeWorld(await makeDatabase(url, TEMPLATE));
  await template.close();
  const found = { figures: {}, ratios: {}, notes: [], missing: {} };
  for (const [name, part] of Object.entries(PARTS)) {
    if (only !== undefined && !only.includes(name)) continue;
    const began = now();
    const until = began + (deadline - began) * part.share;
    const inWorld = (work) => inOwnWorld(url, { name: `bench_ours_${name}`, ...template }, work);
    try {
      const { figures, ratios, notes } = await within(deadline, part.run({ ...sizes[name], until, inWorld }));
      Object.assign(found.figures, figures);
      Object.assign(found.ratios, ratios);
      found.notes.push(...(notes ?? []));
      console.error(`ours, ${name}: ${((now() - began) / 1000).toFixed(1)} s`);
    } catch (error) {
      console.error(`ours, ${name}: ${error?.stack ?? error}`);
      found.missing[name] = { ratios: part.ratios, why: String(error?.message ?? error).split('\n')[0] };
    }
  }
  return found;
}

/** A part cut off goes on until this process ends, which is soon: it was the last that had time. */
function within(deadline, work) {
  let timer;
  const over = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('the time was over')), Math.max(0, deadline - now()));
  });
  work.catch(() => {});
  return Promise.race([work, over]).finally(() => clearTimeout(timer));
}

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
