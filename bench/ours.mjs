/**
 * Row ours: whole steps a second of the engine: lane, read, compose (a real Liquid template), gate with all its checks,
 * an in-process provider, settle with event, advance, next touch planned. It is called as `row.mjs` describes, in a
 * process of its own, with the same Node that runs the bench, and imports the engine from `../dist/`.
 *
 * The contract, so that its rate may be set against the other rows:
 * - `prepare({ url, touches, quick })`: `url` is the owner's URL of an empty database. Migrates it; makes organizations (100),
 *   senders, one published sequence each with at least two more steps after the first. Answers `{ unavailable: why }` when
 *   `dist/` has no engine.
 * - `load({ touches })`: before each run; that many NEW active enrollments, each with its first touch due now, consent
 *   given. One in twenty is suppressed and one in twenty paused (as in the row same_step_graphile). The caller then runs
 *   VACUUM ANALYZE and CHECKPOINT.
 * - `run({ touches })`: one warm-up batch a connection if it likes, then until nothing is due. `settled` counts touches that reached
 *   `sent` in the database (asked of the database, not of the engine), with their next touch planned; `seconds` is the
 *   wall time in which they did; `rate` is their quotient. Throws when a count does not add up.
 * - `measure({ quick, budget_ms })`: the figures that are not rates, within that time:
 *   `{ figures: { idle_p50_ms: { values: [2.1, …], unit: 'ms' }, idle_p95_ms, pause_p99_ms, rss_mb },
 *      ratios: { history_10m, fairness } }`. One value per repetition; the bench takes the medians. A ratio that the
 *   time did not allow is left out.
 * - `close()`: ends workers and pools.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';

const DIST = join(import.meta.dirname, '../dist');
const ORGANIZATIONS = 100;
const SENDERS_EACH = 4;

const BODY = `Hello {{ contact.first_name | default: "there" }},

we looked at {{ contact.company | default: "your company" }} in {{ contact.attributes.city | default: "your city" }} and have three things for you:
one number to call, a fixed price, a visit within two days.

Best regards
{{ sender.name }}`;

let world = null;

async function engine() {
  const at = (file) => import(join(DIST, file));
  const [db, sql, ids, migrate, login, versions, worker, limits, tokens] = await Promise.all([
    at('db/database.js'),
    at('db/sql.js'),
    at('kernel/ids.js'),
    at('db/migrate.js'),
    at('tenancy/app-login.js'),
    at('plan/sequences/versions.js'),
    at('worker/worker.js'),
    at('dispatch/engine.js'),
    at('content/unsubscribe-token.js'),
  ]);
  return { ...db, ...sql, ...ids, ...migrate, ...login, ...versions, ...worker, ...limits, ...tokens };
}

export async function prepare({ url }) {
  if (!existsSync(join(DIST, 'worker/worker.js'))) return { unavailable: 'dist/ lacks the engine' };
  const e = await engine();
  await e.migrate({ url });
  const owner = new e.Database({ url, max: 2 });
  const db = new e.Database({
    url: await e.ensureAppLogin(url, 'bench-secret-bench-secret-bench-secret'),
    max: 4,
  });
  world = { e, owner, db, organizations: [], loaded: 0, workers: [] };
  for (let n = 0; n < ORGANIZATIONS; n++) world.organizations.push(await makeOrganization(world));
  const tokens = e.createUnsubscribeTokens([{ version: 1, secret: Buffer.alloc(32, 7) }]);
  world.engine = engineOf(world, tokens, acceptAll());
  return {};
}

/** A provider in this process, which accepts at once; 1,000 calls may be under way. */
function acceptAll() {
  let under = 0;
  return {
    provider_class: 'L',
    calls: 0,
    capacity: () => 1_000 - under,
    async send(request) {
      under++;
      this.calls++;
      this.onCall?.(request);
      await null;
      under--;
      return { kind: 'accepted', provider_id: request.idempotency_key };
    },
    async lookup() {
      return { kind: 'not_found' };
    },
    async close() {},
  };
}

function engineOf({ e, db }, tokens, provider) {
  const quiet = { info() {}, warn() {}, error: (fields, message) => console.error(message, fields) };
  return {
    db,
    worker: `bench:${process.pid}`,
    versions: new e.VersionCache(db),
    provider,
    connect: () => provider,
    unsubscribeUrl: (org_id, contact_id, touch_id) =>
      `https://example.com/u/${tokens.sign({ org_id, contact_id, touch_id, channel: 'email' })}`,
    limits: e.DEFAULT_LIMITS,
    log: quiet,
  };
}

