/** The forecast, then what really happens on a moved clock: equal. */
import { performance } from 'node:perf_hooks';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { changeTags } from '../../src/contacts/change-tags.ts';
import { sql } from '../../src/db/sql.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import {
  type Forecast,
  forecastEnrollment,
  forecastOrganization,
  forecastSequence,
} from '../../src/plan/forecast/forecast.ts';
import { previewSequence } from '../../src/plan/sequences/preview.ts';
import type { EngineWorld } from '../support/engine.ts';
import {
  type Clock,
  countSent,
  days,
  enrollAt,
  first,
  foretell,
  inOrder,
  limitedSender,
  limitOrganization,
  mail,
  type OrganizationLimits,
  peopleIn,
  type SenderLimits,
  sentBy,
  tableOf,
  WEEK,
  workUntil,
  ZONE,
} from '../support/forecasts.ts';
import { branch, VIP, waitFor } from '../support/waits.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
/** What the engine takes for now: ahead of the real time, days before clocks change in America. */
let clock: Clock;
beforeEach(() => {
  world = worldOf();
  clock = { now: Date.parse('2027-03-08T15:20:30.500Z') };
  // Time stands still while a moment is worked: who answers a millisecond earlier would be first a day later.
  vi.spyOn(performance, 'now').mockReturnValue(performance.now());
});
afterEach(() => vi.restoreAllMocks());

const organization = (limits: OrganizationLimits = {}) => limitOrganization(world, limits);
const sender = (limits: SenderLimits = {}) => limitedSender(world, limits);
const people = (count: number, zones?: (string | null)[]) => peopleIn(world, count, zones);
const enroll = (sequence: Uuid, contacts: readonly Uuid[]) => enrollAt(world, clock, sequence, contacts);
const wanted = (count = 40) => ({ days: count, now: new Date(clock.now) });
const table = tableOf;

/** Works everything that falls due before `until`; what was sent by day and sender. */
async function live(until: Date, sequence: Uuid | null = null, workers = 1): Promise<Record<string, number>> {
  await workUntil(world, clock, until, workers);
  return countSent(world, await sentBy(world, sequence));
}

/** Both together, by day and sender. */
function plus(one: Record<string, number>, other: Record<string, number>): Record<string, number> {
  const sum = { ...one };
  for (const [key, n] of Object.entries(other)) sum[key] = (sum[key] ?? 0) + n;
  return sum;
}

const total = (counts: Record<string, number>) => Object.values(counts).reduce((sum, n) => sum + n, 0);

