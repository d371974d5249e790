/**
 * The checker's rules about the tables judged: silent on a database where messages were sent, and each rule finds the
 * fault planted for it. Each fault is planted in a transaction that is rolled back.
 */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { act } from '../../src/plan/sequences/enrollments.ts';
import { Worker } from '../../src/worker/worker.ts';
import { type EngineWorld, engineWorld, until } from '../support/engine.ts';
import { checkDatabase, RULES } from './checker/database.ts';

const ONE_SENT = `
  SELECT t.id FROM touches t JOIN enrollments e ON e.id = t.source_id
   WHERE t.state = 'sent' AND e.status = 'active' ORDER BY t.id LIMIT 1`;
const ONE_WAITING = `SELECT t.id FROM touches t WHERE t.state = 'planned' ORDER BY t.id LIMIT 1`;

/** By the text of the rule that must find it. */
const FAULTS: Record<string, string[]> = {
  'a touch without its enrollment, or an enrollment without its live touch': [
    `UPDATE enrollments SET live_touch = gen_random_uuid()`,
    `DELETE FROM enrollments WHERE id = (SELECT source_id FROM touches ORDER BY id LIMIT 1)`,
  ],
  'a step was left behind without being sent or skipped': [
    `ALTER TABLE touches DROP CONSTRAINT touches_settled; UPDATE touches SET state = 'cancelled' WHERE id = (${ONE_SENT})`,
    `DELETE FROM touches WHERE id = (${ONE_WAITING})`,
  ],
  'a step came after one that does not lead to it': [
    `DELETE FROM touches WHERE id = (${ONE_SENT})`,
    `UPDATE sequence_versions SET definition = jsonb_set(definition, '{steps,0,next}', '"elsewhere"')`,
    `UPDATE sequence_versions SET definition = jsonb_set(definition, '{steps,0}', (definition #> '{steps,0}') || '{"branches": [{"go_to": "last"}], "otherwise": "last"}')`,
  ],
  'a contact is on the way through two sequences of a group that lets it through one': [
    `UPDATE sequence_versions SET definition = definition || '{"exclusive_group": "one"}'`,
  ],
  'a sequence took in more on a day than it may': [
    `UPDATE sequence_versions SET definition = definition || '{"intake": {"per_day": 3}}'; UPDATE enrollments SET intake_day = '2026-01-01'`,
  ],
  'a contact got two arms of one step without a word of who wins': [
    `UPDATE touch_variants SET contact_id = (SELECT min(contact_id::text)::uuid FROM touch_variants),
       step_id = (SELECT min(step_id::text)::uuid FROM touch_variants), variant = touch_id::text`,
  ],
  'an enrollment remembers e-mails that were not sent, or none of those that were': [
    `UPDATE enrollments SET thread = thread || ARRAY['x.1'] WHERE cardinality(thread) > 0`,
    `UPDATE enrollments SET thread = ARRAY['x.1'] WHERE cardinality(thread) > 0`,
    `UPDATE enrollments SET thread = '{}'`,
    `UPDATE enrollments SET thread = thread || thread`,
  ],
  'an enrollment was lost for want of a sender; no sender of a run is ever missing': [
    `UPDATE enrollments SET status = 'failed', status_reason = 'no_sender', ended_at = now() WHERE status = 'active'`,
  ],
  'enrollments and the events that tell of them differ': [`DELETE FROM events WHERE type = 'enrolled'`],
  'an end that no event tells of, or told twice': [
    `DELETE FROM events WHERE type = 'sent'`,
    `INSERT INTO events SELECT * FROM events WHERE type = 'sent'`,
  ],
  'an outcome was settled under a token whose gate did not let that touch go': [
    `UPDATE events SET token = gen_random_uuid() WHERE type = 'sent'`,
    `UPDATE gates SET touches = '{}'`,
  ],
  'one pass of the gate was settled more than once': [
    `INSERT INTO events (org_id, at, type, source_id, touch_id, token)
     SELECT org_id, at, 'retry', source_id, touch_id, token FROM events WHERE type = 'sent'`,
  ],
  'sent or failed under another token than the last gate wrote': [
    `UPDATE touches SET token = gen_random_uuid() WHERE id = (${ONE_SENT})`,
  ],
  'a gate counts other touches in flight than there are': [`UPDATE gates SET open = open + 1`],
  'an enrollment with more than one waiting touch, or active with none': [
    `DROP INDEX touches_live; UPDATE touches SET state = 'unknown', live = true, settled_at = NULL WHERE id = (${ONE_SENT})`,
    `UPDATE touches SET state = 'cancelled', live = false, settled_at = now() WHERE id = (${ONE_WAITING})`,
  ],
  'the quota used is not what is sending, unknown and sent': [
    `UPDATE sender_usage SET used = used + 1`,
    `UPDATE sender_usage SET used = used - 1`,
    `UPDATE sender_usage SET to_members = 1`,
    `DELETE FROM sender_usage`,
  ],
  'a sender over its limit': [
    `UPDATE senders SET daily_limit = 1`,
    `UPDATE sender_usage SET period = 'h2026-01-01T00+00:00'; UPDATE senders SET hourly_limit = 1`,
  ],
  'a contact over its cap, or its count wrong': [
    `UPDATE organizations SET contact_daily_cap = 1`,
    `UPDATE contact_usage SET used = used + 1`,
    `DELETE FROM contact_usage`,
  ],
  'a contact over the cap of a channel, or its count wrong': [
    `UPDATE organizations SET channel_caps = '{"email": {"day": 1}}'`,
    `UPDATE contact_channel_usage SET used = used + 1`,
    `DELETE FROM contact_channel_usage`,
  ],
};