async function makeOrganization({ e, owner }) {
  const { sql, newId } = e;
  const org = newId();
  const senders = Array.from({ length: SENDERS_EACH }, () => newId());
  const [sequence, version] = [newId(), newId()];
  const step = (amount, unit) => ({
    id: newId(),
    channel: 'email',
    mode: 'automatic',
    delay: { amount, unit },
    body_text: BODY,
  });
  const definition = {
    sender_ids: senders,
    reenroll: { policy: 'never' },
    window: {
      days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'],
      from: '00:00',
      to: '24:00',
      time_zone: 'Europe/Berlin',
    },
    steps: [
      { ...step(0, 'minutes'), subject: 'An idea for {{ contact.company | default: "you" }}' },
      step(2, 'business_days'),
      step(3, 'days'),
    ],
  };
  await owner.outsideOrgs(async (tx) => {
    await tx.run(
      sql`INSERT INTO organizations (org_id, name, time_zone) VALUES (${org}, 'Bench', 'Europe/Berlin')`,
    );
    await tx.run(sql`INSERT INTO lanes (org_id) VALUES (${org})`);
    for (const id of senders)
      await tx.run(sql`INSERT INTO senders (org_id, id, channel, provider, name, from_name, from_address, daily_limit)
        VALUES (${org}, ${id}, 'email', 'bench', 'Bench', 'Ana Bench', 'ana@bench.example', 1000000)`);
    await tx.run(sql`INSERT INTO sequences (org_id, id, name, status, draft, published_version_id, created_by)
      VALUES (${org}, ${sequence}, 'Bench', 'active', ${JSON.stringify(definition)}, ${version}, 'bench')`);
    await tx.run(sql`INSERT INTO sequence_versions (org_id, id, sequence_id, number, definition, published_by)
      VALUES (${org}, ${version}, ${sequence}, 1, ${JSON.stringify(definition)}, 'bench')`);
  });
  return { org, senders, sequence, version, steps: definition.steps.map((one) => one.id) };
}

/**
 * New enrollments, first touch due now, consent given. One in twenty is suppressed: it goes through read and compose
 * and is refused at the gate. One in twenty is paused: as a pause leaves it, with its touch cancelled.
 */
export async function load({
  touches,
  organizations = world.organizations,
  due = "now() - interval '1 minute'",
}) {
  const { owner } = world;
  const first = world.loaded + 1;
  world.loaded += touches;
  const each = Math.ceil(touches / organizations.length);
  let from = first;
  for (const o of organizations) {
    const to = Math.min(from + each - 1, world.loaded);
    if (to < from) break;
    await owner.pool.query('DROP TABLE IF EXISTS bench_new');
    await owner.pool.query(`
      CREATE UNLOGGED TABLE bench_new AS
      SELECT n, uuidv7() AS contact, uuidv7() AS enrollment, uuidv7() AS touch,
             ('{${o.senders.join(',')}}'::uuid[])[1 + n % ${SENDERS_EACH}] AS sender, n % 20 = 7 AS paused
        FROM generate_series(${from}::int, ${to}::int) n`);
    await owner.pool.query(`
      INSERT INTO contacts (org_id, id, email, first_name, company, attributes)
      SELECT '${o.org}', contact, 'person' || n || '@example.com', 'Person ' || n, 'Company ' || n % 997, jsonb_build_object('city', 'City ' || n % 53) FROM bench_new`);
    await owner.pool.query(`
      INSERT INTO consents (org_id, contact_id, channel, id, status, source, actor_type, actor_id)
      SELECT '${o.org}', contact, 'email', uuidv7(), 'granted', 'bench', 'system', 'bench' FROM bench_new`);
    await owner.pool.query(`
      INSERT INTO suppressions (org_id, kind, address, reason, source)
      SELECT '${o.org}', 'email', 'person' || n || '@example.com', 'manual', 'bench' FROM bench_new WHERE n % 20 = 0`);
    await owner.pool.query(`
      INSERT INTO enrollments (org_id, id, sequence_id, version_id, contact_id, status, step_no, step_id, live_touch, sender_id, enrolled_by)
      SELECT '${o.org}', enrollment, '${o.sequence}', '${o.version}', contact, CASE WHEN paused THEN 'paused' ELSE 'active' END, 0,
             '${o.steps[0]}', touch, sender, 'bench' FROM bench_new`);
    await owner.pool.query(`
      INSERT INTO touches (org_id, id, source_id, sequence_id, version_id, step_id, step_no, generation, n, contact_id, sender_id, channel,
                           state, live, wake_at, not_before, planned_by, settled_at)
      SELECT '${o.org}', touch, enrollment, '${o.sequence}', '${o.version}', '${o.steps[0]}', 0, 1, 1, contact, sender, 'email',
             CASE WHEN paused THEN 'cancelled' ELSE 'planned' END, NOT paused, CASE WHEN NOT paused THEN ${due} END, ${due}, 'bench',
             CASE WHEN paused THEN now() END FROM bench_new`);
    from = to + 1;
  }
  await owner.pool.query('DROP TABLE IF EXISTS bench_new');
}

const sentCount = async () =>
  (await world.owner.pool.query("SELECT count(*)::int AS n FROM touches WHERE state = 'sent'")).rows[0].n;
const dueCount = async () =>
  (await world.owner.pool.query('SELECT count(*)::int AS n FROM touches WHERE wake_at <= now()')).rows[0].n;

/** Until nothing is due. The count is asked of the database before and after; while it runs only the engine's own tally is read. */
export async function run({ touches }) {
  const { e, engine } = world;
  const before = await sentCount();
  const due = await dueCount();
  const worker = new e.Worker(engine, { lanes: 2, poll_ms: 100 });
  const start = performance.now();
  worker.start();
  while (worker.settled < due) await new Promise((resolve) => setTimeout(resolve, 5));
  const seconds = (performance.now() - start) / 1000;
  await worker.stop();
  const settled = (await sentCount()) - before;
  if ((await dueCount()) !== 0) throw new Error('touches are still due');
  const suppressed = Math.floor(touches / 20);
  if (Math.abs(due - settled - suppressed) > touches / 100)
    throw new Error(`due ${due}, sent ${settled}: the counts do not add up`);
  return { rate: settled / seconds, settled, seconds };
}

export async function close() {
  await world?.db.close();
  await world?.owner.close();
  world = null;
}
