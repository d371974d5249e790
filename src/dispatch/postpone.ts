/**
 * Another time for touches that may not go now: the next opening, the next hour, a moment that keeps its sender's gap, or,
 * when a sender's day is used up, a place on one of its coming days, given once and in order by the code that also
 * forecasts (EXE-7). Nothing is dropped, skipped or moved on.
 */
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { Settlement } from '../ledger/settle.ts';
import type { Planning } from '../plan/sequences/calendar.ts';
import { againFrom, ComingDays, openFrom, type Postponement, roomOn } from '../plan/sequences/later.ts';
import type { Opening } from '../plan/sequences/next.ts';
import { through } from '../plan/sequences/step-sender.ts';
import type { Calendar } from '../plan/sequences/time-rules.ts';
import type { Version } from '../plan/sequences/versions.ts';
import { MAX_ALLOCATION_DAYS, placeInOrder, type SenderDays } from '../schedule/slots.ts';
import { DAY_MS } from '../schedule/zone.ts';
import { dayKey } from '../senders/periods.ts';
import { readFirstDays } from '../senders/usage.ts';
import type { Engine } from './engine.ts';
import type { DueTouch } from './lanes.ts';
import { ontoSlots } from './onto-slots.ts';
import { settlementOfRefusal } from './outcomes.ts';
import { placeOfTouch } from './situation.ts';

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
  // Only what goes through a sender has a day to use up, or a gap to keep.
  const byDay = new Map<Uuid, Postponed[]>();
  const byGap = new Map<Uuid, Postponed[]>();
  for (const item of postponed) {
    if (item.reason === 'quota_day' || item.reason === 'sender_ramp')
      append(byDay, item.touch.sender_id!, item);
    else if (item.reason === 'sender_gap') append(byGap, item.touch.sender_id!, item);
    else settlements.push(until(engine, planning, item, at));
  }
  for (const [sender, items] of byDay)
    settlements.push(...(await ontoDays(engine, org, planning, sender, items, at)));
  for (const [sender, items] of byGap)
    settlements.push(...(await ontoGaps(engine, org, planning, sender, items, at)));
  return settlements;
}

function append(lists: Map<Uuid, Postponed[]>, sender: Uuid, item: Postponed): void {
  const list = lists.get(sender);
  if (list) list.push(item);
  else lists.set(sender, [item]);
}

function until(engine: Engine, planning: Planning, item: Postponed, at: number): Settlement {
  const found = through(planning, item.touch.sender_id);
  if (!found) return settlementOfRefusal(item.touch, 'no_sender', at)!;
  const { time_zone } = planning.organization;
  const zones = { sender: found.calendar.sender_zone ?? time_zone, organization: time_zone };
  const from = againFrom(item.reason, at, zones);
  const open = openingFrom(engine, planning, found.calendar, item, from);
  if (!open.ok) return settlementOfRefusal(item.touch, 'bad_schedule', at, open.detail)!;
  return later(item, at, open.not_before, open.not_after);
}

function openingFrom(
  engine: Engine,
  planning: Planning,
  calendar: Calendar,
  { touch, version }: Postponed,
  from: number,
): Opening {
  const place = placeOfTouch(touch, planning);
  return openFrom(version.definition, touch.channel, from, calendar, place, engine.limits.budget_ms);
}

/** Moments as far apart as the sender's gaps, each in an opening of its own touch. */
async function ontoGaps(
  engine: Engine,
  org: Uuid,
  planning: Planning,
  senderId: Uuid,
  items: readonly Postponed[],
  at: number,
): Promise<Settlement[]> {
  const sender = planning.senders.get(senderId)!;
  const why = new Map<Uuid, string>();
  const waiting = items.map((item) => ({
    id: item.touch.id,
    open(moment: number) {
      const open = openingFrom(engine, planning, sender.calendar, item, moment);
      if (open.ok) return open;
      why.set(item.touch.id, open.detail);
      return null;
    },
  }));
  const places = await ontoSlots(engine, org, sender, waiting, at);
  return items.map((item, i) => {
    const place = places[i];
    return place
      ? later(item, at, place.at, place.not_after)
      : settlementOfRefusal(item.touch, 'bad_schedule', at, why.get(item.touch.id))!;
  });
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
  const coming = new ComingDays(at, zone);
  const settlements: Settlement[] = [];
  const open: { item: Postponed; days: SenderDays }[] = [];
  for (const item of items) {
    const { touch, version } = item;
    const days = coming.for(
      version.definition,
      touch.channel,
      sender.calendar,
      placeOfTouch(touch, planning),
    );
    if (typeof days === 'function') open.push({ item, days });
    else settlements.push(settlementOfRefusal(touch, 'bad_schedule', at, days.detail)!);
  }
  const { taken, first } = await assignedDays(engine, org, senderId, coming.firstKey);
  const places = placeInOrder(
    open.map(({ days }) => days),
    (date) => roomOn(sender, first, date, taken.get(dayKey(date)) ?? 0),
  );
  const assigned = new Map<string, number>();
  open.forEach(({ item }, i) => {
    const place = places[i] ?? null;
    if (place !== null) assigned.set(place.date, (assigned.get(place.date) ?? 0) + 1);
    // Nothing free for years: looked at again then.
    const wake = place?.not_before ?? coming.from + MAX_ALLOCATION_DAYS * DAY_MS;
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
): Promise<{ taken: Map<string, number>; first: string | null }> {
  return engine.db.inOrg(org, async (tx) => {
    const rows = await tx.rows<{ period: string; taken: number }>(sql`
      SELECT period, greatest(used, assigned) AS taken FROM sender_usage
       WHERE org_id = ${org} AND sender_id = ${sender} AND period >= ${from} AND period LIKE 'd%'`);
    const first = (await readFirstDays(tx, org, [sender])).get(sender) ?? null;
    return { taken: new Map(rows.map((row) => [row.period, row.taken])), first };
  });
}
