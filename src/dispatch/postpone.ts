/**
 * Another time for touches that may not go now: the next opening, the next hour, or, when a sender's day is used
 * up, a place on one of its coming days, given once and in order by the code that also forecasts (EXE-7). Nothing
 * is dropped, skipped or moved on.
 */
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { Settlement } from '../ledger/settle.ts';
import type { Planning } from '../plan/sequences/calendar.ts';
import { reopening, windows } from '../plan/sequences/next.ts';
import type { Version } from '../plan/sequences/versions.ts';
import { periodOf } from '../schedule/period.ts';
import { allocate, placeTime, senderDays } from '../schedule/slots.ts';
import { dayKey } from '../senders/periods.ts';
import type { Engine } from './engine.ts';
import type { DueTouch } from './lanes.ts';
import { settlementOfRefusal } from './outcomes.ts';

export type Postponement = 'window_closed' | 'quota_day' | 'quota_hour' | 'frequency_cap';

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
      const list = byDay.get(item.touch.sender_id);
      if (list) list.push(item);
      else byDay.set(item.touch.sender_id, [item]);
    } else settlements.push(until(planning, item, at));
  }
  for (const [sender, items] of byDay)
    settlements.push(...(await ontoDays(engine, org, planning, sender, items, at)));
  return settlements;
}

function until(planning: Planning, item: Postponed, at: number): Settlement {
  const sender = planning.senders.get(item.touch.sender_id);
  if (!sender) return settlementOfRefusal(item.touch, 'no_sender', at)!;
  const zone = sender.time_zone ?? planning.organization.time_zone;
  const from =
    item.reason === 'quota_hour'
      ? periodOf(at, zone)!.hour_end_ms
      : item.reason === 'frequency_cap'
        ? periodOf(at, planning.organization.time_zone)!.day_end_ms
        : at;
  const open = reopening(item.version.definition, from, sender.calendar);
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

/** Places on the sender's coming days: as many a day as its limit leaves. */
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
  const days = senderDays(tomorrow, zone, windows(items[0]!.version.definition, sender.calendar));
  if (typeof days !== 'function')
    return items.map((item) => settlementOfRefusal(item.touch, 'bad_schedule', at, days.detail)!);
  const taken = await assignedDays(engine, org, senderId, dayKey(periodOf(tomorrow, zone)!.day));
  const limit = sender.daily_limit ?? Number.POSITIVE_INFINITY;
  const { placements } = allocate(
    items.length,
    (day) => limit - (taken.get(dayKey(days(day)?.date ?? '')) ?? 0),
    days,
  );
  await engine.db.call(sql`
    SELECT slots_assign(${org}::uuid, ${senderId}::uuid, ${placements.map((p) => dayKey(days(p.day)!.date))}::text[], ${placements.map((p) => p.count)}::int[])`);
  return placements.flatMap((placement) =>
    items
      .slice(placement.first, placement.first + placement.count)
      .map((item, k) => later(item, at, placeTime(placement, k), placement.not_after)),
  );
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
