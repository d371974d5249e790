/** [SEQ-4] What holds while several enrol at once: exclusivity between sequences, the intake of a day, the policies. */
import { describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import { runEnrollmentJob } from '../../src/plan/sequences/bulk-enroll.ts';
import { enrollContacts } from '../../src/plan/sequences/enroll.ts';
import {
  createEnrollmentJob,
  getEnrollmentJob,
  jobResults,
} from '../../src/plan/sequences/enrollment-jobs.ts';
import { act } from '../../src/plan/sequences/enrollments.ts';
import type { EngineWorld } from '../support/engine.ts';
import { worlds } from '../support/worlds.ts';

const world = worlds();
const quiet = { worker: 'test', logger: { warn() {} } };

async function enrol(w: EngineWorld, sequence_id: Uuid, contact_ids: readonly Uuid[], more: object = {}) {
  return enrollContacts(w.db, w.versions, w.ctx, { sequence_id, contact_ids, ...more });
}

async function job(w: EngineWorld, sequence_id: Uuid, contact_ids: readonly Uuid[], more: object = {}) {
  const made = await createEnrollmentJob(w.db, w.versions, w.ctx, {
    sequence_id,
    contact_ids,
    chunk: 10,
    ...more,
  });
  await runEnrollmentJob(w, w.org, made.job_id, quiet);
  return getEnrollmentJob(w.db, w.org, made.job_id);
}

it('[SEQ-5] what needs no address and no consent takes everybody who is there', async () => {
  const w = world();
  const sequence = await w.sequence({ steps: [{ channel: 'task', body_text: 'Look them up' }] });
  const [one] = await w.contacts(1);
  await w.owner.call(sql`UPDATE contacts SET email = NULL WHERE org_id = ${w.org} AND id = ${one}`);
  const nobody = w.org;
  expect(await enrol(w, sequence, [one!, nobody])).toEqual([
    expect.objectContaining({ contact_id: one, result: 'enrolled' }),
    { contact_id: nobody, result: 'refused', reason: 'unknown_contact', enrollment_id: null },
  ]);
});

describe('[SEQ-4] exclusivity between sequences', () => {
  it('[SEQ-4] skips who lives in another sequence of the group, and names that enrollment', async () => {
    const w = world();
    const [one, two] = await w.contacts(2);
    const a = await w.sequence({ exclusive_group: 'outbound' });
    const b = await w.sequence({ exclusive_group: 'outbound' });
    const other = await w.sequence({ exclusive_group: 'support' });
    const free = await w.sequence();
    const [first] = await w.enroll(a, [one!]);
    expect(await enrol(w, b, [one!, two!])).toEqual([
      { contact_id: one, result: 'skipped', reason: 'exclusive', enrollment_id: first },
      expect.objectContaining({ contact_id: two, result: 'enrolled' }),
    ]);
    await w.enroll(other, [one!]);
    await w.enroll(free, [one!]);
    await act(w.db, w.versions, w.ctx, first!, 'unenroll', {});
    const [again] = await enrol(w, b, [one!]);
    expect(again).toMatchObject({ result: 'enrolled' });
    // The one that ended may not come back beside it.
    await expect(act(w.db, w.versions, w.ctx, first!, 'restart', {})).rejects.toMatchObject({
      code: 'already_enrolled',
      extra: { reason: 'exclusive', enrollment_id: again!.enrollment_id },
    });
    expect(await enrol(w, a, [one!], { policy: 'restart' })).toMatchObject([{ reason: 'exclusive' }]);
  });

  it('[SEQ-4] counts sequences that came into the group after people were enrolled in them', async () => {
    const w = world();
    const [one] = await w.contacts(1);
    const a = await w.sequence();
    const b = await w.sequence({ exclusive_group: 'outbound' });
    const [live] = await w.enroll(a, [one!]);
    await w.owner.call(
      sql`UPDATE sequence_versions SET definition = definition || '{"exclusive_group": "outbound"}' WHERE sequence_id = ${a}`,
    );
    expect(await enrol(w, b, [one!])).toMatchObject([{ reason: 'exclusive', enrollment_id: live }]);
  });

  it('[SEQ-4] lets one through for each contact, however many enrol and restart at once', async () => {
    const w = world();
    const people = await w.contacts(60);
    const sequences = await Promise.all([1, 2, 3].map(() => w.sequence({ exclusive_group: 'g' })));
    const restarting = async (sequence: Uuid) => {
      const results = await Promise.all([
        job(w, sequence, people, { policy: 'restart' }),
        enrol(w, sequence, [...people].reverse(), { policy: 'restart' }),
      ]);
      return results[1];
    };
    await Promise.all(sequences.map((sequence) => restarting(sequence)));
    const live = () =>
      w.owner.call<{ contact_id: Uuid; n: number }>(sql`
        SELECT contact_id, count(DISTINCT sequence_id)::int AS n FROM enrollments
         WHERE org_id = ${w.org} AND status IN ('active', 'paused') GROUP BY contact_id`);
    const first = await live();
    expect(first).toHaveLength(60);
    expect(first.every(({ n }) => n === 1)).toBe(true);
    // All end, and all three sequences want everybody back.
    const rows = await w.owner.call<{ id: Uuid }>(sql`
      SELECT id FROM enrollments WHERE org_id = ${w.org} AND status = 'active'`);
    for (const { id } of rows) await act(w.db, w.versions, w.ctx, id, 'unenroll', {});
    await Promise.all(sequences.map((sequence) => restarting(sequence)));
    const second = await live();
    expect(second).toHaveLength(60);
    expect(second.every(({ n }) => n === 1)).toBe(true);
  });
});

describe('[SEQ-4] the intake of a day', () => {
  const days = (w: EngineWorld, sequence: Uuid) =>
    w.owner.call<{ day: string; n: number; touches: number }>(sql`
      SELECT to_char(e.intake_day, 'YYYY-MM-DD') AS day, count(*)::int AS n,
             count(*) FILTER (WHERE (t.not_before AT TIME ZONE o.time_zone)::date = e.intake_day)::int AS touches
        FROM enrollments e JOIN touches t ON t.org_id = e.org_id AND t.id = e.live_touch JOIN organizations o ON o.org_id = e.org_id
       WHERE e.org_id = ${w.org} AND e.sequence_id = ${sequence} GROUP BY 1 ORDER BY 1`);

  it('[SEQ-4] enrols all at once, so many a day, on days that are open', async () => {
    const w = world();
    const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri'];
    const sequence = await w.sequence({
      intake: { per_day: 4 },
      window: { days: weekdays, from: '09:00', to: '17:00', time_zone: 'Europe/Berlin' },
    });
    await w.owner.call(sql`UPDATE organizations SET time_zone = 'Europe/Berlin' WHERE org_id = ${w.org}`);
    // A Thursday morning.
    const now = new Date('2027-03-04T08:30:00Z');
    const results = await enrol(w, sequence, await w.contacts(13), { now });
    expect(results.every((one) => one.result === 'enrolled')).toBe(true);
    expect(await days(w, sequence)).toEqual([
      { day: '2027-03-04', n: 4, touches: 4 },
      { day: '2027-03-05', n: 4, touches: 4 },
      { day: '2027-03-08', n: 4, touches: 4 },
      { day: '2027-03-09', n: 1, touches: 1 },
    ]);
    // The next day: what is free of the days to come is filled up; who left gave the place back.
    const [last] = await w.owner.call<{ id: Uuid }>(sql`
      SELECT id FROM enrollments WHERE org_id = ${w.org} AND intake_day = '2027-03-08' LIMIT 1`);
    await act(w.db, w.versions, w.ctx, last!.id, 'unenroll', {});
    await enrol(w, sequence, await w.contacts(5), { now: new Date('2027-03-05T08:30:00Z') });
    const live = (await days(w, sequence)).map(({ day, n }) => `${day} ${n}`);
    expect(live).toEqual(['2027-03-04 4', '2027-03-05 4', '2027-03-08 5', '2027-03-09 4', '2027-03-10 1']);
  });

  it('[SEQ-4] counts the day of the first touch, after the delay of its step', async () => {
    const w = world();
    const sequence = await w.sequence({
      intake: { per_day: 2 },
      steps: [{ channel: 'email', subject: 'Hi', body_text: 'Hi', delay: { amount: 2, unit: 'days' } }],
    });
    await enrol(w, sequence, await w.contacts(3), { now: new Date('2027-03-04T08:30:00Z') });
    expect(await days(w, sequence)).toEqual([
      { day: '2027-03-06', n: 2, touches: 2 },
      { day: '2027-03-07', n: 1, touches: 1 },
    ]);
  });

  it('[SEQ-4] holds under jobs and requests at once, and leaves no place empty', async () => {
    const w = world();
    const sequence = await w.sequence({ intake: { per_day: 7 } });
    const groups = await Promise.all([1, 2, 3, 4].map(() => w.contacts(25)));
    await Promise.all([
      job(w, sequence, groups[0]!),
      job(w, sequence, groups[1]!),
      enrol(w, sequence, groups[2]!),
      ...groups[3]!.map((one) => enrol(w, sequence, [one])),
    ]);
    const taken = await days(w, sequence);
    expect(taken.map(({ n }) => n)).toEqual([...Array(14).fill(7), 2]);
  });
});

describe('[SEQ-4] who was enrolled before', () => {
  it('[SEQ-4] every policy on every path, the word of a request before the rule of the sequence', async () => {
    const w = world();
    const sequence = await w.sequence({ reenroll: { policy: 'if_ended' } });
    const people = await w.contacts(3);
    const [recent, old] = await w.enroll(sequence, people);
    for (const id of [recent!, old!]) await act(w.db, w.versions, w.ctx, id, 'unenroll', {});
    await w.owner.call(sql`UPDATE enrollments SET ended_at = now() - interval '40 days' WHERE id = ${old}`);
    const reasons = (results: { reason: string | null }[]) => results.map((one) => one.reason);
    const after = { policy: 'after_days' as const, policy_days: 30 };
    expect(reasons(await enrol(w, sequence, people, { policy: 'never' }))).toEqual([
      'enrolled_before',
      'enrolled_before',
      'already_enrolled',
    ]);
    const done = await job(w, sequence, people, after);
    expect(done).toMatchObject({ ...after, status: 'completed', enrolled: 1, skipped: 2 });
    const { items } = await jobResults(w.db, w.org, done.job_id, { limit: 10 });
    expect(new Map(items.map((one) => [one.contact_id, one.reason]))).toEqual(
      new Map([
        [people[0], 'enrolled_recently'],
        [people[1], null],
        [people[2], 'already_enrolled'],
      ]),
    );
    expect(reasons(await enrol(w, sequence, people, after))).toEqual([
      'enrolled_recently',
      'already_enrolled',
      'already_enrolled',
    ]);
    expect(reasons(await enrol(w, sequence, people))).toEqual([null, 'already_enrolled', 'already_enrolled']);
    expect(reasons(await enrol(w, sequence, people, { policy: 'restart' }))).toEqual([
      'restarted',
      'restarted',
      'restarted',
    ]);
  });
});
