/**
 * From due to the provider's call on an idle system, through a worker process with its notifications: touches that an
 * enrolment makes due at once, and touches that fall due while the worker sleeps. `idle_*` is the slower of both. Beside
 * them one plain commit, which is part of each.
 */
import { percentile } from '../stats.mjs';
import { databaseOffset, now } from './clock.mjs';
import { dueIn, probeContacts, probeEnrolled, probePlanned, sleep, timely } from './probes.mjs';
import { startWorker } from './worker.mjs';

const WARM_UP = 8;
/** Between two probes: long enough for the worker to settle, leave its lane and sleep; of no steady beat. */
const REST_MS = [20, 60];
const AHEAD_MS = 60;

const rest = () => sleep(REST_MS[0] + Math.random() * (REST_MS[1] - REST_MS[0]));

/** @param {{ repetitions: number, probes: number, until: number }} size `until`: no repetition begins after it */
export async function measureIdle(world, { repetitions, probes, until }) {
  const worker = await startWorker(world);
  const [organization] = world.organizations;
  const values = { enrolled: [], planned: [], asked: [], commit: [] };
  try {
    await oneRepetition(world, worker, organization, WARM_UP);
    for (let n = 0; n < repetitions && (n === 0 || now() < until); n++) {
      const samples = await oneRepetition(world, worker, organization, probes);
      for (const name of Object.keys(values)) values[name].push(samples[name]);
    }
  } finally {
    await worker.stop();
  }
  return figuresOf(values);
}

async function oneRepetition(world, worker, organization, probes) {
  const offset = await databaseOffset(world);
  const contacts = await probeContacts(world, organization, probes);
  const samples = { enrolled: [], planned: [], asked: [], commit: [] };
  for (const contact of contacts) {
    await rest();
    const { committed, asked } = await probeEnrolled(world, worker, organization, contact);
    samples.enrolled.push(committed);
    samples.asked.push(asked);
    await rest();
    samples.commit.push(await oneCommit(world));
    await rest();
    samples.planned.push(
      await timely(() => probePlanned(world, worker, organization, { due: dueIn(AHEAD_MS, offset), offset })),
    );
  }
  return samples;
}

/** What the gate must wait for before any provider may be called, here and now. */
async function oneCommit(world) {
  const began = now();
  await world.owner.pool.query('UPDATE lanes SET expiries = expiries WHERE org_id = $1', [
    world.organizations[9].org,
  ]);
  return now() - began;
}

function figuresOf(values) {
  const at = (name, part) => values[name].map((samples) => percentile(samples, part));
  const both = (part) => {
    const [enrolled, planned] = [at('enrolled', part), at('planned', part)];
    return enrolled.map((value, n) => Math.max(value, planned[n]));
  };
  const ms = (list) => ({ values: list, unit: 'ms' });
  return {
    idle_p50_ms: ms(both(0.5)),
    idle_p95_ms: ms(both(0.95)),
    idle_enrolled_p50_ms: ms(at('enrolled', 0.5)),
    idle_enrolled_p95_ms: ms(at('enrolled', 0.95)),
    idle_planned_p50_ms: ms(at('planned', 0.5)),
    idle_planned_p95_ms: ms(at('planned', 0.95)),
    idle_commit_p50_ms: ms(at('commit', 0.5)),
    enrol_to_provider_p50_ms: ms(at('asked', 0.5)),
  };
}
