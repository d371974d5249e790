/**
 * Another time for touches that may not go now: the next opening, the next hour, or, when a sender's day is used
 * up, a place on one of its coming days, given once and in order by the code that also forecasts (EXE-7). Nothing
 * is dropped, skipped or moved on.
 */
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { Settlement } from '../ledger/settle.ts';
import type { Planning } from '../plan/sequences/calendar.ts';
import { reopening } from '../plan/sequences/next.ts';
import { through } from '../plan/sequences/step-sender.ts';
import { rulesFor } from '../plan/sequences/time-rules.ts';
import type { Version } from '../plan/sequences/versions.ts';
import { periodOf } from '../schedule/period.ts';
import { MAX_ALLOCATION_DAYS, placeInOrder, type SenderDays, senderDays } from '../schedule/slots.ts';
import type { Rule } from '../schedule/window.ts';
import { DAY_MS } from '../schedule/zone.ts';
import { dayKey } from '../senders/periods.ts';
import type { Engine } from './engine.ts';
import type { DueTouch } from './lanes.ts';
import { settlementOfRefusal } from './outcomes.ts';
import { placeOfTouch } from './situation.ts';

export type Postponement =
  | 'window_closed'
  | 'quiet_hours'
  | 'holiday'
  | 'rules_changed'
  | 'quota_day'
  | 'quota_hour'
  | 'frequency_cap';

export interface Postponed {
  touch: DueTouch;
  version: Version;
  reason: Postponement;
}

export async function postpone(
  engine: Engine,
  org: Uuid,
  planning: Planning,
  postponed: readonly Postponed[],
  at: number,
): Promise<Settlement[]> {
  const settlements: Settlement[] = [];
  const byDay = new Map<Uuid, Postponed[]>();
  for (const item of postponed) {
    if (item.reason === 'quota_day') {
      // Only what goes through a sender has a day to use up.
      const sender = item.touch.sender_id!;
      const list = byDay.get(sender);
      if (list) list.push(item);
      else byDay.set(sender, [item]);
    } else settlements.push(until(engine, planning, item, at));
  }
  for (const [sender, items] of byDay)
    settlements.push(...(await ontoDays(engine, org, planning, sender, items, at)));
  return settlements;
}

function until(engine: Engine, planning: Planning, item: Postponed, at: number): Settlement {
  const found = through(planning, item.touch.sender_id);
  if (!found) return settlementOfRefusal(item.touch, 'no_sender', at)!;
  const zone = found.calendar.sender_zone ?? planning.organization.time_zone;
  const from =
    item.reason === 'quota_hour'
      ? periodOf(at, zone)!.hour_end_ms
      : item.reason === 'frequency_cap'
        ? periodOf(at, planning.organization.time_zone)!.day_end_ms
        : at;
  const { touch, version } = item;
  const place = placeOfTouch(touch, planning);
  const opening = (moment: number) =>
    reopening(version.definition, touch.channel, moment, found.calendar, place);
  let open = opening(from);
  // In its last moments the gate lets nothing through any more: then the one after it.
  if (open.ok && open.not_after !== null && open.not_after < open.not_before + engine.limits.budget_ms)
    open = opening(open.not_after);
  if (!open.ok) return settlementOfRefusal(item.touch, 'bad_schedule', at, open.detail)!;
  return later(item, at, open.not_before, open.not_after);
}

function later(item: Postponed, at: number, wake: number, notAfter: number | null): Settlement {
  const { touch, reason } = item;
  return {
    touch_id: touch.id,
    source_id: touch.source_id,
    outcome: 'postponed',
    at,
    reason,
    wake,
    not_after: notAfter,
  };
}

/** Places on the sender's coming days: as many a day as its limit leaves, each when its own rules allow it. */
async function ontoDays(
  engine: Engine,
  org: Uuid,
  planning: Planning,
  senderId: Uuid,
  items: readonly Postponed[],
  at: number,
): Promise<Settlement[]> {
  const sender = planning.senders.get(senderId)!;
  const zone = sender.time_zone ?? planning.organization.time_zone;
  const tomorrow = periodOf(at, zone)!.day_end_ms;
  const settlements: Settlement[] = [];
  const open: { item: Postponed; days: SenderDays }[] = [];
  // Recipients in one place share their days.
  const daysOf = new Map<readonly Rule[], ReturnType<typeof senderDays>>();
  for (const item of items) {
    const { touch, version } = item;
    const place = placeOfTouch(touch, planning);
    const { all } = rulesFor(version.definition, sender.calendar, touch.channel, place);
    const days = daysOf.get(all) ?? senderDays(tomorrow, zone, all);
    daysOf.set(all, days);
    if (typeof days === 'function') open.push({ item, days });
    else settlements.push(settlementOfRefusal(touch, 'bad_schedule', at, days.detail)!);
  }
  const taken = await assignedDays(engine, org, senderId, dayKey(periodOf(tomorrow, zone)!.day));
  const limit = sender.daily_limit ?? Number.POSITIVE_INFINITY;
  const places = placeInOrder(
    open.map(({ days }) => days),
    (date) => limit - (taken.get(dayKey(date)) ?? 0),
  );
  const assigned = new Map<string, number>();
  open.forEach(({ item }, i) => {
    const place = places[i] ?? null;
    if (place !== null) assigned.set(place.date, (assigned.get(place.date) ?? 0) + 1);
    // Nothing free for years: looked at again then.
    const wake = place?.not_before ?? tomorrow + MAX_ALLOCATION_DAYS * DAY_MS;
    settlements.push(later(item, at, wake, place?.not_after ?? null));
  });
  await engine.db.call(sql`
    SELECT slots_assign(${org}::uuid, ${senderId}::uuid, ${[...assigned.keys()].map(dayKey)}::text[], ${[...assigned.values()]}::int[])`);
  return settlements;
}

async function assignedDays(
  engine: Engine,
  org: Uuid,
  sender: Uuid,
  from: string,
): Promise<Map<string, number>> {
  const rows = await engine.db.inOrg(org, (tx) =>
    tx.rows<{ period: string; taken: number }>(sql`
      SELECT period, greatest(used, assigned) AS taken FROM sender_usage
       WHERE org_id = ${org} AND sender_id = ${sender} AND period >= ${from} AND period LIKE 'd%'`),
  );
  return new Map(rows.map((row) => [row.period, row.taken]));
}