describe('the forecast', () => {
  it('[I3] [SEQ-16] [EXE-7] is what happens, with several senders, limits, ramps, windows and zones', async () => {
    await organization({ quiet_hours: { from: '20:00', to: '09:00', channels: ['email'] } });
    const senders = await Promise.all([
      sender({ daily_limit: 7, time_zone: 'Pacific/Auckland' }),
      sender({ ramp: { start: 2, increase: 3, every_days: 2 }, daily_limit: 11, time_zone: 'Europe/London' }),
      sender({ daily_limit: 30, sending_window: { days: [...WEEK, 'sat'], from: '10:00', to: '16:30' } }),
    ]);
    const sequence = await world.sequence({
      sender_ids: senders,
      window: { days: WEEK, from: '08:30', to: '18:00', time_zone: ZONE },
      steps: [
        first,
        { ...mail, ...days(2) },
        { ...mail, ...days(3, 'business_days') },
        { ...mail, ...days(30, 'hours') },
      ],
    });
    const contacts = await people(90, ['America/Los_Angeles', 'America/New_York', 'Europe/Berlin', null]);
    await enroll(sequence, contacts);
    const told = await forecastOrganization(world.db, world.versions, world.org, wanted());
    const happened = await live(told.until);
    expect(table(told)).toEqual(happened);
    expect(total(happened)).toBeGreaterThan(300);
    const limits = new Set(told.items.flatMap((item) => item.limits.map(({ limit }) => limit)));
    expect(limits).toEqual(new Set(['quota_day', 'sender_ramp', 'window_closed', 'quiet_hours']));
  });

  it('[I3] of one sequence is what it really gets of the senders that it shares with another', async () => {
    await organization();
    const shared = await sender({ daily_limit: 10, time_zone: ZONE });
    const [a, b] = [
      await world.sequence({ sender_ids: [shared], steps: [first, { ...mail, ...days(1) }] }),
      await world.sequence({ sender_ids: [shared], steps: [first, { ...mail, ...days(4) }] }),
    ];
    await enroll(a, await people(25));
    clock.now += 1;
    await enroll(b, await people(25));
    const [one, other] = [
      await forecastSequence(world.db, world.versions, world.org, a, wanted()),
      await forecastSequence(world.db, world.versions, world.org, b, wanted()),
    ];
    await live(one.until);
    expect(table(one)).toEqual(await live(one.until, a));
    expect(table(other)).toEqual(await live(one.until, b));
    expect(total(table(other))).toBe(50);
  });

  it('[EXE-9] keeps the gaps that are drawn for each touch, also with a limit', async () => {
    await organization();
    const slow = await sender({ min_gap_s: 1_800, max_gap_s: 7_200, time_zone: ZONE });
    const capped = await sender({ min_gap_s: 600, max_gap_s: 3_600, daily_limit: 6, time_zone: ZONE });
    for (const id of [slow, capped]) {
      const window = { days: WEEK, from: '09:00', to: '17:00', time_zone: ZONE };
      const sequence = await world.sequence({
        sender_ids: [id],
        window,
        steps: [first, { ...mail, ...days(3) }],
      });
      await enroll(sequence, await people(20));
    }
    const { told, foreseen } = await foretell(world, clock, 40);
    const happened = await live(told.until);
    expect(inOrder(foreseen)).toEqual(inOrder(await sentBy(world)));
    expect(table(told)).toEqual(happened);
    expect(total(happened)).toBe(80);
  });

  it('[EXE-9] knows whom a follow-up in between makes wait again, and where', async () => {
    await organization();
    const id = await sender({ min_gap_s: 1_200, max_gap_s: 7_200 });
    const sequence = await world.sequence({
      sender_ids: [id],
      steps: [first, { ...mail, ...days(100, 'minutes') }, { ...mail, ...days(9, 'hours') }],
    });
    await enroll(sequence, await people(20));
    const { told, foreseen } = await foretell(world, clock, 40);
    const happened = await live(told.until);
    expect(inOrder(foreseen)).toEqual(inOrder(await sentBy(world)));
    expect(table(told)).toEqual(happened);
    expect(total(table(told))).toBe(60);
    const moved = await world.owner.call<{ n: number }>(sql`
      SELECT count(*)::int AS n FROM events WHERE org_id = ${world.org}::uuid AND type = 'postponed' AND reason = 'sender_gap' GROUP BY touch_id HAVING count(*) > 1`);
    expect(moved.length).toBeGreaterThan(0);
  });

  it('[EXE-7] keeps the hours', async () => {
    await organization();
    const hourly = await sender({ hourly_limit: 3, daily_limit: 20, time_zone: ZONE });
    const window = { days: WEEK, from: '09:00', to: '17:00', time_zone: ZONE };
    const sequence = await world.sequence({
      sender_ids: [hourly],
      window,
      steps: [first, { ...mail, ...days(1) }],
    });
    await enroll(sequence, await people(60));
    const told = await forecastOrganization(world.db, world.versions, world.org, wanted());
    expect(table(told)).toEqual(await live(told.until));
  });

  it('[SEQ-15] goes on from the middle: what was used, assigned and sent counts', async () => {
    await organization();
    const two = await Promise.all([
      sender({ daily_limit: 5, time_zone: ZONE }),
      sender({ ramp: { start: 3, increase: 1, every_days: 1 } }),
    ]);
    const sequence = await world.sequence({
      sender_ids: two,
      steps: [first, { ...mail, ...days(2) }, { ...mail, ...days(2) }],
    });
    await enroll(sequence, await people(20));
    const day = 86_400_000;
    const before = await live(new Date(clock.now + 4 * day + 3_600_000));
    clock.now += 3_600_000;
    await enroll(sequence, await people(10));
    const told = await forecastOrganization(world.db, world.versions, world.org, wanted());
    const after = await live(told.until);
    expect(after).toEqual(plus(before, table(told)));
    expect(total(before)).toBeGreaterThan(10);
  });

  it('[I3] counts those alike together when they are many: the same sends, and the same without limits', async () => {
    await organization({ quiet_hours: { from: '20:00', to: '09:00', channels: ['email'] } });
    const senders = await Promise.all([
      sender({ time_zone: ZONE }),
      sender({ time_zone: 'Europe/London' }),
      sender({ sending_window: { days: WEEK, from: '10:00', to: '16:30' } }),
    ]);
    const sequence = await world.sequence({
      sender_ids: senders,
      window: { days: WEEK, from: '08:30', to: '18:00', time_zone: ZONE },
      steps: [first, { ...mail, ...days(2) }, { ...mail, ...days(75, 'minutes') }],
    });
    await enroll(sequence, await people(150, ['America/Los_Angeles', 'Europe/Berlin', null]));
    // From then on: new contacts go to senders by their limits.
    await world.owner.call(sql`UPDATE senders SET daily_limit = 9 WHERE id = ${senders[0]}::uuid`);
    const exact = await forecastOrganization(world.db, world.versions, world.org, wanted());
    const many = await forecastOrganization(world.db, world.versions, world.org, {
      ...wanted(),
      max_single: 0,
    });
    expect(many.totals).toEqual(exact.totals);
    const unlimited = (forecast: Forecast) => forecast.items.filter((item) => item.sender_id !== senders[0]);
    expect(unlimited(many)).toEqual(unlimited(exact));
    // Of the last places of a day it is not said whose they are; that they are taken is.
    const limited = [exact, many].map((forecast) =>
      forecast.items.filter((item) => item.sender_id === senders[0]).map((item) => item.count),
    );
    expect(limited[1]!.slice(0, 10)).toEqual(Array(10).fill(9));
    expect(limited[0]!.slice(0, 10)).toEqual(Array(10).fill(9));
  });

  it('[TEN-4] of one enrollment is its own steps to the minute', async () => {
    await organization();
    const limited = await sender({ daily_limit: 4, time_zone: ZONE });
    const sequence = await world.sequence({
      sender_ids: [limited],
      steps: [first, { ...mail, ...days(1) }, { ...mail, ...days(2) }],
    });
    await enroll(sequence, await people(30));
    const [row] = await world.owner.call<{ id: Uuid }>(
      sql`SELECT id FROM enrollments WHERE org_id = ${world.org}::uuid ORDER BY live_touch LIMIT 1 OFFSET 17`,
    );
    const chosen = row!.id;
    const told = await forecastEnrollment(world.db, world.versions, world.org, chosen, wanted());
    expect(told.steps).toHaveLength(3);
    await live(told.until);
    const rows = await world.owner.call<{ step_no: number; gated_at: Date }>(
      sql`SELECT step_no, gated_at FROM touches WHERE source_id = ${chosen}::uuid AND state = 'sent' ORDER BY step_no`,
    );
    const minute = (at: Date | null) => Math.round((at?.getTime() ?? 0) / 60_000);
    expect(told.steps.map(({ step_no, at }) => [step_no, minute(at)])).toEqual(
      rows.map(({ step_no, gated_at }) => [step_no, minute(gated_at)]),
    );
    expect(told.steps[0]!.limit).toBe('quota_day');
  });

  it('[EXE-16] counts the frequency caps of contacts, over sequences and channels', async () => {
    await organization({ daily_cap: 1, weekly_cap: 3, channel_caps: { email: { day: null, week: 2 } } });
    const [one, other] = [await sender({ daily_limit: 9 }), await sender()];
    const steps = [first, { ...mail, ...days(20, 'hours') }, { ...mail, ...days(2) }];
    const a = await world.sequence({ sender_ids: [one], steps });
    const b = await world.sequence({ sender_ids: [other], steps });
    const contacts = await people(12);
    await enroll(a, contacts);
    clock.now += 1;
    await enroll(b, contacts.slice(4));
    const early = await forecastOrganization(world.db, world.versions, world.org, wanted());
    // From the middle: what contacts have had counts.
    const before = total(await live(new Date(clock.now + 2 * 86_400_000)));
    const told = await forecastOrganization(world.db, world.versions, world.org, wanted());
    const alone = await forecastSequence(world.db, world.versions, world.org, b, wanted());
    const [sofar, sofarB] = [await live(new Date(clock.now)), await live(new Date(clock.now), b)];
    expect(plus(sofar, table(told))).toEqual(await live(told.until));
    expect(table(early)).toEqual(await live(early.until));
    expect(plus(sofarB, table(alone))).toEqual(await live(told.until, b));
    expect(before + total(table(told))).toBe(60);
    expect(told.not_counted).toEqual([]);
    const limits = new Set(early.items.flatMap((item) => item.limits.map(({ limit }) => limit)));
    expect([...limits]).toEqual(expect.arrayContaining(['channel_cap_week', 'frequency_cap']));
  });

  it('[EXE-16] says that it does not count caps where contacts are not looked at one by one', async () => {
    await organization({ daily_cap: 1 });
    await enroll(await world.sequence({ steps: [first] }), await people(3));
    const told = await forecastOrganization(world.db, world.versions, world.org, {
      ...wanted(),
      max_single: 0,
    });
    expect(told.not_counted).toEqual(['frequency_cap']);
    expect(total(table(told))).toBe(3);
  });

  it('[SEQ-14] goes the way of each contact through waits, conditions and branches, when nothing more happens', async () => {
    await organization();
    const limited = await sender({ daily_limit: 5, time_zone: ZONE });
    const sequence = await world.sequence({
      sender_ids: [limited],
      steps: [
        first,
        waitFor({ event: 'deal.created' }, 2, days(1)),
        { ...mail, ...days(4, 'hours') },
        branch([[VIP, 'vip']], { ...days(1), otherwise: 'all' }),
        { ...mail, key: 'vip', next: 'end' },
        { ...mail, key: 'all', when: { not: { field: 'title', op: 'is', value: 'Head' } } },
        { ...mail, ...days(1) },
      ],
    });
    const contacts = await people(12);
    await changeTags(world.db, world.ctx, { contact_ids: contacts.slice(0, 5), add: ['vip'] });
    await world.owner.call(
      sql`UPDATE contacts SET title = 'Head' WHERE id = ANY (${contacts.slice(4, 7)}::uuid[])`,
    );
    const enrollments = await enroll(sequence, contacts);
    const told = await forecastOrganization(world.db, world.versions, world.org, wanted());
    const ways = await Promise.all(
      [0, 5, 8].map((i) =>
        forecastEnrollment(world.db, world.versions, world.org, enrollments[i]!, wanted()),
      ),
    );
    expect(ways.map(({ steps }) => steps.map(({ step_no }) => step_no))).toEqual([
      [0, 2, 4],
      [0, 2, 6],
      [0, 2, 5, 6],
    ]);
    // The wait may end sooner; what the tag decides is decided.
    expect(ways[2]!.steps.map(({ conditional }) => conditional)).toEqual([false, true, true, true]);
    expect(table(told)).toEqual(await live(told.until));
    expect(total(table(told))).toBe(5 * 3 + 2 * 3 + 5 * 4);
  });

  it('[SEQ-14] of a branch that fields and tags decide takes nothing for granted, of one that events decide all', async () => {
    await organization();
    const forked = (when: object) =>
      world.sequence({ steps: [branch([[when, 'last']]), first, { ...first, key: 'last' }] });
    const [contact] = await people(1);
    await changeTags(world.db, world.ctx, { contact_ids: [contact!], add: ['vip'] });
    const conditions = [VIP, { not: { event: 'deal.created' } }, { event: 'deal.created' }];
    const seen: unknown[] = [];
    for (const when of conditions) {
      const [id] = await enroll(await forked(when), [contact!]);
      const { steps } = await forecastEnrollment(world.db, world.versions, world.org, id!, wanted());
      seen.push(steps.map(({ step_no, conditional }) => [step_no, conditional]));
    }
    expect(seen).toEqual([
      [[2, false]],
      [[2, true]],
      [
        [1, true],
        [2, true],
      ],
    ]);
    await live(new Date(clock.now + 86_400_000));
    const rows = await world.owner.call<{ n: number }>(sql`
      SELECT count(*)::int AS n FROM touches WHERE org_id = ${world.org}::uuid AND state = 'sent' GROUP BY sequence_id ORDER BY min(created_at)`);
    expect(rows.map(({ n }) => n)).toEqual([1, 1, 2]);
  });

  it('[TEN-4] the preview counts limits and caps on the way that the contact takes', async () => {
    await organization({ weekly_cap: 2 });
    const limited = await sender({ daily_limit: 3, time_zone: ZONE });
    const definition = {
      sender_ids: [limited],
      steps: [
        branch([[VIP, 'vip']], { otherwise: 'all' }),
        { ...first, key: 'all', next: 'end' },
        { ...first, key: 'vip' },
        { ...mail, ...days(1) },
        { ...mail, ...days(1) },
      ],
    };
    const sequence = await world.sequence(definition);
    const [contact, ...others] = await people(11);
    await changeTags(world.db, world.ctx, { contact_ids: [contact!], add: ['vip'] });
    await enroll(sequence, others);
    clock.now += 1;
    const preview = await previewSequence(world.db, world.versions, world.ctx, sequence, {
      contact_id: contact!,
      unsubscribe_url: 'https://example.com/u',
      now: new Date(clock.now),
    });
    expect(preview.not_counted).toEqual([]);
    const [id] = await enroll(sequence, [contact!]);
    const { until } = await forecastOrganization(world.db, world.versions, world.org, wanted());
    await live(until);
    const rows = await world.owner.call<{ step_no: number; gated_at: Date }>(
      sql`SELECT step_no, gated_at FROM touches WHERE source_id = ${id}::uuid AND state = 'sent' ORDER BY step_no`,
    );
    const on = preview.steps.filter((step) => step.on_way && step.channel !== 'wait');
    expect(on.map(({ step_no, at }) => [step_no, at])).toEqual(
      rows.map(({ step_no, gated_at }) => [step_no, gated_at]),
    );
    expect(on.map(({ limit }) => limit)).toEqual(['quota_day', null, 'frequency_cap_week']);
  });

  it('[EXE-7] [EXE-9] is what happens with two workers who take the lane in turn', async () => {
    await organization();
    const senders = [await sender({ min_gap_s: 600, max_gap_s: 5_400 }), await sender({ daily_limit: 6 })];
    const sequence = await world.sequence({
      sender_ids: senders,
      steps: [first, { ...mail, ...days(1) }, { ...mail, ...days(7, 'hours') }],
    });
    await enroll(sequence, await people(30));
    const told = await forecastOrganization(world.db, world.versions, world.org, wanted());
    expect(table(told)).toEqual(await live(told.until, null, 2));
    expect(total(table(told))).toBe(90);
  });
});
