/**
 * Very many finished touches, written as fast as the machine can: copies of touches that the engine itself finished, in
 * one transaction that also empties the table, so that a server with `wal_level = minimal` writes them once.
 */
import { now } from './clock.mjs';
import { sleep } from './probes.mjs';
import { acceptAll } from './provider.mjs';
import { engineOf, loadDue, product } from './world.mjs';

/** Organizations a statement; before the next one the time is looked at. */
const SHARE = 5;
/** What must be left for the index, the vacuum and the start of the durable server: this part of the writing time. */
const AFTERWARDS = 0.6;

/** @returns how many there are; fewer than asked for when the time was over */
export async function writeHistory(world, { touches, until }) {
  const organizations = world.organizations.length;
  await makeModels(world);
  const began = now();
  const client = await world.owner.pool.connect();
  let written = 0;
  try {
    const columns = await columnsBeside(client, ['id', 'source_id']);
    await client.query(`
      CREATE TEMPORARY TABLE model AS
      SELECT dense_rank() OVER (ORDER BY org_id) - 1 AS number, t.* FROM touches t WHERE state = 'sent'`);
    await client.query('BEGIN');
    await client.query('TRUNCATE touches');
    await client.query('ALTER TABLE touches DROP CONSTRAINT touches_pkey');
    for (let from = 0; from < organizations; from += SHARE) {
      if (now() + (now() - began) * AFTERWARDS > until) break;
      const { rowCount } = await client.query(copies(columns, touches / organizations), [
        from,
        from + SHARE - 1,
      ]);
      written += rowCount;
    }
    await client.query('ALTER TABLE touches ADD CONSTRAINT touches_pkey PRIMARY KEY (org_id, id)');
    await client.query('COMMIT');
    await client.query('VACUUM (FREEZE, ANALYZE)');
  } finally {
    client.release();
  }
  return written;
}

/** Ids of the past years, ascending within an organization, as the engine's are. */
function copies(columns, each) {
  return `
    INSERT INTO touches (id, source_id, ${columns})
    SELECT c.id, c.id, ${columns} FROM model CROSS JOIN LATERAL (
      SELECT uuidv7((n - 20000000) * interval '3 seconds') AS id FROM generate_series(1, ${Math.ceil(each)}) n
       WHERE model.number IS NOT NULL OFFSET 0) c
     WHERE model.number BETWEEN $1 AND $2 ORDER BY model.number`;
}

/** One touch of each organization goes through the engine and is finished as it finishes them. */
async function makeModels(world) {
  const { Worker } = await product('worker/worker');
  const touches = world.organizations.length;
  await loadDue(world, { touches, mixed: false, name: 'model' });
  const worker = new Worker(await engineOf(world, acceptAll()), { lanes: 2, poll_ms: 100 });
  worker.start();
  while (worker.settled < touches) await sleep(5);
  await worker.stop();
}

async function columnsBeside(client, names) {
  const { rows } = await client.query(
    `SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS list FROM pg_attribute
      WHERE attrelid = 'touches'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> ALL ($1)`,
    [names],
  );
  return rows[0].list;
}
