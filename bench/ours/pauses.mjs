/**
 * Pauses acknowledged at full load: while a worker process sends as fast as it can, two clients in this process pause
 * enrollments and sequences by the product's own functions, as the API does. Half of the enrollments are taken from
 * a gate that is open at that moment, so that the pause meets locks. Also gives the most memory the worker held.
 */
import { percentile } from '../stats.mjs';
import { now } from './clock.mjs';
import { sleep } from './probes.mjs';
import { startWorker } from './worker.mjs';
import { loadDue, product } from './world.mjs';

const ORGANIZATIONS = 8;
const CLIENTS = 2;
/** As many in flight as the row's own rate is measured with. */
const SETTINGS = { WORKER_IN_FLIGHT: '1500' };
/** Pauses are timed from this part of the load to that: the worker is busy all the while. */
const BEGIN = 0.05;
const END = 0.85;
/** Each fourth pause is of a whole sequence; it is resumed at once, or the load would end. */
const SEQUENCE_EACH = 4;
const DRAIN_MS = 60_000;
const LEAST_PAUSES = 50;

/** @param {{ repetitions: number, touches: number, until: number }} size `until`: no repetition begins after it */
export async function measurePauses(world, { repetitions, touches, until }) {
  const values = { pause: [], enrollment: [], sequence: [], rss: [], rate: [] };
  for (let n = 0; n < repetitions && (n === 0 || now() < until); n++) {
    const one = await oneLoad(world, touches);
    values.pause.push(percentile([...one.enrollment, ...one.sequence], 0.99));
    values.enrollment.push(percentile(one.enrollment, 0.99));
    values.sequence.push(percentile(one.sequence, 0.99));
    values.rss.push(one.peak_rss_mb);
    values.rate.push(one.rate);
  }
  const ms = (list) => ({ values: list, unit: 'ms' });
  return {
    pause_p99_ms: ms(values.pause),
    pause_enrollment_p99_ms: ms(values.enrollment),
    pause_sequence_p99_ms: ms(values.sequence),
    rss_mb: { values: values.rss, unit: 'MB' },
    rate_beside_pauses: { values: values.rate, unit: 'steps/s' },
  };
}

async function oneLoad(world, touches) {
  const organizations = world.organizations.slice(0, ORGANIZATIONS);
  await loadDue(world, { touches, organizations, mixed: false });
  await world.owner.pool.query('VACUUM ANALYZE');
  const before = await counts(world);
  if (before.due !== touches) throw new Error(`${before.due} of ${touches} touches are due`);
  const targets = await activeEnrollments(world, organizations);
  const worker = await startWorker(world, SETTINGS);
  const samples = { enrollment: [], sequence: [] };
  const paused = [];
  let tallies;
  let rate;
  try {
    while (worker.settled < touches * BEGIN) await sleep(5);
    const start = { at: now(), settled: worker.settled };
    const busy = () => worker.settled < touches * END;
    const client = async (number) => {
      for (let n = number; busy(); n += CLIENTS)
        await onePause(world, { n, targets, organizations, samples, paused });
    };
    await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)));
    rate = ((worker.settled - start.settled) / (now() - start.at)) * 1000;
    await drained(world);
  } finally {
    tallies = await worker.stop();
  }
  await checked(world, { before, paused, tallies });
  if (samples.enrollment.length < LEAST_PAUSES) throw new Error('too few pauses while the load lasted');
  return { ...samples, rate, peak_rss_mb: tallies.peak_rss_mb };
}

async function onePause(world, { n, targets, organizations, samples, paused }) {
  const { hold } = await product('plan/stop');
  const context = (org) => ({ org, actor: { type: 'system', id: 'bench', name: 'bench' } });
  if (n % SEQUENCE_EACH === 0) {
    const { org, sequence } = organizations[(n / SEQUENCE_EACH) % organizations.length];
    const target = { class: 'sequence', id: sequence };
    const asked = now();
    await hold(world.db, context(org), { ...target, paused: true });
    samples.sequence.push(now() - asked);
    await hold(world.db, context(org), { ...target, paused: false });
    return;
  }
  const target = (n % 2 === 0 ? await fromOpenGate(world) : null) ?? targets[n % targets.length];
  const { endEnrollment } = await product('plan/stop');
  const asked = now();
  try {
    await endEnrollment(world.db, context(target.org), target.id, 'pause');
  } catch (error) {
    if (error.code === 'illegal_transition') return; // the other client paused it just before
    throw error;
  }
  samples.enrollment.push(now() - asked);
  paused.push(target.id);
}

async function fromOpenGate(world) {
  const { rows } = await world.owner.pool.query(`
    SELECT t.org_id AS org, t.source_id AS id FROM (SELECT org_id, touches FROM gates WHERE open > 0 ORDER BY gated_at DESC LIMIT 1) g
      JOIN touches t ON t.org_id = g.org_id AND t.id = g.touches[1 + floor(random() * cardinality(g.touches))::int]`);
  return rows[0] ?? null;
}

async function activeEnrollments(world, organizations) {
  const { rows } = await world.owner.pool.query(
    `SELECT e.org_id AS org, e.id FROM enrollments e JOIN touches t ON t.org_id = e.org_id AND t.id = e.live_touch
      WHERE e.org_id = ANY ($1) AND e.status = 'active' AND t.wake_at <= now() ORDER BY random() LIMIT 20000`,
    [organizations.map(({ org }) => org)],
  );
  return rows;
}

/** Until nothing is due, in flight or held: what a paused sequence held is released by a job. */
async function drained(world) {
  const until = now() + DRAIN_MS;
  for (;;) {
    const left = await world.ask(
      "SELECT count(*)::int FROM touches WHERE live AND (wake_at <= now() OR held_by IS NOT NULL OR state <> 'planned')",
    );
    if (left === 0) return;
    if (now() > until) throw new Error(`${left} touches were not worked off`);
    await sleep(100);
  }
}

async function counts(world) {
  const { rows } = await world.owner.pool.query(`
    SELECT count(*) FILTER (WHERE state = 'sent')::int AS sent, count(*) FILTER (WHERE state = 'planned' AND wake_at <= now())::int AS due,
           count(*) FILTER (WHERE state = 'cancelled' AND step_no = 0)::int AS cancelled FROM touches`);
  return rows[0];
}

/** What was due is sent or cancelled by a pause, once each; a paused enrollment waits for nothing. */
async function checked(world, { before, paused, tallies }) {
  const after = await counts(world);
  const sent = after.sent - before.sent;
  const cancelled = after.cancelled - before.cancelled;
  if (sent !== tallies.calls) throw new Error(`${sent} touches sent, ${tallies.calls} calls of the provider`);
  if (sent + cancelled !== before.due)
    throw new Error(`due ${before.due}: ${sent} sent, ${cancelled} cancelled`);
  const waiting = await world.ask(
    "SELECT count(*)::int FROM touches t JOIN enrollments e ON e.org_id = t.org_id AND e.id = t.source_id WHERE t.live AND e.status = 'paused' AND e.id = ANY ($1)",
    [paused],
  );
  if (waiting !== 0) throw new Error(`${waiting} touches of paused enrollments wait`);
}
