/**
 * `bench import`: contacts from a CSV file of one million rows through `cadenza import contacts FILE --json`, each run
 * into a fresh database. Two files: with the columns of an exported list, and one whose rows have two tags each besides.
 * Gives rows a second, from start to exit of the command, the most memory that it held, and the ratio to bare INSERTs of
 * the same rows. The rows are counted in the database: the command's own word is not enough.
 */
import { spawn } from 'node:child_process';
import { createWriteStream, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { dataDirectory, startCluster } from './cluster.mjs';
import { makeDatabase, probeCommits, settleDown } from './database.mjs';
import { killAtInterrupt } from './interrupt.mjs';
import { NODE_OPTIONS } from './node-options.mjs';
import { figure, median } from './stats.mjs';

const CLI = join(import.meta.dirname, '../bin/cadenza.mjs');
const PEAK = new URL('peak-memory.mjs', import.meta.url).href;
const PLAN = {
  full: { rows: 1_000_000, runs: 3, budget_ms: 14 * 60_000 },
  quick: { rows: 50_000, runs: 1, budget_ms: 105_000 },
};
/** The figure, and its file. */
const FILES = { import_rows: exported, import_rows_tagged: tagged };
const COUNTED = [...Object.keys(FILES), 'rss_mb'];
const CHUNK_ROWS = 1_000;
/** As the product writes: so many rows a transaction, on so many connections. */
const RAW_BATCH = 2_000;
const RAW_WRITERS = 2;
const RAW_ROWS = 200_000;

/** @param {{ quick: boolean, log: (line: string) => void }} options */
export async function benchImport({ quick, log }) {
  const plan = PLAN[quick ? 'quick' : 'full'];
  const shape = {
    bench: 'import',
    quick,
    rows: plan.rows,
    runs: 0,
    figures: {},
    ratios: {},
    skipped: [],
    why_skipped: {},
  };
  const skip = (why) => ({
    ...shape,
    skipped: COUNTED,
    why_skipped: Object.fromEntries(COUNTED.map((name) => [name, why])),
  });
  if (!existsSync(CLI)) return skip('bin/cadenza.mjs is not there');

  const dir = dataDirectory('import');
  const cluster = await startCluster(log);
  try {
    const probeUrl = await makeDatabase(cluster.url, 'bench_probe');
    const rounds = [];
    const deadline = performance.now() + plan.budget_ms;
    let longest = 0;
    while (rounds.length < plan.runs && (rounds.length === 0 || performance.now() + longest < deadline)) {
      const started = performance.now();
      const round = {};
      for (const [name, lines] of Object.entries(FILES)) {
        const file = join(dir, 'contacts.csv');
        await writeContacts(file, lines, plan.rows);
        const url = await makeDatabase(cluster.url, 'bench_import');
        const commits = await probeCommits(probeUrl);
        round[name] = { ...(await importOnce({ url, file, dir, rows: plan.rows })), commits };
        const { rate, raw, rss_mb } = round[name];
        log(
          `run ${rounds.length + 1}: ${name} ${Math.round(rate)} rows/s, ${(rate / raw).toFixed(2)} of bare inserts, ${Math.round(rss_mb)} MB`,
        );
      }
      rounds.push(round);
      longest = Math.max(longest, performance.now() - started);
    }
    const runs = rounds.flatMap((round) => Object.values(round));
    const perFile = (value) =>
      Object.keys(FILES).map((name) => [name, rounds.map((round) => value(round[name]))]);
    return {
      ...shape,
      runs: rounds.length,
      figures: {
        ...Object.fromEntries(
          perFile(({ rate }) => rate).map(([name, all]) => [name, figure(all, 'rows/s')]),
        ),
        rss_mb: figure(
          runs.map((run) => run.rss_mb),
          'MB',
        ),
        commits: figure(
          runs.map((run) => run.commits),
          'commits/s',
        ),
      },
      ratios: Object.fromEntries(
        perFile(({ rate, raw }) => rate / raw).map(([name, all]) => [name, median(all)]),
      ),
      machine: { node: process.versions.node, ...cluster.settings },
    };
  } finally {
    await cluster.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function importOnce({ url, file, dir, rows }) {
  const env = {
    ...process.env,
    DATABASE_URL: url,
    CADENZA_DATA: join(dir, 'cadenza'),
    NODE_ENV: 'production',
  };
  await command(['migrate'], env, dir);
  await settleDown(url);
  const started = performance.now();
  const { rss_mb } = await command(['import', 'contacts', file, '--json'], env, dir);
  const seconds = (performance.now() - started) / 1000;
  const found = await countContacts(url);
  if (found !== rows) throw new Error(`${found} contacts after importing ${rows} rows`);
  return { rate: rows / seconds, rss_mb, raw: await rawRate(url, rows) };
}

/** What PostgreSQL takes a second when nothing is read, checked or counted: the same rows once more, for another organization. */
async function rawRate(url, rows) {
  const count = Math.min(rows, RAW_ROWS);
  const connections = await Promise.all(
    Array.from({ length: RAW_WRITERS }, async () => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      return client;
    }),
  );
  try {
    const [first] = connections;
    const { rows: made } = await first.query(
      `INSERT INTO organizations (org_id, name) VALUES (uuidv7(), 'Raw') RETURNING org_id`,
    );
    const columns =
      'external_id, first_name, last_name, company, email, phone, time_zone, time_zone_from, attributes';
    await first.query(`CREATE UNLOGGED TABLE raw_contacts AS SELECT row_number() OVER () AS n, id AS old, uuidv7() AS id, ${columns}
      FROM contacts LIMIT ${count}`);
    await first.query(
      'CREATE UNLOGGED TABLE raw_tags AS SELECT r.n, r.id, t.tag FROM raw_contacts r JOIN contact_tags t ON t.contact_id = r.old',
    );
    for (const table of ['raw_contacts', 'raw_tags']) await first.query(`CREATE INDEX ON ${table} (n)`);
    await settleDown(url);
    const text = `
      WITH c AS (INSERT INTO contacts (org_id, id, ${columns}) SELECT $1, id, ${columns} FROM raw_contacts WHERE n > $2 AND n <= $3 ORDER BY email)
      INSERT INTO contact_tags (org_id, contact_id, tag) SELECT $1, id, tag FROM raw_tags WHERE n > $2 AND n <= $3 ORDER BY tag, id`;
    let at = 0;
    const began = performance.now();
    const write = async (client) => {
      while (at < count) {
        const from = at;
        at += RAW_BATCH;
        await client.query({ name: 'raw', text, values: [made[0].org_id, from, Math.min(at, count)] });
      }
    };
    await Promise.all(connections.map(write));
    return count / ((performance.now() - began) / 1000);
  } finally {
    for (const client of connections) await client.end();
  }
}

/** Runs the CLI; its peak memory is written down by itself as it exits. */
async function command(args, env, dir) {
  const report = join(dir, 'peak');
  rmSync(report, { force: true });
  const child = spawn(process.execPath, [...NODE_OPTIONS, '--import', PEAK, CLI, ...args], {
    env: { ...env, BENCH_PEAK_FILE: report },
    stdio: ['ignore', 'ignore', 2],
  });
  const forget = killAtInterrupt(() => child.kill('SIGKILL'));
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (status, signal) => resolve(signal ?? status));
  });
  forget();
  if (code !== 0) throw new Error(`cadenza ${args[0]} ended with ${code}`);
  return { rss_mb: Number(readFileSync(report, 'utf8')) / 1024 };
}

