/**
 * What is done to a row's database between runs: made, cloned, vacuumed, and the probe of plain commits.
 * Every row has a database of its own on the one cluster.
 */
import pg from 'pg';

const PROBE_MS = 500;

/** @param {string} url of any database of the cluster */
export function urlOf(url, database) {
  const parsed = new URL(url);
  parsed.pathname = `/${database}`;
  return parsed.href;
}

async function using(url, work) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Drops and makes it, as a copy of `template` where one is given. Answers its URL. */
export async function makeDatabase(url, database, template) {
  await using(url, async (client) => {
    await client.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
    const copy = template === undefined ? '' : ` TEMPLATE ${template} STRATEGY FILE_COPY`;
    await client.query(`CREATE DATABASE ${database}${copy}`);
  });
  return urlOf(url, database);
}

/** Nobody needs it any more: its dirty pages are forgotten instead of written. */
export async function dropDatabase(url, database) {
  await using(urlOf(url, 'postgres'), (client) =>
    client.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`),
  );
}

/** Leaves nothing of earlier work to be paid for in a measured run: dead rows, old statistics, dirty pages. */
export async function settleDown(url) {
  await using(url, async (client) => {
    await client.query('VACUUM ANALYZE');
    await client.query('CHECKPOINT');
  });
}

/** Commits a second of one connection that inserts one small row at a time: what this disk gives just now. */
export async function probeCommits(url) {
  return using(url, async (client) => {
    await client.query(
      'CREATE TABLE IF NOT EXISTS commit_probe (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz)',
    );
    await client.query('TRUNCATE commit_probe');
    const insert = { name: 'probe', text: 'INSERT INTO commit_probe (at) VALUES (now())' };
    await client.query(insert);
    const start = performance.now();
    let commits = 0;
    while (performance.now() - start < PROBE_MS) {
      await client.query(insert);
      commits += 1;
    }
    return commits / ((performance.now() - start) / 1000);
  });
}
