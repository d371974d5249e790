/**
 * A database with the engine in it: migrated, 100 organizations with four senders and one published sequence each, and
 * due touches put there set-based. In: the owner's URL of an empty database. Out: a world, which the rate and the
 * further figures of row ours share. Everything comes from `../../dist/`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { now } from './clock.mjs';

const DIST = join(import.meta.dirname, '../../dist');
const ORGANIZATIONS = 100;
const SENDERS_EACH = 4;
export const SECRET = 'bench-secret-bench-secret-bench-secret';

const BODY = `Hello {{ contact.first_name | default: "there" }},

we looked at {{ contact.company | default: "your company" }} in {{ contact.attributes.city | default: "your city" }} and have three things for you:
one number to call, a fixed price, a visit within two days.

Best regards
{{ sender.name }}`;

/** `dist/` with the engine; a checkout that was never built has none. */
export const isBuilt = () => existsSync(join(DIST, 'worker/worker.js'));

/** A module of the built product, by its path below `src/`. */
export const product = (path) => import(join(DIST, `${path}.js`));

/** Migrates an empty database and fills it. */
export async function makeWorld(url) {
  const [{ migrate }, { Database }] = await Promise.all(['db/migrate', 'db/database'].map(product));
  await migrate({ url });
  const owner = new Database({ url, max: 1 });
  const organizations = [];
  try {
    for (let n = 0; n < ORGANIZATIONS; n++) organizations.push(await makeOrganization(owner));
  } finally {
    await owner.close();
  }
  return openWorld(url, organizations);
}

/** A database that is a copy of one whose organizations are known. */
export async function openWorld(url, organizations) {
  const [{ Database }, { ensureAppLogin }, { VersionCache }] = await Promise.all(
    ['db/database', 'tenancy/app-login', 'plan/sequences/versions'].map(product),
  );
  const appUrl = await ensureAppLogin(url, SECRET);
  const owner = new Database({ url, max: LOADERS });
  const db = new Database({ url: appUrl, max: 4 });
  return {
    url,
    appUrl,
    owner,
    db,
    versions: new VersionCache(db),
    organizations,
    /** Enrollments made by `loadDue`. */
    loaded: 0,
    /** The first value of the first row, as the owner. */
    async ask(text, values) {
      return Object.values((await owner.pool.query(text, values)).rows[0] ?? {})[0];
    },
    async close() {
      await Promise.all([db.close(), owner.close()]);
    },
  };
}

/** An engine in this process around a provider. */
export async function engineOf(world, provider) {
  const [{ DEFAULT_LIMITS }, { createUnsubscribeTokens }] = await Promise.all(
    ['dispatch/engine', 'content/unsubscribe-token'].map(product),
  );
  const tokens = createUnsubscribeTokens([{ version: 1, secret: Buffer.alloc(32, 7) }]);
  return {
    db: world.db,
    worker: `bench:${process.pid}`,
    versions: world.versions,
    connect: () => provider,
    unsubscribeUrl: (org_id, contact_id, touch_id, channel) =>
      `https://example.com/u/${tokens.sign({ org_id, contact_id, touch_id, channel })}`,
    limits: DEFAULT_LIMITS,
    log: { info() {}, warn() {}, error: (fields, message) => console.error(message, fields) },
  };
}

function stepOf(id, amount, unit) {
  return { id, channel: 'email', mode: 'automatic', delay: { amount, unit }, body_text: BODY };
}

async function makeOrganization(owner) {
  const [{ newId }, { sql }] = await Promise.all([product('kernel/ids'), product('db/sql')]);
  const org = newId();
  const senders = Array.from({ length: SENDERS_EACH }, () => newId());
  const [sequence, version] = [newId(), newId()];
  const steps = [
    {
      ...stepOf(newId(), 0, 'minutes'),
      subject: 'An idea for {{ contact.company | default: "you" }}',
    },
    stepOf(newId(), 2, 'business_days'),
    stepOf(newId(), 3, 'days'),
  ];
  const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
  const window = { days, from: '00:00', to: '24:00', time_zone: 'Europe/Berlin' };
  const definition = JSON.stringify({ sender_ids: senders, reenroll: { policy: 'never' }, window, steps });
  await owner.outsideOrgs(async (tx) => {
    await tx.run(
      sql`INSERT INTO organizations (org_id, name, time_zone) VALUES (${org}, 'Bench', 'Europe/Berlin')`,
    );
    await tx.run(sql`INSERT INTO lanes (org_id) VALUES (${org})`);
    for (const id of senders)
      await tx.run(sql`INSERT INTO senders (org_id, id, channel, provider, name, from_name, from_address, daily_limit)
        VALUES (${org}, ${id}, 'email', 'bench', 'Bench', 'Ana Bench', 'ana@bench.example', 10000000)`);
    await tx.run(sql`INSERT INTO sequences (org_id, id, name, status, draft, published_version_id, created_by)
      VALUES (${org}, ${sequence}, 'Bench', 'active', ${definition}, ${version}, 'bench')`);
    await tx.run(sql`INSERT INTO sequence_versions (org_id, id, sequence_id, number, definition, published_by)
      VALUES (${org}, ${version}, ${sequence}, 1, ${definition}, 'bench')`);
  });
  return { org, senders, sequence, version, steps: steps.map((one) => one.id) };
}

