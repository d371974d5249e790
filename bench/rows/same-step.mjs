/**
 * Row same_step_graphile: the step that Cadenza makes in batches, written the way one usually writes it on a job queue:
 * one job a touch, one transaction a job. Lock, guard, quota, a real Liquid template, an in-process provider, settle with
 * event, advance, next touch and its job. Statements are named and prepared, and as few as one transaction allows.
 *
 * What bounds it, seen in pg_stat_activity: queueing the next job notifies the workers, and PostgreSQL lets transactions
 * that notify commit only one after another, so their commits share no disk write.
 *
 * It is weaker than the engine's step: the provider is called inside the transaction, so a crash between call and
 * commit sends twice. Closing that hole takes a second transaction a job and would make it slower.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeWorkerUtils, runOnce } from 'graphile-worker';
import { Liquid } from 'liquidjs';
import pg from 'pg';
import { count, DOCUMENTED, quiet } from './graphile.mjs';

const SCHEMA = readFileSync(join(import.meta.dirname, 'same-step.sql'), 'utf8');
const POINTS = ['one number to call', 'a fixed price', 'a visit within two days'];

const LOCK = `
SELECT t.step, t.state, t.enrollment_id, e.org_id, e.sequence_id, e.contact_id, e.sender_id, e.status, e.live_touch,
       pg_advisory_xact_lock_shared(1, e.org_id::int), pg_advisory_xact_lock_shared(2, e.sequence_id::int),
       pg_advisory_xact_lock_shared(3, e.sender_id::int)
  FROM touches t JOIN enrollments e ON e.id = t.enrollment_id
 WHERE t.id = $1 FOR UPDATE OF e, t`;

// A statement later than the locks, so that it sees a pause that was committed while they were waited for.
const GUARD = `
SELECT o.sending, q.status AS sequence_status, s.status AS sender_status, s.name AS sender_name,
       c.email, c.first_name, c.company, c.attributes, p.subject, p.body,
       n.status AS consent, x.reason AS suppressed
  FROM organizations o
  JOIN sequences q ON q.id = $2
  JOIN senders s ON s.id = $3
  JOIN contacts c ON c.id = $4
  JOIN sequence_steps p ON p.sequence_id = q.id AND p.step = $5
  LEFT JOIN consents n ON n.contact_id = c.id AND n.channel = 'email'
  LEFT JOIN suppressions x ON x.org_id = o.id AND x.address = c.email
 WHERE o.id = $1`;

const RESERVE = `
INSERT INTO sender_usage AS u (sender_id, day, used) VALUES ($1, current_date, 1)
ON CONFLICT (sender_id, day) DO UPDATE SET used = u.used + 1
 WHERE u.used < (SELECT daily_limit FROM senders WHERE id = $1)
RETURNING used`;

const SETTLE = `
WITH done AS (
  UPDATE touches SET state = 'sent', attempt = attempt + 1, provider_id = $2, receipt = $3, settled_at = now()
   WHERE id = $1 AND state = 'planned' RETURNING id, org_id, enrollment_id, step),
 event AS (
  INSERT INTO events (org_id, touch_id, kind, data)
  SELECT org_id, id, 'sent', jsonb_build_object('provider_id', $2::text, 'step', step) FROM done),
 next AS (
  INSERT INTO touches (org_id, enrollment_id, step, due_at)
  SELECT d.org_id, d.enrollment_id, d.step + 1, now() + p.delay
    FROM done d JOIN sequence_steps p ON p.sequence_id = $4 AND p.step = d.step + 1
  RETURNING id, enrollment_id, due_at),
 advanced AS (
  UPDATE enrollments e SET live_touch = n.id FROM next n WHERE e.id = n.enrollment_id)
SELECT (graphile_worker.add_job('step', json_build_object('touch', n.id), run_at => n.due_at)).id FROM next n`;

const SKIP = `
WITH done AS (
  UPDATE touches SET state = 'skipped', reason = $2, settled_at = now() WHERE id = $1 AND state = 'planned'
  RETURNING id, org_id)
INSERT INTO events (org_id, touch_id, kind, data)
SELECT org_id, id, 'skipped', jsonb_build_object('reason', $2::text) FROM done`;

const liquid = new Liquid({ cache: false });
const templates = new Map();
let url;
let utils;
let loaded = 0;

export async function prepare(options) {
  url = options.url;
  utils = await makeWorkerUtils({ connectionString: url, logger: quiet });
  await utils.migrate();
  await using((client) => client.query(SCHEMA));
}

/** New enrollments with one due touch and its job each. One in twenty is suppressed, one in twenty is paused. */
export async function load({ touches }) {
  const first = loaded + 1;
  loaded += touches;
  const range = `FROM generate_series(${first}, ${loaded}) n`;
  const org = '1 + n % 100';
  await using(async (client) => {
    for (const sql of [
      `INSERT INTO contacts (id, org_id, email, first_name, company, attributes)
       SELECT n, ${org}, 'person' || n || '@example.com', 'Person ' || n, 'Company ' || n % 997,
              jsonb_build_object('city', 'City ' || n % 53) ${range}`,
      `INSERT INTO consents (contact_id, channel, status) SELECT n, 'email', 'given' ${range}`,
      `INSERT INTO suppressions (org_id, address, reason)
       SELECT ${org}, 'person' || n || '@example.com', 'unsubscribed' ${range} WHERE n % 20 = 0`,
      `INSERT INTO enrollments (id, org_id, sequence_id, contact_id, sender_id, status, live_touch)
       SELECT n, ${org}, ${org}, n, 1 + n % 100 * 4 + n / 100 % 4,
              CASE WHEN n % 20 = 7 THEN 'paused' ELSE 'active' END, NULL ${range}`,
      `WITH t AS (
         INSERT INTO touches (org_id, enrollment_id, step, due_at)
         SELECT ${org}, n, 1, now() - interval '1 minute' ${range} RETURNING id, enrollment_id)
       UPDATE enrollments e SET live_touch = t.id FROM t WHERE e.id = t.enrollment_id`,
    ]) {
      await client.query(sql);
    }
    const due = await client.query(
      `SELECT id FROM touches WHERE enrollment_id BETWEEN ${first} AND ${loaded} ORDER BY id`,
    );
    for (let from = 0; from < due.rows.length; from += 10_000) {
      const part = due.rows.slice(from, from + 10_000);
      await utils.addJobs(part.map(({ id }) => ({ identifier: 'step', payload: { touch: id } })));
    }
  });
}

