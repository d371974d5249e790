/** The forecast, then what really happens on a moved clock: equal. */
import { performance } from 'node:perf_hooks';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import {
  type Forecast,
  forecastEnrollment,
  forecastOrganization,
  forecastSequence,
} from '../../src/plan/forecast/forecast.ts';
import { enrollContacts } from '../../src/plan/sequences/enroll.ts';
import { periodOf } from '../../src/schedule/period.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
/** What the engine takes for now: ahead of the real time, days before clocks change in America. */
let clock: number;
beforeEach(() => {
  world = worldOf();
  clock = Date.parse('2027-03-08T15:20:30.500Z');
  // Time stands still while a moment is worked: who answers a millisecond earlier would be first a day later.
  vi.spyOn(performance, 'now').mockReturnValue(performance.now());
});
afterEach(() => vi.restoreAllMocks());

const ZONE = 'America/New_York';
const WEEK = ['mon', 'tue', 'wed', 'thu', 'fri'];
const days = (amount: number, unit = 'days') => ({ delay: { amount, unit } });
const mail = { channel: 'email', body_text: 'Text' };
const first = { ...mail, subject: 'Hi {{ contact.first_name }}' };

async function organization(settings: { time_zone?: string; quiet_hours?: object } = {}): Promise<void> {
  await world.owner.call(sql`
    UPDATE organizations SET time_zone = ${settings.time_zone ?? ZONE}, policy_version = policy_version + 1,
           quiet_hours = coalesce(${JSON.stringify(settings.quiet_hours ?? null)}::jsonb, quiet_hours) WHERE org_id = ${world.org}::uuid`);
}

interface Limits {
  daily_limit?: number;
  hourly_limit?: number;
  ramp?: object;
  min_gap_s?: number;
  max_gap_s?: number;
  time_zone?: string;
  sending_window?: object;
}

async function sender(limits: Limits = {}): Promise<Uuid> {
  const id = newId();
  await world.db.inOrg(world.org, (tx) =>
    tx.run(sql`
      INSERT INTO senders (org_id, id, channel, provider, name, from_address, daily_limit, hourly_limit, ramp, min_gap_s, max_gap_s, time_zone, sending_window)
      VALUES (${world.org}, ${id}, 'email', 'test', 'S', ${`${id}@example.com`}, ${limits.daily_limit ?? null}, ${limits.hourly_limit ?? null},
        ${limits.ramp ? JSON.stringify(limits.ramp) : null}, ${limits.min_gap_s ?? null}, ${limits.max_gap_s ?? null}, ${limits.time_zone ?? null},
        ${limits.sending_window ? JSON.stringify(limits.sending_window) : null})`),
  );
  return id;
}

async function people(count: number, zones: (string | null)[] = [null]): Promise<Uuid[]> {
  const ids = await world.contacts(count);
  await world.owner.call(sql`
    UPDATE contacts c SET time_zone = u.zone FROM unnest(${ids}::uuid[], ${ids.map((_, i) => zones[i % zones.length])}::text[]) u(id, zone) WHERE c.id = u.id`);
  return ids;
}

async function enroll(sequence: Uuid, contacts: readonly Uuid[]): Promise<Uuid[]> {
  const now = new Date(clock);
  const results = await enrollContacts(world.db, world.versions, world.ctx, {
    sequence_id: sequence,
    contact_ids: contacts,
    now,
  });
  return results.map((result) => result.enrollment_id!);
}

const wanted = (count = 40) => ({ days: count, now: new Date(clock) });

/** By day of the organization and sender. */
function table({ items }: Pick<Forecast, 'items'>): Record<string, number> {
  return Object.fromEntries(items.map(({ day, sender_id, count }) => [`${day} ${sender_id}`, count]));
}

/** Works everything that falls due before `until`, moment by moment; what was sent, the same way. */
async function live(until: Date, sequence: Uuid | null = null): Promise<Record<string, number>> {
  const [zone] = await world.owner.call(
    sql`SELECT time_zone FROM organizations WHERE org_id = ${world.org}::uuid`,
  );
  const engine = { ...world.newEngine(), now: () => new Date(clock) };
  for (;;) {
    const [due] = await world.owner.call<{ at: Date | null }>(
      sql`SELECT min(wake_at) AS at FROM touches WHERE org_id = ${world.org}::uuid AND state = 'planned'`,
    );
    if (!due?.at || due.at >= until) break;
    clock = Math.max(clock, due.at.getTime());
    await deliverNow(world, engine);
  }
  const sent = await world.owner.call<{ sender_id: Uuid; gated_at: Date }>(sql`
    SELECT sender_id, gated_at FROM touches WHERE org_id = ${world.org}::uuid AND state = 'sent' AND (${sequence}::uuid IS NULL OR sequence_id = ${sequence}::uuid)`);
  const counts: Record<string, number> = {};
  for (const { sender_id, gated_at } of sent) {
    const key = `${periodOf(gated_at.getTime(), zone!.time_zone)!.day} ${sender_id}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
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
    clock += 1;
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
    const told = await forecastOrganization(world.db, world.versions, world.org, wanted());
    const happened = await live(told.until);
    expect(table(told)).toEqual(happened);
    expect(total(happened)).toBe(80);
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
    await enroll(sequence, await people(40));
    const day = 86_400_000;
    const before = await live(new Date(clock + 4 * day + 3_600_000));
    clock += 3_600_000;
    await enroll(sequence, await people(10));
    const told = await forecastOrganization(world.db, world.versions, world.org, wanted());
    const after = await live(told.until);
    const expected = { ...before };
    for (const [key, n] of Object.entries(table(told))) expected[key] = (expected[key] ?? 0) + n;
    expect(after).toEqual(expected);
    expect(total(before)).toBeGreaterThan(10);
  });

  it('[I3] counts those alike together when they are many: the same sends, and the same without limits', async () => {
    await organization({ quiet_hours: { from: '20:00', to: '09:00', channels: ['email'] } });
    const senders = await Promise.all([
      sender({ daily_limit: 9, time_zone: ZONE }),
      sender({ time_zone: 'Europe/London' }),
      sender({ sending_window: { days: WEEK, from: '10:00', to: '16:30' } }),
    ]);
    const sequence = await world.sequence({
      sender_ids: senders,
      window: { days: WEEK, from: '08:30', to: '18:00', time_zone: ZONE },
      steps: [first, { ...mail, ...days(2) }, { ...mail, ...days(75, 'minutes') }],
    });
    await enroll(sequence, await people(150, ['America/Los_Angeles', 'Europe/Berlin', null]));
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
    const enrollments = await enroll(sequence, await people(30));
    const chosen = [...enrollments].sort()[17]!;
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
});
