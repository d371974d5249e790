/** Forecast and preview over HTTP: what they say, and that they write nothing at all. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import { enrollContacts } from '../../src/plan/sequences/enroll.ts';
import { makeContacts, makeSender, makeSequence } from '../support/outreach.ts';
import { wholeDatabase } from '../support/whole-database.ts';
import { setup, type World } from './world.ts';

let world: World;
/** In the order of the sequence. */
let listed: Uuid[];
let senders: Uuid[];
let sequence: Uuid;
let contacts: Uuid[];
let enrollments: Uuid[];

beforeAll(async () => {
  world = await setup();
  const { db, org } = world;
  listed = [await makeSender(db, org.id), await makeSender(db, org.id), await makeSender(db, org.id)];
  sequence = await makeSequence(db, org.id, listed[0]!, {
    sender_ids: listed,
    steps: [
      { channel: 'email', subject: 'Hello {{ contact.first_name }}', body_text: 'One' },
      { channel: 'task', delay: { amount: 1, unit: 'days' }, body_text: 'Talk' },
      { channel: 'email', delay: { amount: 1, unit: 'days' }, body_text: 'Two' },
    ],
  });
  await db.inOrg(org.id, (tx) =>
    tx.run(
      sql`UPDATE sequences s SET draft = v.definition FROM sequence_versions v WHERE s.org_id = ${org.id} AND v.org_id = s.org_id AND v.id = s.published_version_id`,
    ),
  );
  contacts = await makeContacts(db, org.id, 31);
  const results = await enrollContacts(db, world.deps.versions, org.caller, {
    sequence_id: sequence,
    contact_ids: contacts.slice(1),
  });
  enrollments = results.map((result) => result.enrollment_id!);
  // Chance shares them out: whoever got most has the limit that is met for certain.
  const shares = await db.inOrg(org.id, (tx) =>
    tx.rows<{ id: Uuid }>(
      sql`SELECT sender_id AS id FROM touches WHERE org_id = ${org.id} GROUP BY 1 ORDER BY count(*)`,
    ),
  );
  const [least, middle, most] = shares.map(({ id }) => id);
  senders = [middle!, most!, least!];
  // From then on: new contacts go to senders by their limits.
  await db.inOrg(org.id, (tx) =>
    tx.run(
      sql`UPDATE senders SET daily_limit = 4, min_gap_s = 60, max_gap_s = 90 WHERE org_id = ${org.id} AND id = ${senders[0]}`,
    ),
  );
  await db.inOrg(org.id, (tx) =>
    tx.run(sql`UPDATE senders SET daily_limit = 3 WHERE org_id = ${org.id} AND id = ${senders[1]}`),
  );
});
afterAll(() => world?.close());

const get = (path: string, key?: string) => world.call('GET', path, key ? { key } : {});
const total = (items: { count: number }[]) => items.reduce((sum, { count }) => sum + count, 0);

describe('forecasts over HTTP', () => {
  it('[I3] of the organization counts each enrollment on its way once, by day and sender', async () => {
    const { status, body } = await get('/api/outreach/forecast?days=60');
    expect(status).toBe(200);
    expect(total(body.items)).toBe(90);
    expect(body.totals).toEqual({ sends: 60, people: 30, conditional: 30, later: 0 });
    expect(body.items.filter((item: { sender_id: Uuid | null }) => item.sender_id === null)).not.toHaveLength(
      0,
    );
    expect(body.sequences).toEqual([{ sequence_id: sequence, count: 90 }]);
    const byDay = body.items.filter((item: { sender_id: Uuid }) => item.sender_id === senders[1]);
    expect(Math.max(...byDay.map(({ count }: { count: number }) => count))).toBe(3);
    expect(
      byDay.flatMap((item: { limits: { limit: string }[] }) => item.limits.map(({ limit }) => limit)),
    ).toContain('quota_day');
  });

  it('[I3] says what is beyond its days, and refuses more than ninety', async () => {
    const { body } = await get(`/api/outreach/sequences/${sequence}/forecast?days=1`);
    expect(body).toMatchObject({ sequence_id: sequence, days: 1, ends: [] });
    expect(total(body.items) + body.totals.later).toBeGreaterThanOrEqual(30);
    expect((await get('/api/outreach/forecast?days=91')).status).toBe(400);
  });

  it('[TEN-1] shows nothing to another organization', async () => {
    const key = world.other.key;
    expect((await get(`/api/outreach/sequences/${sequence}/forecast`, key)).status).toBe(404);
    expect((await get(`/api/outreach/enrollments/${enrollments[0]}/forecast`, key)).status).toBe(404);
    expect((await get('/api/outreach/forecast', key)).body.items).toEqual([]);
  });

  it('[SEQ-15] of one enrollment says each step to come, with its sender, and what it takes for granted', async () => {
    const { body } = await get(`/api/outreach/enrollments/${enrollments[4]}/forecast`);
    expect(body).toMatchObject({ enrollment_id: enrollments[4], status: 'active' });
    expect(
      body.steps.map((step: Record<string, unknown>) => [step.step_no, step.channel, step.conditional]),
    ).toEqual([
      [0, 'email', false],
      [1, 'task', false],
      [2, 'email', true],
    ]);
    expect(body.steps[2].sender_id).toBe(body.steps[0].sender_id);
  });

  it('[SEQ-15] what is paused waits without a time', async () => {
    await world.call('POST', `/api/outreach/sequences/${sequence}/pause`, { body: {} });
    const { body } = await get('/api/outreach/forecast');
    expect(body).toMatchObject({ items: [], held: [{ reason: 'sequence_paused', count: 30 }] });
    await world.call('POST', `/api/outreach/sequences/${sequence}/resume`, { body: {} });
  });

  it('[TEN-4] the preview has the sender that the forecast has, and the place behind those who wait', async () => {
    const preview = await world.call('POST', `/api/outreach/sequences/${sequence}/preview`, {
      body: { contact_id: contacts[0] },
    });
    expect(preview.status).toBe(200);
    const [enrolled] = await enrollContacts(world.db, world.deps.versions, world.org.caller, {
      sequence_id: sequence,
      contact_ids: [contacts[0]!],
    });
    const { body } = await get(`/api/outreach/enrollments/${enrolled!.enrollment_id}/forecast`);
    const day = ({ at }: { at: string }) => at.slice(0, 10);
    const { steps } = preview.body;
    expect(steps.map((step: { sender: { id: Uuid } | null }) => step.sender?.id ?? null)).toEqual(
      body.steps.map((step: { sender_id: Uuid | null }) => step.sender_id),
    );
    expect(steps.map(day)).toEqual(body.steps.map(day));
    expect(steps[0].rotation).toEqual({ position: listed.indexOf(steps[0].sender.id) + 1, of: 3 });
    expect(steps[0].limit === null).toBe(steps[0].sender.id === senders[2]);
  });

  it('[TEN-4] [I3] neither preview nor forecast writes a row anywhere', async () => {
    // Whatever the first request of a key writes is written.
    await get('/api/outreach/forecast');
    const before = await wholeDatabase(world.ownerUrl);
    expect(Object.keys(before).length).toBeGreaterThan(40);
    for (const contact_id of contacts.slice(0, 6))
      expect(
        (await world.call('POST', `/api/outreach/sequences/${sequence}/preview`, { body: { contact_id } }))
          .status,
      ).toBe(200);
    await get('/api/outreach/forecast');
    await get(`/api/outreach/sequences/${sequence}/forecast`);
    await get(`/api/outreach/enrollments/${enrollments[0]}/forecast`);
    expect(await wholeDatabase(world.ownerUrl)).toEqual(before);
  });
});
