/**
 * `bench enrol`: one job that enrols 100,000 contacts, from its start to its last result: each contact looked at, its
 * first touch planned, an event and its result written. Once where every hour is open, once through windows, quiet hours
 * and recipients in many zones. Beside each, the raw limit: the same rows by bare INSERTs on two connections, nothing
 * looked at and nothing counted. What to compare are the ratios: see docs/benchmarks.md.
 */
import { startCluster } from './cluster.mjs';
import { dropDatabase, makeDatabase, probeCommits, settleDown } from './database.mjs';
import { isBuilt, makeWorld, product } from './ours/world.mjs';
import { figure, median } from './stats.mjs';

const PLAN = { full: { contacts: 100_000, runs: 5 }, quick: { contacts: 20_000, runs: 1 } };
/** As many contacts a statement as the product's own chunks have. */
const RAW_CHUNK = 2_000;
const RAW_WRITERS = 2;
const PHONES = [
  '+4915112345678',
  '+12125550123',
  '+442071838750',
  '+61212345678',
  '+81312345678',
  '+551131234567',
  '+912212345678',
];

/** @param {{ quick: boolean, log: (line: string) => void }} options */
export async function benchEnrol({ quick, log }) {
  const { contacts, runs } = PLAN[quick ? 'quick' : 'full'];
  if (!isBuilt()) throw new Error('dist/ lacks the engine: run `npm run build`');
  const cluster = await startCluster(log);
  const rates = { raw: [], enrolments: [], enrolments_all_rules: [] };
  const ratios = { enrolments: [], enrolments_all_rules: [] };
  const commits = [];
  try {
    for (let run = 0; run < runs; run++) {
      for (const name of Object.keys(ratios)) {
        const url = await makeDatabase(cluster.url, 'bench_enrol');
        const world = await makeWorld(url);
        try {
          const [organization] = world.organizations;
          if (name === 'enrolments_all_rules') await giveRules(world, organization);
          const ids = await makeContacts(world, organization, contacts);
          await settleDown(url);
          commits.push(await probeCommits(url));
          const rate = contacts / (await enrolAll(world, organization, ids));
          const raw = contacts / (await writeRaw(world, organization, ids));
          rates[name].push(rate);
          rates.raw.push(raw);
          ratios[name].push(rate / raw);
          log(`run ${run + 1}: ${name} ${Math.round(rate)}/s, ${(rate / raw).toFixed(2)} of bare inserts`);
        } finally {
          await world.close();
          await dropDatabase(cluster.url, 'bench_enrol');
        }
      }
    }
  } finally {
    await cluster.stop();
  }
  const figures = Object.fromEntries(
    Object.entries(rates).map(([name, values]) => [name, figure(values, 'contacts/s')]),
  );
  return {
    bench: 'enrol',
    quick,
    contacts,
    runs,
    figures: { ...figures, commits: figure(commits, 'commits/s') },
    ratios: Object.fromEntries(Object.entries(ratios).map(([name, values]) => [name, median(values)])),
    skipped: [],
    why_skipped: {},
    machine: { node: process.versions.node, ...cluster.settings },
  };
}

async function giveRules(world, { org, sequence }) {
  await world.owner.pool.query(
    'UPDATE organizations SET quiet_hours = $2, policy_version = 2 WHERE org_id = $1',
    [org, JSON.stringify({ from: '21:00', to: '08:00', channels: ['email'] })],
  );
  const window = { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '09:00', to: '17:00' };
  await world.owner.pool.query(
    `UPDATE sequence_versions SET definition = jsonb_set(definition, '{window}', $3) WHERE org_id = $1 AND sequence_id = $2`,
    [org, sequence, JSON.stringify(window)],
  );
}

