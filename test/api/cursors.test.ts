/** A cursor belongs to the list that gave it: every list of the API's own description refuses those of others. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Uuid } from '../../src/kernel/ids.ts';
import { makeContacts, makeSender, oneStep } from '../support/outreach.ts';
import { setup, type World } from './world.ts';

/** Lists that two rows are made in, of each shape that several lists share. */
const GIVERS = ['/api/contacts', '/api/api-keys', '/api/suppressions', '/api/holidays'] as const;

/** The contact list with a filter. */
const SAME: Record<string, string> = { '/api/segments/{id}/contacts': '/api/contacts' };

let world: World;
let lists: string[];
/** By the list that gave it. */
const cursors = new Map<string, string>();
let contact: Uuid;
let job: Uuid;
let segment: Uuid;

beforeAll(async () => {
  world = await setup();
  const { db, org } = world;
  [contact] = (await makeContacts(db, org.id, 2)) as [Uuid];
  await world.newKey(org, 'viewer');
  for (const address of ['a@example.com', 'b@example.com'])
    await world.call('POST', '/api/suppressions', { body: { kind: 'email', address, reason: 'manual' } });
  const holidays = ['2030-01-01', '2030-12-25'].map((date) => ({ date, name: date }));
  await world.call('PUT', '/api/holidays', { body: { country: null, holidays } });
  const sender_ids = [await makeSender(db, org.id)];
  const draft = { body: { name: 'Welcome', sender_ids, ...oneStep() } };
  const sequence_id = (await world.call('POST', '/api/outreach/sequences', draft)).body.id;
  await world.call('POST', `/api/outreach/sequences/${sequence_id}/publish`);
  const made = await world.call('POST', '/api/outreach/enrollments', {
    body: { sequence_id, tag: 'nobody' },
  });
  job = made.body.job_id;
  const everybody = { body: { name: 'Everybody', condition: { field: 'email', op: 'is_set' } } };
  segment = (await world.call('POST', '/api/segments', everybody)).body.id;
  for (const list of GIVERS) {
    const { body } = await world.call('GET', `${list}?limit=1`);
    expect(body.next_cursor, list).toEqual(expect.any(String));
    cursors.set(list, body.next_cursor);
  }
  const { body } = await world.call('GET', '/api/openapi.json');
  lists = Object.entries<{ get?: { parameters?: { name: string }[] } }>(body.paths)
    .filter(([, { get }]) => get?.parameters?.some(({ name }) => name === 'cursor'))
    .map(([path]) => path);
});
afterAll(() => world?.close());

function address(list: string): string {
  if (list.startsWith('/api/segments/')) return list.replace('{id}', segment);
  return list.replace('{id}', list.startsWith('/api/outreach/enrollment-jobs') ? job : contact);
}

describe('[OPS-6] cursors', () => {
  test('[OPS-6] the description names the lists', () => {
    expect(lists.length).toBeGreaterThanOrEqual(17);
    expect(lists).toEqual(expect.arrayContaining([...GIVERS]));
  });

  test('[OPS-6] each list answers, goes on from its own cursor and refuses those of others', async () => {
    const taken: string[] = [];
    for (const list of lists) {
      expect((await world.call('GET', address(list))).status, list).toBe(200);
      for (const [giver, cursor] of cursors) {
        const { status, body } = await world.call('GET', `${address(list)}?cursor=${cursor}`);
        if (giver === (SAME[list] ?? list)) expect(status, list).toBe(200);
        else if (status !== 400 || body.errors?.[0]?.code !== 'invalid_cursor')
          taken.push(`${list} took the cursor of ${giver}: ${status}`);
      }
    }
    expect(taken).toEqual([]);
  });
});
