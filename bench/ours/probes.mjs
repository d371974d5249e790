/**
 * Single touches whose way from due to the provider is timed. All answer milliseconds; the worker process tells when
 * the provider was called.
 */
import { now } from './clock.mjs';
import { loadDue, product } from './world.mjs';

const TRIES = 10;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Contacts for probes that enrol, ready before the clock starts. */
export async function probeContacts(world, { org }, count) {
  const { rows } = await world.owner.pool.query(
    `WITH made AS (
       INSERT INTO contacts (org_id, id, email, first_name)
       SELECT $1, id, 'probe' || id || '@example.com', 'Probe' FROM (SELECT uuidv7() AS id FROM generate_series(1, $2)) n RETURNING id),
     given AS (
       INSERT INTO consents (org_id, contact_id, channel, id, status, source, actor_type, actor_id)
       SELECT $1, id, 'email', uuidv7(), 'granted', 'bench', 'system', 'bench' FROM made)
     SELECT id FROM made`,
    [org, count],
  );
  return rows.map((row) => row.id);
}

/**
 * A contact is enrolled by the product's own function, first step due at once.
 * @returns from its commit, and from the call of the function, to the provider
 */
export async function probeEnrolled(world, worker, { org, sequence }, contact) {
  const { enrollContacts } = await product('plan/sequences/enroll');
  const { db } = world;
  const statements = [];
  const timed = {
    inOrg: (...args) => db.inOrg(...args),
    async call(statement) {
      const rows = await db.call(statement);
      statements.push({ text: statement.text, at: now() });
      return rows;
    },
  };
  const asked = now();
  const context = { org, actor: { type: 'system', id: 'bench', name: 'bench' } };
  const [result] = await enrollContacts(timed, world.versions, context, {
    sequence_id: sequence,
    contact_ids: [contact],
  });
  if (result.result !== 'enrolled') throw new Error(`a probe was not enrolled: ${JSON.stringify(result)}`);
  const touch = await world.ask('SELECT live_touch FROM enrollments WHERE org_id = $1 AND id = $2', [
    org,
    result.enrollment_id,
  ]);
  const called = await worker.called(touch);
  const committed = statements.find(({ text }) => text.includes('enroll_batch')).at;
  return { committed: called - committed, asked: called - asked };
}

/** When the database will say that so many milliseconds have passed: whole ones of its own time. */
export const dueIn = (ms, offset) => Math.ceil(now() + offset + ms);

/**
 * A touch that the worker knows of before it falls due. `due`: Unix milliseconds of the database.
 * @returns nothing when a moment of the machine made it due before it was known: that is no measurement
 */
export async function probePlanned(world, worker, organization, { due, offset }) {
  const { wake } = await product('ledger/wake');
  await loadDue(world, {
    touches: 1,
    organizations: [organization],
    due: `to_timestamp(${due} / 1000.0)`,
    mixed: false,
    name: 'probe',
  });
  const touch = await world.ask(
    'SELECT id FROM touches WHERE org_id = $1 AND wake_at = to_timestamp($2::float8 / 1000)',
    [organization.org, due],
  );
  await wake(world.db, organization.org);
  const known = now() + offset < due;
  const called = await worker.called(touch);
  return known ? called - (due - offset) : undefined;
}

/** The first of some tries of `probe` that is a measurement. */
export async function timely(probe) {
  for (let n = 0; n < TRIES; n++) {
    const value = await probe();
    if (value !== undefined) return value;
  }
  throw new Error(`of ${TRIES} probes each was due before it was known`);
}
