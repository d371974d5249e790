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
import { makeWorld } from './world.mjs';

const SIZES = {
  full: {
    idle: { repetitions: 5, probes: 60 },
    pauses: { repetitions: 3, touches: 160_000 },
    fairness: { many: 1_000_000, probes: 25 },
    history: { touches: 10_000_000, repetitions: 7 },
  },
  quick: {
    idle: { repetitions: 1, probes: 15 },
    pauses: { repetitions: 1, touches: 40_000 },
    fairness: { many: 50_000, probes: 5 },
    history: { touches: 500_000, repetitions: 3 },
  },
};
/** Part of the time that writing the history may take; the rest of its measuring is short. */
const HISTORY_PART = 0.55;

/**
 * @param {{ quick: boolean, budget_ms: number, only?: string[] | undefined }} options `only`: parts, for trying one out
 */
export async function measureFigures(url, { quick, budget_ms, only }) {
  const size = SIZES[quick ? 'quick' : 'full'];
  const deadline = now() + budget_ms;
  const found = { figures: {}, ratios: {}, notes: [] };
  for (const [name, part] of Object.entries(PARTS)) {
    if (only !== undefined && !only.includes(name)) continue;
    if (now() > deadline) {
      found.notes.push(`${name}: not measured, the time was over`);
      continue;
    }
    const began = now();
    const { figures, ratios, notes } = await part(url, { size: size[name], deadline });
    Object.assign(found.figures, figures);
    Object.assign(found.ratios, ratios);
    found.notes.push(...(notes ?? []));
    console.error(`ours, ${name}: ${((now() - began) / 1000).toFixed(1)} s`);
  }
  return found;
}

const PARTS = {
  idle: (url, { size }) =>
    inWorlds(url, ['bench_ours_idle'], async ([{ world }]) => ({ figures: await measureIdle(world, size) })),
  pauses: (url, { size }) =>
    inWorlds(url, ['bench_ours_pauses'], async ([{ world }]) => ({
      figures: await measurePauses(world, size),
    })),
  fairness: (url, { size }) =>
    inWorlds(url, ['bench_ours_fairness'], async ([one]) => {
      const { figures, ratio } = await measureFairness(one.world, one.url, size);
      const notes = [
        `fairness: ${size.many.toLocaleString('en-US')} due against 500, ${size.probes} probes each`,
      ];
      return { figures, ratios: { fairness: ratio }, notes };
    }),
  history: (url, { size, deadline }) =>
    inWorlds(url, ['bench_ours_history', 'bench_ours_empty'], async ([past, empty]) => {
      const until = now() + (deadline - now()) * HISTORY_PART;
      const { figures, ratio, finished, seconds } = await measureHistory(past, empty, { ...size, until });
      const notes = [
        `history_10m: measured with ${finished.toLocaleString('en-US')} finished touches, written in ${seconds.toFixed(0)} s`,
      ];
      return { figures, ratios: { history_10m: ratio }, notes };
    }),
};

/** Worlds of their own, dropped afterwards: their pages would be written out during whatever is measured next. */
async function inWorlds(url, names, work) {
  const open = [];
  try {
    for (const name of names) {
      const own = await makeDatabase(url, name);
      open.push({ name, url: own, world: await makeWorld(own) });
      await settleDown(own);
    }
    return await work(open);
  } finally {
    for (const { name, world } of open) {
      await world.close();
      await dropDatabase(url, name);
    }
  }
}