/** Rows a transaction when much is loaded into one organization. */
const CHUNK = 100_000;
/** Transactions at once. */
const LOADERS = 2;

/**
 * New enrollments, first touch due now, consent given. With `mixed`, one in twenty is suppressed: it goes through read
 * and compose and is refused at the gate; and one in twenty paused: as a pause leaves it, with its touch cancelled.
 *
 * @param {{ touches: number, organizations?: object[], due?: string, mixed?: boolean, name?: string, until?: number }} what
 *   `due`: an SQL expression; `name`: what the contacts' addresses begin with; `until`: by the clock, no more after it
 * @returns how many were loaded
 */
export async function loadDue(world, what) {
  const { touches, organizations = world.organizations, until = Number.POSITIVE_INFINITY } = what;
  const before = world.loaded;
  const each = Math.ceil(touches / organizations.length);
  const parts = [];
  let left = touches;
  for (const organization of organizations) {
    let own = Math.min(each, left);
    left -= own;
    for (; own > 0; own -= CHUNK) parts.push({ organization, touches: Math.min(own, CHUNK) });
  }
  const load = async () => {
    for (let part = parts.shift(); part !== undefined && now() < until; part = parts.shift())
      await loadInto(world, part.organization, {
        mixed: true,
        name: 'person',
        ...what,
        touches: part.touches,
      });
  };
  await Promise.all(Array.from({ length: LOADERS }, load));
  return world.loaded - before;
}

/**
 * One transaction, without the checks of foreign keys: what is inserted is whole by its making, and the plans of these
 * checks, kept from when the tables were small, would read all of them for each row.
 */
async function loadInto(world, organization, what) {
  const client = await world.owner.pool.connect();
  let broken;
  try {
    await client.query('BEGIN; SET LOCAL session_replication_role = replica');
    await insertNew(world, client, organization, what);
    await client.query('COMMIT');
  } catch (error) {
    broken = error;
    throw error;
  } finally {
    client.release(broken);
  }
}

async function insertNew(world, client, o, { touches, due = "now() - interval '1 minute'", mixed, name }) {
  const from = world.loaded + 1;
  world.loaded += touches;
  const query = (text) => client.query(text);
  await query(`
    CREATE TEMPORARY TABLE bench_new ON COMMIT DROP AS
    SELECT n, uuidv7() AS contact, uuidv7() AS enrollment, uuidv7() AS touch, '${name}' || n || '@example.com' AS email,
           ('{${o.senders.join(',')}}'::uuid[])[1 + n % ${SENDERS_EACH}] AS sender,
           ${mixed} AND n % 20 = 7 AS paused, ${mixed} AND n % 20 = 0 AS suppressed
      FROM generate_series(${from}::int, ${world.loaded}::int) n`);
  await query(`
    INSERT INTO contacts (org_id, id, email, first_name, company, attributes)
    SELECT '${o.org}', contact, email, 'Person ' || n, 'Company ' || n % 997, jsonb_build_object('city', 'City ' || n % 53) FROM bench_new`);
  await query(`
    INSERT INTO consents (org_id, contact_id, channel, id, status, source, actor_type, actor_id)
    SELECT '${o.org}', contact, 'email', uuidv7(), 'granted', 'bench', 'system', 'bench' FROM bench_new`);
  await query(`
    INSERT INTO suppressions (org_id, kind, address, reason, source)
    SELECT '${o.org}', 'email', email, 'manual', 'bench' FROM bench_new WHERE suppressed`);
  await query(`
    INSERT INTO enrollments (org_id, id, sequence_id, version_id, contact_id, status, step_no, step_id, live_touch, enrolled_by)
    SELECT '${o.org}', enrollment, '${o.sequence}', '${o.version}', contact, CASE WHEN paused THEN 'paused' ELSE 'active' END, 0,
           '${o.steps[0]}', touch, 'bench' FROM bench_new`);
  await query(`
    INSERT INTO touches (org_id, id, source_id, sequence_id, version_id, step_id, step_no, generation, n, contact_id, sender_id, channel,
                         state, live, wake_at, not_before, not_after, planned_by, settled_at)
    SELECT '${o.org}', touch, enrollment, '${o.sequence}', '${o.version}', '${o.steps[0]}', 0, 1, 1, contact, sender, 'email',
           CASE WHEN paused THEN 'cancelled' ELSE 'planned' END, NOT paused, CASE WHEN NOT paused THEN ${due} END, ${due}, now() + interval '7 days', 'bench',
           CASE WHEN paused THEN now() END FROM bench_new`);
}
