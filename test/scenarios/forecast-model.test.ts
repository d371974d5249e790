/**
 * Random organizations: every message goes at the very moment that the forecast says. Ids, and so the gaps that they draw, are
 * new each time. A failure prints its seed and path:
 * FC_SEED=… FC_PATH=… runs it again.
 */
import { performance } from 'node:perf_hooks';
import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { changeTags } from '../../src/contacts/change-tags.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import type { EngineWorld } from '../support/engine.ts';
import {
  type Clock,
  countSent,
  enrollAt,
  foretell,
  inOrder,
  limitedSender,
  limitOrganization,
  peopleIn,
  sentBy,
  tableOf,
  workUntil,
} from '../support/forecasts.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
afterEach(() => vi.restoreAllMocks());

const RUNS = Number(process.env['FC_RUNS'] ?? 24);
const DAYS = 20;
const HOUR_MS = 3_600_000;
const ZONES = ['America/New_York', 'Europe/Berlin', 'Pacific/Auckland', 'Asia/Kolkata'];

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null, freq: 2 });
const upTo = (max: number, min = 1) => fc.integer({ min, max });
const zone = fc.constantFrom(...ZONES);
const windows = fc.constantFrom(
  { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '09:00', to: '17:00' },
  { days: ['mon', 'wed', 'sat', 'sun'], from: '08:30', to: '11:15' },
  { days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], from: '20:00', to: '23:00' },
);
const pair = fc.record({ day: maybe(upTo(2)), week: maybe(upTo(3)) });

const sender = fc.record({
  daily_limit: maybe(upTo(5)),
  hourly_limit: maybe(upTo(3)),
  ramp: maybe(fc.record({ start: upTo(2), increase: upTo(2), every_days: upTo(2) })),
  gap: maybe(fc.tuple(fc.constantFrom(20, 300, 3_600), upTo(5_400, 0))),
  time_zone: maybe(zone),
  sending_window: maybe(windows),
});

const delay = fc.oneof(
  fc.record({ amount: upTo(3, 0), unit: fc.constant('days') }),
  fc.record({ amount: upTo(30, 0), unit: fc.constant('hours') }),
  fc.record({ amount: upTo(90, 0), unit: fc.constant('minutes') }),
  fc.record({ amount: upTo(2), unit: fc.constant('business_days') }),
);
const condition = fc.constantFrom<object>(
  { tag: 'vip' },
  { not: { tag: 'vip' } },
  { event: 'deal.created' },
  { not: { event: 'deal.created' } },
);
const email = fc.record({
  channel: fc.constant('email'),
  delay,
  subject: fc.constant('Hi'),
  body_text: fc.constant('Text'),
});
const step = fc.oneof(
  { weight: 6, arbitrary: email },
  { weight: 1, arbitrary: fc.tuple(email, condition).map(([one, when]) => ({ ...one, when })) },
  {
    weight: 1,
    arbitrary: fc.tuple(delay, condition, upTo(3)).map(([begin, until, amount]) => ({
      channel: 'wait',
      delay: begin,
      until,
      at_most: { amount, unit: 'days' },
    })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(delay, condition).map(([begin, when]) => ({
      channel: 'wait',
      delay: begin,
      branches: [{ when, go_to: 'end' }],
    })),
  },
);
const sequence = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 3 }),
  window: maybe(windows),
  both: fc.boolean(),
  time_zone: maybe(zone),
});

const organization = fc.record({
  time_zone: zone,
  quiet: fc.boolean(),
  daily_cap: maybe(upTo(2)),
  weekly_cap: maybe(upTo(3)),
  email_cap: maybe(pair),
  senders: fc.array(sender, { minLength: 1, maxLength: 2 }),
  sequences: fc.array(sequence, { minLength: 1, maxLength: 2 }),
  zones: fc.array(maybe(zone), { minLength: 1, maxLength: 3 }),
  contacts: upTo(6, 2),
  vips: upTo(3, 0),
  /** Milliseconds from some Monday; and hours that it has worked before it is asked. */
  start: upTo(7 * 24 * HOUR_MS, 0),
  before: fc.constantFrom(0, 0, 5, 50),
  workers: upTo(2),
});
type Organization = typeof organization extends fc.Arbitrary<infer Value> ? Value : never;

const given = {
  ...(process.env['FC_SEED'] ? { seed: Number(process.env['FC_SEED']) } : {}),
  ...(process.env['FC_PATH'] ? { path: process.env['FC_PATH'] } : {}),
};

async function setUp(world: EngineWorld, clock: Clock, of: Organization): Promise<void> {
  const { time_zone, daily_cap, weekly_cap } = of;
  await limitOrganization(world, {
    time_zone,
    daily_cap,
    weekly_cap,
    quiet_hours: of.quiet ? { from: '20:00', to: '09:00', channels: ['email'] } : null,
    channel_caps: of.email_cap ? { email: of.email_cap } : null,
  });
  const senders: Uuid[] = [];
  for (const { gap, ...limits } of of.senders)
    senders.push(
      await limitedSender(world, {
        ...limits,
        ...(gap ? { min_gap_s: gap[0], max_gap_s: gap[0] + gap[1] } : {}),
      }),
    );
  const contacts = await peopleIn(world, of.contacts, of.zones);
  if (of.vips > 0)
    await changeTags(world.db, world.ctx, { contact_ids: contacts.slice(0, of.vips), add: ['vip'] });
  for (const [i, { steps, window, both, time_zone: theirs }] of of.sequences.entries()) {
    const id = await world.sequence({
      sender_ids: both ? senders : [senders[i % senders.length]],
      steps,
      ...(window ? { window } : {}),
      ...(theirs ? { time_zone: theirs } : {}),
    });
    await enrollAt(world, clock, id, contacts);
    clock.now += 1;
  }
}

test('[I3] [SEQ-16] [EXE-7] [EXE-9] [EXE-16] of random organizations the forecast is what happens, to the millisecond', async () => {
  const seed = given.seed ?? Date.now() % 2 ** 31;
  console.log(`forecast model: seed ${seed}`);
  let messages = 0;
  let limited = 0;
  await fc.assert(
    fc.asyncProperty(organization, async (of) => {
      const world = await worldOf().another();
      // Time stands still while a moment is worked: who answers a millisecond earlier would be first a day later.
      vi.spyOn(performance, 'now').mockReturnValue(performance.now());
      const clock = { now: Date.parse('2027-03-08T00:00:00Z') + of.start };
      await setUp(world, clock, of);
      await workUntil(world, clock, new Date(clock.now + of.before * HOUR_MS), of.workers);
      const before = new Set((await sentBy(world)).map(({ id }) => id));
      const { told, foreseen } = await foretell(world, clock, DAYS);
      await workUntil(world, clock, told.until, of.workers);
      const happened = (await sentBy(world)).filter(({ id }) => !before.has(id));
      expect(inOrder(foreseen)).toEqual(inOrder(happened));
      expect(tableOf(told)).toEqual(await countSent(world, happened));
      expect(told.not_counted).toEqual([]);
      messages += happened.length;
      limited += told.items.flatMap(({ limits }) => limits).reduce((sum, { count }) => sum + count, 0);
    }),
    { numRuns: RUNS, endOnFailure: true, ...given, seed },
  );
  if (given.path === undefined && RUNS > 10) {
    expect(messages).toBeGreaterThan(RUNS);
    expect(limited).toBeGreaterThan(RUNS);
  }
}, 240_000);
