/** Organizations whose sending is limited in every way, worked on a moved clock: what a forecast is compared with. */
import { vi } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { deliver } from '../../src/dispatch/deliver.ts';
import type { Engine } from '../../src/dispatch/engine.ts';
import { leaveLane, takeLane } from '../../src/dispatch/lanes.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { type Forecast, forecastOrganization } from '../../src/plan/forecast/forecast.ts';
import { Tally } from '../../src/plan/forecast/tally.ts';
import { enrollContacts } from '../../src/plan/sequences/enroll.ts';
import { periodOf } from '../../src/schedule/period.ts';
import { deliverNow } from './deliver-now.ts';
import type { EngineWorld } from './engine.ts';

/** What the engine takes for now. */
export interface Clock {
  now: number;
}

export const ZONE = 'America/New_York';
export const WEEK = ['mon', 'tue', 'wed', 'thu', 'fri'];
export const days = (amount: number, unit = 'days') => ({ delay: { amount, unit } });
export const mail = { channel: 'email', body_text: 'Text' };
export const first = { ...mail, subject: 'Hi {{ contact.first_name }}' };

export interface OrganizationLimits {
  time_zone?: string;
  quiet_hours?: object | null;
  daily_cap?: number | null;
  weekly_cap?: number | null;
  channel_caps?: object | null;
}

export async function limitOrganization(
  { owner, org }: EngineWorld,
  { time_zone = ZONE, quiet_hours = null, daily_cap, weekly_cap, channel_caps }: OrganizationLimits = {},
): Promise<void> {
  const json = (value: object | null | undefined) => (value ? JSON.stringify(value) : null);
  await owner.call(sql`
    UPDATE organizations SET time_zone = ${time_zone}, policy_version = policy_version + 1, contact_daily_cap = ${daily_cap ?? null}::int,
           contact_weekly_cap = ${weekly_cap ?? null}::int, channel_caps = ${json(channel_caps)}::jsonb,
           quiet_hours = coalesce(${json(quiet_hours)}::jsonb, quiet_hours) WHERE org_id = ${org}::uuid`);
}

export interface SenderLimits {
  daily_limit?: number | null;
  hourly_limit?: number | null;
  ramp?: object | null;
  min_gap_s?: number | null;
  max_gap_s?: number | null;
  time_zone?: string | null;
  sending_window?: object | null;
}

export async function limitedSender(world: EngineWorld, limits: SenderLimits = {}): Promise<Uuid> {
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

/** Their zones in turn. */
export async function peopleIn(
  world: EngineWorld,
  count: number,
  zones: readonly (string | null)[] = [null],
): Promise<Uuid[]> {
  const ids = await world.contacts(count);
  await world.owner.call(sql`
    UPDATE contacts c SET time_zone = u.zone FROM unnest(${ids}::uuid[], ${ids.map((_, i) => zones[i % zones.length])}::text[]) u(id, zone) WHERE c.id = u.id`);
  return ids;
}

export async function enrollAt(
  world: EngineWorld,
  clock: Clock,
  sequence: Uuid,
  contacts: readonly Uuid[],
): Promise<Uuid[]> {
  const results = await enrollContacts(world.db, world.versions, world.ctx, {
    sequence_id: sequence,
    contact_ids: contacts,
    now: new Date(clock.now),
  });
  return results.map((result) => result.enrollment_id!);
}

/** By day of the organization and sender. */
export function tableOf({ items }: Pick<Forecast, 'items'>): Record<string, number> {
  return Object.fromEntries(items.map(({ day, sender_id, count }) => [`${day} ${sender_id}`, count]));
}

interface Message {
  id: Uuid;
  /** Unix milliseconds. */
  at: number;
}

/** The organization's forecast, with each message that it counts. */
export async function foretell(
  { db, versions, org }: EngineWorld,
  clock: Clock,
  count: number,
): Promise<{ told: Forecast; foreseen: Message[] }> {
  const sent = vi.spyOn(Tally.prototype, 'sent');
  const told = await forecastOrganization(db, versions, org, { days: count, now: new Date(clock.now) });
  const foreseen = sent.mock.calls.map(([cohort, , at]) => ({ id: cohort.id, at }));
  sent.mockRestore();
  return { told, foreseen };
}

export function inOrder(messages: readonly Message[]): string[] {
  return messages.map(({ id, at }) => `${new Date(at).toISOString()} ${id}`).sort();
}

interface Sent extends Message {
  sender_id: Uuid;
}

/** Works everything that falls due before `until`, moment by moment, as so many workers. */
export async function workUntil(world: EngineWorld, clock: Clock, until: Date, workers = 1): Promise<void> {
  const engines = Array.from({ length: workers }, () => ({
    ...world.newEngine(),
    now: () => new Date(clock.now),
  }));
  for (;;) {
    const [due] = await world.owner.call<{ at: Date | null }>(
      sql`SELECT min(wake_at) AS at FROM touches WHERE org_id = ${world.org}::uuid AND state = 'planned'`,
    );
    if (!due?.at || due.at >= until) return;
    clock.now = Math.max(clock.now, due.at.getTime());
    if (workers === 1) await deliverNow(world, engines[0]);
    else await Promise.all(engines.map(workLanes));
  }
}

/** As a worker does: takes the lane, works it, lets it go, while it finds one with something due. */
async function workLanes(engine: Engine): Promise<void> {
  const { lane_lease_ms } = engine.limits;
  for (;;) {
    const lane = await takeLane(engine.db, engine.worker, lane_lease_ms, engine.now!());
    if (!lane) return;
    await deliver(engine, lane, { stop: () => false, settled: () => undefined });
    await leaveLane(engine.db, lane, 0);
  }
}

/** What was sent, of a sequence or of all. */
export async function sentBy(world: EngineWorld, sequence: Uuid | null = null): Promise<Sent[]> {
  const rows = await world.owner.call<{ id: Uuid; sender_id: Uuid; gated_at: Date }>(sql`
    SELECT id, sender_id, gated_at FROM touches WHERE org_id = ${world.org}::uuid AND state = 'sent' AND (${sequence}::uuid IS NULL OR sequence_id = ${sequence}::uuid)`);
  return rows.map(({ gated_at, ...row }) => ({ ...row, at: gated_at.getTime() }));
}

/** By day and sender, as tableOf. */
export async function countSent(world: EngineWorld, sent: readonly Sent[]): Promise<Record<string, number>> {
  const [zone] = await world.owner.call<{ time_zone: string }>(
    sql`SELECT time_zone FROM organizations WHERE org_id = ${world.org}::uuid`,
  );
  const counts: Record<string, number> = {};
  for (const { sender_id, at } of sent) {
    const key = `${periodOf(at, zone!.time_zone)!.day} ${sender_id}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}
