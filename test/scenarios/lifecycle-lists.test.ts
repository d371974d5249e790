/** [REP-1] [SEQ-2] One definition of every list (I6): the database's constraints, the API's enums and the types are it. */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  ADDRESS_KINDS,
  CHANNEL_NAMES,
  CHANNELS,
  CONSENT_CHANNELS,
  MODES,
  OUTREACH_CHANNELS,
  SENDER_CHANNELS,
  SUPPRESSION_KINDS,
} from '../../src/kernel/channels.ts';
import {
  EVENT_TYPES,
  TOUCH_EVENTS,
  TOUCH_STATES,
  TOUCH_TRANSITIONS,
  WAITING_STATES,
} from '../../src/ledger/states.ts';
import { ENROLL_POLICIES } from '../../src/plan/sequences/candidates.ts';
import { JOB_STATUSES } from '../../src/plan/sequences/jobs.ts';
import {
  ENROLLMENT_EVENTS,
  ENROLLMENT_STATUSES,
  LIVE_STATUSES,
  TRANSITIONS,
} from '../../src/plan/sequences/lifecycle.ts';
import { REACTION_RESULTS } from '../../src/records/events.ts';
import { RECORD_KINDS } from '../../src/records/record-changes.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let owner: pg.Client;

beforeAll(async () => {
  database = await createDatabase();
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
});
afterAll(async () => {
  await owner?.end();
  await database?.drop();
});

/** The values that a constraint names. */
async function valuesOf(table: string, constraint: string): Promise<string[]> {
  const { rows } = await owner.query<{ def: string }>(
    'SELECT pg_get_constraintdef(oid) AS def FROM pg_constraint WHERE conrelid = $1::regclass AND conname = $2',
    [table, constraint],
  );
  expect(rows, `${constraint} of ${table}`).toHaveLength(1);
  return [...rows[0]!.def.matchAll(/'([a-z_]+)'::text/g)].map((match) => match[1]!);
}

/** The values that a partial index names. */
async function valuesOfIndex(index: string): Promise<string[]> {
  const { rows } = await owner.query<{ def: string }>('SELECT pg_get_indexdef($1::regclass) AS def', [index]);
  return [...rows[0]!.def.matchAll(/'([a-z_]+)'::text/g)].map((match) => match[1]!);
}

test.each([
  ['enrollments', 'enrollments_status', ENROLLMENT_STATUSES],
  ['enrollments', 'enrollments_ended', LIVE_STATUSES],
  ['touches', 'touches_state', TOUCH_STATES],
  ['touches', 'touches_live', WAITING_STATES],
  ['events', 'events_type', EVENT_TYPES],
  ['enrollment_jobs', 'enrollment_jobs_status_check', JOB_STATUSES],
  ['enrollment_jobs', 'enrollment_jobs_policy_check', ENROLL_POLICIES],
  ['touches', 'touches_channel', CHANNEL_NAMES],
  ['touches', 'touches_mode', MODES],
  ['channel_switches', 'channel_switches_channel', OUTREACH_CHANNELS],
  ['senders', 'senders_channel', SENDER_CHANNELS],
  ['consents', 'consents_channel_check', CONSENT_CHANNELS],
  ['suppressions', 'suppressions_kind_check', SUPPRESSION_KINDS],
  ['records', 'records_kind', RECORD_KINDS],
  ['event_reactions', 'event_reactions_result', REACTION_RESULTS],
  ['contact_addresses', 'contact_addresses_kind_check', ADDRESS_KINDS],
])('[SEQ-2] [CON-4] %s.%s is the list of the code', async (table, constraint, list) => {
  expect((await valuesOf(table, constraint)).sort()).toEqual([...list].sort());
});

test('what SQL says of a channel is what the table of channels says', async () => {
  for (const [channel, facts] of Object.entries(CHANNELS)) {
    const { rows } = await owner.query(
      `SELECT address_kind($1) AS kind, consent_channel($1) AS consent,
              contact_address($1, 'email', 'phone', 'whatsapp', 'telegram', 'linkedin') AS address`,
      [channel],
    );
    expect(rows[0], channel).toEqual({
      kind: facts.writes_to,
      consent: facts.consent,
      address: facts.writes_to,
    });
    if (facts.suppressed_as !== null) expect(facts.suppressed_as).toBe(facts.writes_to);
  }
});

test('people do what no program sends: the constraint on senders names those channels', async () => {
  const people = CHANNEL_NAMES.filter((name) => CHANNELS[name].by === 'person');
  const others = ['human', 'wait'];
  const named = (await valuesOf('touches', 'touches_sender')).filter((value) => !others.includes(value));
  expect(named.sort()).toEqual([...people].sort());
});

test('[SEQ-4] at most one live enrollment: the index names the live statuses', async () => {
  expect((await valuesOfIndex('enrollments_live')).sort()).toEqual([...LIVE_STATUSES].sort());
});

test('[SEQ-2] the tables of transitions are total, and lead only to what there is', () => {
  for (const status of ENROLLMENT_STATUSES) {
    expect(Object.keys(TRANSITIONS[status]).sort()).toEqual([...ENROLLMENT_EVENTS].sort());
    for (const to of Object.values(TRANSITIONS[status])) expect([...ENROLLMENT_STATUSES, null]).toContain(to);
  }
  for (const state of TOUCH_STATES) {
    expect(Object.keys(TOUCH_TRANSITIONS[state]).sort()).toEqual([...TOUCH_EVENTS].sort());
    for (const to of Object.values(TOUCH_TRANSITIONS[state])) expect([...TOUCH_STATES, null]).toContain(to);
  }
  for (const status of ENROLLMENT_STATUSES)
    expect(
      ENROLLMENT_EVENTS.some((event) =>
        ENROLLMENT_STATUSES.some((from) => TRANSITIONS[from][event] === status),
      ),
      status,
    ).toBe(true);
});

describe('the description of the API', () => {
  const { schemas } = JSON.parse(
    readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8'),
  ).components;

  test.each([
    ['Enrollment', 'status', ENROLLMENT_STATUSES],
    ['Enrollment', 'touch_state', TOUCH_STATES],
    ['Touch', 'state', TOUCH_STATES],
    ['Event', 'type', EVENT_TYPES],
    ['EnrollmentJob', 'status', JOB_STATUSES],
    ['Sender', 'channel', SENDER_CHANNELS],
  ])('%s.%s names the same', (schema, property, list) => {
    expect(schemas[schema].properties[property].enum).toEqual([...list]);
  });
});