async function countContacts(url) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return Number((await client.query('SELECT count(*) AS n FROM contacts')).rows[0].n);
  } finally {
    await client.end();
  }
}

/** One different person a row: `lines(n)` gives its line, `lines(null)` the header; about 110 bytes each. */
async function writeContacts(file, lines, rows) {
  await pipeline(Readable.from(csv(lines, rows)), createWriteStream(file));
}

function* csv(lines, rows) {
  yield lines(null);
  for (let from = 0; from < rows; from += CHUNK_ROWS) {
    let chunk = '';
    for (let n = from; n < Math.min(rows, from + CHUNK_ROWS); n++) chunk += lines(n);
    yield chunk;
  }
}

const phoneOf = (n) => `+49151${10_000_000 + n}`;
const companyOf = (n) => (n % 7 === 0 ? `"Miller, Sons & Co ${n % 997}"` : `Company ${n % 997}`);
const lastNameOf = (n) => (n % 11 === 0 ? '' : `Person${n}`);
const ZONES = ['America/New_York', 'Europe/Berlin', '', 'Asia/Kolkata'];
const STATUSES = ['NEW', 'OPEN', 'UNQUALIFIED', '', 'NEW'];
const NOTES = ['met at fair', '', '"says ""maybe"", later"'];

/** The columns that a CRM exports: an id of its own, and two columns that become attributes. */
function exported(n) {
  if (n === null)
    return 'Record ID,First Name,Last Name,Email,Phone Number,Company Name,Time Zone,Lead Status,Notes\r\n';
  const phone = n % 8 === 0 ? '' : phoneOf(n);
  return `${700_000 + n},Name${n % 613},${lastNameOf(n)},person${n}@example.com,${phone},${companyOf(n)},${ZONES[n % 4]},${STATUSES[n % 5]},${NOTES[n % 3]}\r\n`;
}

function tagged(n) {
  if (n === null) return 'Email,First Name,Last Name,Company,Phone,City,Tags,Time Zone\r\n';
  return `person${n}@example.com,Name${n % 613},${lastNameOf(n)},${companyOf(n)},${phoneOf(n)},City ${n % 211},"bench;group-${n % 5}",America/New_York\r\n`;
}