async function makeContacts(world, { org }, count) {
  const { rows } = await world.owner.pool.query(
    `WITH made AS (
       INSERT INTO contacts (org_id, id, email, first_name, company, phone)
       SELECT $1, id, 'person' || id || '@example.com', 'Name' || n % 613, 'Company ' || n % 997, ($3::text[])[1 + n % cardinality($3::text[])]
         FROM (SELECT uuidv7() AS id, n FROM generate_series(1, $2::int) n) new RETURNING id)
     SELECT id FROM made ORDER BY id`,
    [org, count, PHONES],
  );
  return rows.map((row) => row.id);
}

/** Seconds. */
async function enrolAll(world, { org, sequence }, contact_ids) {
  const [{ createEnrollmentJob, getEnrollmentJob }, { runEnrollmentJob }] = await Promise.all(
    ['plan/sequences/enrollment-jobs', 'plan/sequences/bulk-enroll'].map(product),
  );
  const { db, versions } = world;
  const ctx = { org, actor: { type: 'system', id: 'bench', name: 'bench' } };
  const job = await createEnrollmentJob(db, versions, ctx, { sequence_id: sequence, contact_ids });
  const began = performance.now();
  await runEnrollmentJob({ db, versions }, org, job.job_id, { worker: 'bench:1', logger: { warn() {} } });
  const seconds = (performance.now() - began) / 1000;
  const ended = await getEnrollmentJob(db, org, job.job_id);
  const planned = await world.ask(
    "SELECT count(*)::int FROM touches WHERE org_id = $1 AND state = 'planned'",
    [org],
  );
  if (ended.status !== 'completed' || planned !== contact_ids.length)
    throw new Error(`${planned} planned for ${contact_ids.length} contacts: ${JSON.stringify(ended)}`);
  return seconds;
}

/** The rows of an enrollment, copied from those that are there under ids of their own. Seconds. */
async function writeRaw(world, { org }, contact_ids) {
  const { Database } = await product('db/database');
  const owner = new Database({ url: world.url, max: RAW_WRITERS });
  const columns = async (table) =>
    await world.ask(
      `SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns
          WHERE table_schema = 'public' AND table_name = $1 AND column_name NOT IN ('id', 'source_id', 'live_touch', 'status', 'ended_at')`,
      [table],
    );
  const [enrollments, touches, events] = await Promise.all(['enrollments', 'touches', 'events'].map(columns));
  // Ended, so that they do not meet the live ones.
  const text = `
    WITH old AS MATERIALIZED (SELECT e.id AS old_id, e.live_touch AS old_touch, uuidv7() AS new_id, uuidv7() AS new_touch FROM enrollments e
       WHERE e.org_id = $1 AND e.contact_id = ANY ($2::uuid[])),
    e AS (INSERT INTO enrollments (id, live_touch, status, ended_at, ${enrollments})
      SELECT o.new_id, o.new_touch, 'completed', now(), ${prefixed(enrollments)} FROM old o JOIN enrollments x ON x.org_id = $1 AND x.id = o.old_id),
    t AS (INSERT INTO touches (id, source_id, ${touches})
      SELECT o.new_touch, o.new_id, ${prefixed(touches)} FROM old o JOIN touches x ON x.org_id = $1 AND x.id = o.old_touch)
    INSERT INTO events (source_id, ${events})
      SELECT o.new_id, ${prefixed(events)} FROM old o JOIN events x ON x.org_id = $1 AND x.source_id = o.old_id`;
  const chunks = [];
  for (let at = 0; at < contact_ids.length; at += RAW_CHUNK)
    chunks.push(contact_ids.slice(at, at + RAW_CHUNK));
  try {
    const began = performance.now();
    const writer = async () => {
      for (let ids = chunks.pop(); ids !== undefined; ids = chunks.pop())
        await owner.pool.query({ name: 'raw', text, values: [org, ids] });
    };
    await Promise.all(Array.from({ length: RAW_WRITERS }, writer));
    return (performance.now() - began) / 1000;
  } finally {
    await owner.close();
  }
}

const prefixed = (columns) =>
  columns
    .split(', ')
    .map((name) => `x.${name}`)
    .join(', ');
