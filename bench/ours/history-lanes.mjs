/**
 * Lanes of the database with the history and of the empty one in turn. Timed are the product's own steps (take a lane,
 * read what is due, pass the gate), each with nothing else under way; what lies between them (composing, sending,
 * settling) is done and not counted.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { settleDown } from '../database.mjs';
import { median } from '../stats.mjs';
import { now } from './clock.mjs';
import { acceptAll } from './provider.mjs';
import { engineOf, loadDue, product } from './world.mjs';

/** Due touches of a lane: two batches. */
const DUE_EACH = 1_000;
const LANES = 5;

/** @param {{ past: object, empty: object }} sides worlds */
export async function compareSides(sides, { repetitions }) {
  // One repetition more than are counted: the first finds cold caches.
  const lanes = LANES * (repetitions + 1);
  for (const world of Object.values(sides)) {
    const organizations = world.organizations.slice(0, lanes);
    await loadDue(world, { touches: DUE_EACH * lanes, organizations, mixed: false });
    await settleDown(world.url);
  }
  const values = { past: [], empty: [], ratio: [] };
  for (let n = 0; n <= repetitions; n++) {
    const one = {};
    // In turn also who is first: the second finds a machine that has just worked.
    for (const side of n % 2 === 0 ? ['past', 'empty'] : ['empty', 'past'])
      one[side] = await workLanes(sides[side]);
    if (n === 0) continue;
    values.past.push(one.past);
    values.empty.push(one.empty);
    values.ratio.push(one.past / one.empty);
  }
  const ms = (list) => ({ values: list, unit: 'ms' });
  return {
    figures: { pick_and_gate_ms: ms(values.past), pick_and_gate_empty_ms: ms(values.empty) },
    ratio: median(values.ratio),
  };
}

/** The median lane's milliseconds in taking, reading and gating. */
async function workLanes(world) {
  const [{ takeLane, leaveLane }, { deliver }] = await Promise.all(
    ['dispatch/lanes', 'dispatch/deliver'].map(product),
  );
  const provider = acceptAll();
  const work = { spent: [], settled: 0, points: new Map() };
  const engine = { ...(await engineOf(world, provider)), failpoint: stopwatch(work, provider) };
  for (let n = 0; n < LANES; n++) {
    const began = now();
    const lane = await takeLane(world.db, engine.worker, engine.limits.lane_lease_ms);
    if (lane === null) throw new Error('no lane has anything due');
    work.spent.push(now() - began);
    await deliver(engine, lane, {
      stop: () => false,
      settled: (count) => {
        work.settled += count;
      },
    });
    await leaveLane(world.db, lane, 0);
  }
  const due = LANES * DUE_EACH;
  if (provider.calls !== due || work.settled !== due)
    throw new Error(`${due} touches were due, ${provider.calls} sent, ${work.settled} settled`);
  return median(work.spent);
}

/** Adds what reads and gates take to the newest lane; a read begins when all that was sent is settled. */
function stopwatch(work, provider) {
  const add = (since) => {
    work.spent[work.spent.length - 1] += now() - work.points.get(since);
  };
  return async (name) => {
    if (name === 'after_read') add('before_read');
    if (name === 'after_gate') add('before_gate');
    if (name === 'before_read') {
      do await turn();
      while (work.settled < provider.calls);
    }
    work.points.set(name, now());
  };
}
