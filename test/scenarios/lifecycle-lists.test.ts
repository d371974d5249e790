/** [REP-1] [SEQ-2] One definition of every list (I6): the database's constraints, the API's enums and the types are it. */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  EVENT_TYPES,
  TOUCH_EVENTS,
  TOUCH_STATES,
  TOUCH_TRANSITIONS,
  WAITING_STATES,
} from '../../src/ledger/states.ts';
import { ENROLL_POLICIES } from '../../src/plan/sequences/candidates.ts';
import { JOB_STATUSES } from '../../src/plan/sequences/enrollment-jobs.ts';
import {
  ENROLLMENT_EVENTS,
  ENROLLMENT_STATUSES,
  LIVE_STATUSES,
  TRANSITIONS,
} from '../../src/plan/sequences/lifecycle.ts';
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
])('[SEQ-2] [CON-4] %s.%s is the list of the code', async (table, constraint, list) => {
  expect((await valuesOf(table, constraint)).sort()).toEqual([...list].sort());
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
  ])('%s.%s names the same', (schema, property, list) => {
    expect(schemas[schema].properties[property].enum).toEqual([...list]);
  });
});