/** Counts the steps that were sent; the suppressed and paused ones cost their guard and count for nothing. */
export async function run({ touches }) {
  const outcomes = { sent: 0, skipped: 0 };
  let start = 0;
  const step = async ({ touch }, helpers) => {
    start ||= performance.now();
    outcomes[await helpers.withPgClient((client) => guardedStep(client, touch))] += 1;
  };
  const worker = { connectionString: url, logger: quiet, ...DOCUMENTED };
  await runOnce({ preset: { worker } }, { step });
  const seconds = (performance.now() - start) / 1000;
  if (outcomes.sent + outcomes.skipped !== touches) {
    throw new Error(`${JSON.stringify(outcomes)} of ${touches} steps`);
  }
  const sent = await count(url, `SELECT count(*)::int AS n FROM touches WHERE state = 'sent'`);
  const events = await count(url, `SELECT count(*)::int AS n FROM events WHERE kind = 'sent'`);
  if (sent !== events) throw new Error(`${sent} touches sent, ${events} events`);
  return { rate: outcomes.sent / seconds, settled: outcomes.sent, seconds };
}

/** @returns {Promise<'sent' | 'skipped'>} */
async function guardedStep(client, id) {
  const query = (name, text, values) => client.query({ name, text, values }).then((result) => result.rows[0]);
  await client.query('BEGIN');
  try {
    const outcome = await insideTransaction(query, id);
    await client.query('COMMIT');
    return outcome;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

async function insideTransaction(query, id) {
  const touch = await query('lock', LOCK, [id]);
  if (touch === undefined || touch.state !== 'planned' || touch.live_touch !== String(id)) return 'skipped';
  const given = [touch.org_id, touch.sequence_id, touch.sender_id, touch.contact_id, touch.step];
  const read = await query('guard', GUARD, given);
  const why = reasonAgainst(touch, read);
  if (why === null && (await query('reserve', RESERVE, [touch.sender_id])) !== undefined) {
    const message = compose(touch, read);
    const { provider_id } = await provider(message);
    const receipt = { rule: 'all', at: Date.now(), bytes: message.text.length };
    await query('settle', SETTLE, [id, provider_id, receipt, touch.sequence_id]);
    return 'sent';
  }
  await query('skip', SKIP, [id, why ?? 'quota']);
  return 'skipped';
}

function reasonAgainst(touch, read) {
  if (touch.status !== 'active') return 'enrollment_not_active';
  if (!read.sending) return 'organization_stopped';
  if (read.sequence_status !== 'active') return 'sequence_not_active';
  if (read.sender_status !== 'active') return 'sender_not_active';
  if (read.suppressed !== null) return 'suppressed';
  return read.consent === 'given' ? null : 'no_consent';
}

function compose(touch, read) {
  const scope = { contact: read, sender: { name: read.sender_name }, step: touch.step, points: POINTS };
  return { to: read.email, subject: render(read.subject, scope), text: render(read.body, scope) };
}

/** Parsed once a template, as any careful program would. */
function render(source, scope) {
  if (!templates.has(source)) templates.set(source, liquid.parse(source));
  return liquid.renderSync(templates.get(source), scope);
}

let accepted = 0;
async function provider(message) {
  if (!message.to || !message.text) throw new Error('an empty message');
  accepted += 1;
  return { provider_id: `p-${accepted}` };
}

async function using(work) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

export async function close() {
  await utils?.release();
}
