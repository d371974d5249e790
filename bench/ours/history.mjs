/**
 * Pick and gate with very many finished touches in the table, against an empty one: two databases beside each other on
 * one cluster, some lanes of the one and some of the other in turn. Timed are the product's own steps (take a lane,
 * read what is due, pass the gate), each with nothing else under way; what lies between them (composing, sending,
 * settling) is done and not counted.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { settleDown } from '../database.mjs';
import { median } from '../stats.mjs';
import { now } from './clock.mjs';
import { acceptAll } from './provider.mjs';
import { engineOf, loadDue, product } from './world.mjs';

/** Touches that the engine itself finishes; the history is made of copies of them. */
const MODELS_EACH = 10;
/** Rows a statement; before the next one the time is looked at. */
const ROWS = 50_000;
const WRITERS = 2;
/** Due touches of a lane, two batches. */
const DUE_EACH = 1_000;
const LANES = 5;

/**
 * @param {{ world: object, url: string }} past its table gets the history
 * @param {{ world: object, url: string }} empty
 * @param {{ touches: number, repetitions: number, until: number }} size `until`: by the clock, when no more is written
 */
export async function measureHistory(past, empty, { touches, repetitions, until }) {
  await makeModels(past.world);
  const began = now();
  const finished = await writeHistory(past.world, { touches, until });
  const seconds = (now() - began) / 1000;
  // One repetition more than are counted: the first finds cold caches.
  const lanes = LANES * (repetitions + 1);
  for (const { world, url } of [past, empty]) {
    const organizations = world.organizations.slice(0, lanes);
    await loadDue(world, { touches: DUE_EACH * lanes, organizations, mixed: false });
    await settleDown(url);
  }
  const values = { past: [], empty: [], ratio: [] };
  for (let n = 0; n <= repetitions; n++) {
    const one = {};
    // In turn also who is first: the second finds a machine that has just worked.
    for (const side of n % 2 === 0 ? ['past', 'empty'] : ['empty', 'past'])
      one[side] = await workLanes({ past, empty }[side].world);
    if (n === 0) continue;
    values.past.push(one.past);
    values.empty.push(one.empty);
    values.ratio.push(one.past / one.empty);
  }
  const ms = (list) => ({ values: list, unit: 'ms' });
  return {
    figures: { pick_and_gate_ms: ms(values.past), pick_and_gate_empty_ms: ms(values.empty) },
    ratio: median(values.ratio),
    finished,
    seconds,
  };
}

/** The median lane's milliseconds in taking, reading and gating. */
async function workLanes(world) {
  const [{ takeLane, leaveLane }, { deliver }] = await Promise.all(
    ['dispatch/lanes', 'dispatch/deliver'].map(product),
  );
  const provider = acceptAll();
  const spent = [];
  const points = new Map();
  const since = (name) => now() - points.get(name);
  let settled = 0;
  let lane;
  const engine = {
    ...(await engineOf(world, provider)),
    async failpoint(name) {
      if (name === 'before_read') await alone();
      if (name === 'after_read') spent[spent.length - 1] += since('before_read');
      if (name === 'after_gate') spent[spent.length - 1] += since('before_gate');
      points.set(name, now());
    },
  };
  const alone = async () => {
    do await turn();
    while (settled < provider.calls);
  };
  for (let n = 0; n < LANES; n++) {
    const began = now();
    lane = await takeLane(world.db, engine.worker, engine.limits.lane_lease_ms);
    spent.push(now() - began);
    await deliver(engine, lane, {
      stop: () => false,
      settled: (count) => {
        settled += count;
      },
    });
    await leaveLane(world.db, lane, 0);
  }
  if (provider.calls !== LANES * DUE_EACH || settled !== provider.calls)
    throw new Error(`${LANES * DUE_EACH} touches were due, ${provider.calls} sent, ${settled} settled`);
  return median(spent);
}

/** A few touches of each organization go through the engine and are finished as it finishes them. */
async function makeModels(world) {
  const { Worker } = await product('worker/worker');
  const touches = world.organizations.length * MODELS_EACH;
  await loadDue(world, { touches, mixed: false });
  const worker = new Worker(await engineOf(world, acceptAll()), { lanes: 2, poll_ms: 100 });
  worker.start();
  while (worker.settled < touches) await turn();
  await worker.stop();
}

/** Ids as of the past years, ascending in each organization. Answers how many there are. */
async function writeHistory(world, { touches, until }) {
  const copies = Math.ceil(Math.min(ROWS, touches / world.organizations.length) / MODELS_EACH);
  const columns = await world.ask(
    "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'touches'::regclass AND attnum > 0 AND attname NOT IN ('id', 'source_id')",
  );
  const insert = `
    INSERT INTO touches (id, source_id, ${columns})
    SELECT uuidv7((copy - 20000000) * interval '3 seconds'), uuidv7((copy - 20000000) * interval '3 seconds'), ${columns}
      FROM generate_series($2::int, $3::int) copy,
           (SELECT * FROM touches WHERE org_id = $1 AND state = 'sent' ORDER BY created_at LIMIT ${MODELS_EACH}) model`;
  let written = 0;
  let n = 0;
  const writer = async () => {
    while (written < touches && now() < until) {
      const { org } = world.organizations[n % world.organizations.length];
      const from = Math.floor(n / world.organizations.length) * copies;
      n++;
      written += (await world.owner.pool.query(insert, [org, from, from + copies - 1])).rowCount;
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  return written;
}
