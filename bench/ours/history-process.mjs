/**
 * Two databases on one cluster: the table of one has the history, that of the other is empty. The cluster writes the
 * history without waiting for the disk and is then started again with the product's settings and full durability, so
 * what is timed is as durable as every other row. Ends with its parent; the data is removed.
 */
import { rmSync } from 'node:fs';
import { dataDirectory, launch, startServer } from '../cluster.mjs';
import { makeDatabase, urlOf } from '../database.mjs';
import { now } from './clock.mjs';
import { compareSides } from './history-lanes.mjs';
import { writeHistory } from './history-rows.mjs';
import { makeWorld, openWorld } from './world.mjs';

/** While the history is written; nothing is timed then. */
const WRITING = {
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '16GB',
  shared_buffers: '512MB',
  maintenance_work_mem: '512MB',
  autovacuum: 'off',
};
/** Part of the time in which the history may be written. */
const WRITING_PART = 0.75;

const { touches, repetitions, budget_ms } = JSON.parse(process.argv[2]);
const began = now();
const dataDir = dataDirectory('history');
let stop = async () => rmSync(dataDir, { recursive: true, force: true });
process.on('disconnect', async () => {
  await stop().catch(() => {});
  process.exit(1);
});

async function measure() {
  const server = await launch({ dataDir, durable: false, settings: WRITING, log() {} });
  stop = async () => {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  const empty = await makeWorld(await makeDatabase(server.url, 'bench_empty'));
  const { organizations } = empty;
  await empty.close();
  const past = await openWorld(await makeDatabase(server.url, 'bench_past', 'bench_empty'), organizations);
  const finished = await writeHistory(past, { touches, until: began + budget_ms * WRITING_PART });
  await past.close();
  const seconds = (now() - began) / 1000;
  await server.stop();
  const durable = await startServer(dataDir, () => {});
  stop = durable.stop;
  const sides = {};
  for (const name of ['past', 'empty'])
    sides[name] = await openWorld(urlOf(durable.url, `bench_${name}`), organizations);
  try {
    return { ...(await compareSides(sides, { repetitions })), finished, seconds };
  } finally {
    await Promise.all(Object.values(sides).map((world) => world.close()));
  }
}

let result;
try {
  result = await measure();
} catch (error) {
  result = { error: error?.stack ?? String(error) };
}
await stop();
process.send({ result }, () => process.disconnect());