describe('the chaos checker on tables', () => {
  let world: EngineWorld;
  let client: pg.Client;
  beforeAll(async () => {
    world = await engineWorld('L');
    client = new pg.Client({ connectionString: world.owner.url });
    await client.connect();
    await world.db.inOrg(world.org, (tx) =>
      tx.run(sql`UPDATE organizations SET contact_daily_cap = 5, channel_caps = '{"email": {"day": 4}}'`),
    );
    const sequence = await world.sequence({
      steps: [
        {
          channel: 'email',
          subject: 'Hello',
          body_text: 'One',
          variants: [{ key: 'a' }, { key: 'b', subject: 'Hi' }],
        },
        { channel: 'email', body_text: 'Two' },
        { channel: 'email', delay: { amount: 1, unit: 'days' }, body_text: 'Three' },
      ],
    });
    const contacts = await world.contacts(4);
    const enrollments = await world.enroll(sequence, contacts);
    const later = await world.sequence({
      steps: [{ channel: 'email', delay: { amount: 1, unit: 'days' }, subject: 'Late', body_text: 'One' }],
    });
    await world.enroll(later, contacts.slice(0, 2));
    const worker = new Worker(world.engine, { lanes: 1, poll_ms: 50 });
    worker.start();
    await until(async () => {
      const { rows } = await client.query(`SELECT count(*)::int AS n FROM touches WHERE state = 'sent'`);
      return rows[0].n === 8;
    }, 'two messages each');
    await worker.stop();
    await act(world.db, world.versions, world.ctx, enrollments[0]!, 'unenroll');
  });
  afterAll(async () => {
    await client.end();
    await world.close();
  });

  it('finds nothing where nothing is wrong', async () => {
    expect(await checkDatabase(client)).toEqual([]);
  });

  it('has a fault for every rule', () => {
    expect(Object.keys(FAULTS).sort()).toEqual(RULES.map((rule) => rule.what).sort());
  });

  for (const { invariant, what } of RULES) {
    for (const plant of FAULTS[what] ?? []) {
      it(`[${invariant}] finds ${what}: ${plant.replace(/\s+/g, ' ').slice(0, 80)}`, async () => {
        await client.query('BEGIN');
        try {
          // Foreign keys and checks would keep most of these out; the checker does not rely on them.
          await client.query(`SET LOCAL session_replication_role = replica`);
          await client.query(plant);
          const found = await checkDatabase(client);
          expect(found.map((violation) => violation.what)).toContain(what);
        } finally {
          await client.query('ROLLBACK');
        }
      });
    }
  }
});
