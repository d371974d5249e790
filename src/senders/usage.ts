/** What a sender has used of its day and hour, in its own zone [EXE-7]: the counters that the gate reserves from. */
import type { Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { periodOf } from '../schedule/period.ts';
import type { SendingRecord } from './breaker.ts';
import { type GapSettings, hasGap } from './gap.ts';
import { dayKey, hourKey } from './periods.ts';
import { type Ramp, rampLimit } from './ramp.ts';
import { readRecord } from './record.ts';

export interface Usage {
  /** The zone its days are counted in. */
  time_zone: string;
  /** `2026-11-22`, today there. */
  day: string;
  used_today: number;
  daily_limit: number | null;
  /** What its ramp allows it today. */
  ramp_limit: number | null;
  /** The lesser of both, and which of them it is. */
  limit_today: number | null;
  limited_by: 'daily_limit' | 'ramp' | null;
  /** null without an hourly limit: then nobody counts. */
  used_this_hour: number | null;
  hourly_limit: number | null;
  next_day_at: Date;
  /** What its circuit breaker goes by. */
  record: SendingRecord;
  /** null: it keeps no gap between two sends. */
  gap: GapUsage | null;
}

interface GapUsage {
  /** From when the gap before its next send counts: the last moment at which its last call could begin. */
  counts_from: Date | null;
  /** Touches that were given a moment because of it, and the next of these. */
  waiting: number;
  next_at: Date | null;
}

interface Limited extends GapSettings {
  id: Uuid;
  time_zone: string | null;
  daily_limit: number | null;
  hourly_limit: number | null;
  ramp: Ramp | null;
}

/** By sender; one whose zone cannot be read has no entry. */
export async function readUsage(tx: Tx, org: Uuid, senders: readonly Limited[]): Promise<Map<Uuid, Usage>> {
  const usage = new Map<Uuid, Usage>();
  if (senders.length === 0) return usage;
  const { time_zone, now } = await tx.one<{ time_zone: string; now: Date }>(
    sql`SELECT time_zone, clock_timestamp() AS now FROM organizations WHERE org_id = ${org}`,
  );
  const periods = senders.flatMap((sender) => {
    const zone = sender.time_zone ?? time_zone;
    const period = periodOf(now.getTime(), zone);
    return period ? [{ sender, zone, period, day: dayKey(period.day), hour: hourKey(period.hour_key) }] : [];
  });
  const rows = await tx.rows<{ sender_id: Uuid; period: string; used: number }>(sql`
    SELECT sender_id, period, used FROM sender_usage
     WHERE org_id = ${org} AND sender_id = ANY (${periods.map((p) => p.sender.id)})
       AND period = ANY (${[...new Set(periods.flatMap((p) => [p.day, p.hour]))]})`);
  const gaps = await readGaps(tx, org, senders.filter(hasGap));
  const ramped = senders.filter(({ ramp }) => ramp !== null).map(({ id }) => id);
  const first = await readFirstDays(tx, org, ramped);
  const used = new Map(rows.map((row) => [`${row.sender_id} ${row.period}`, row.used]));
  for (const { sender, zone, period, day, hour } of periods) {
    usage.set(sender.id, {
      time_zone: zone,
      day: period.day,
      used_today: used.get(`${sender.id} ${day}`) ?? 0,
      ...limitOfDay(sender, first.get(sender.id) ?? null, period.day),
      used_this_hour: sender.hourly_limit === null ? null : (used.get(`${sender.id} ${hour}`) ?? 0),
      hourly_limit: sender.hourly_limit,
      next_day_at: new Date(period.day_end_ms),
      record: await readRecord(tx, org, sender.id, period.day),
      gap: gaps.get(sender.id) ?? null,
    });
  }
  return usage;
}

function limitOfDay(
  { daily_limit, ramp }: Limited,
  first: string | null,
  day: string,
): Pick<Usage, 'daily_limit' | 'ramp_limit' | 'limit_today' | 'limited_by'> {
  const ramp_limit = ramp && rampLimit(ramp, first, day);
  const ramping = ramp_limit !== null && ramp_limit < (daily_limit ?? Number.POSITIVE_INFINITY);
  const limited_by = ramping ? 'ramp' : daily_limit === null ? null : 'daily_limit';
  return { daily_limit, ramp_limit, limit_today: ramping ? ramp_limit : daily_limit, limited_by };
}

/** The day of the first send of those that have sent, `YYYY-MM-DD` in their own zones. */
export async function readFirstDays(tx: Tx, org: Uuid, senders: readonly Uuid[]): Promise<Map<Uuid, string>> {
  if (senders.length === 0) return new Map();
  const rows = await tx.rows<{ id: Uuid; day: string }>(sql`
    SELECT i.id, substr(u.period, 2) AS day FROM unnest(${senders}::uuid[]) i(id) CROSS JOIN LATERAL (
      SELECT u.period FROM sender_usage u WHERE u.org_id = ${org} AND u.sender_id = i.id AND u.period LIKE 'd%' AND u.used > 0
       ORDER BY u.period LIMIT 1) u`);
  return new Map(rows.map(({ id, day }) => [id, day]));
}

async function readGaps(tx: Tx, org: Uuid, senders: readonly Limited[]): Promise<Map<Uuid, GapUsage>> {
  if (senders.length === 0) return new Map();
  const rows = await tx.rows<{ id: Uuid } & GapUsage>(sql`
    SELECT i.id, u.gap_from AS counts_from, count(t.id)::int AS waiting, min(t.not_before) AS next_at
      FROM unnest(${senders.map(({ id }) => id)}::uuid[]) i(id)
      LEFT JOIN sender_usage u ON u.org_id = ${org} AND u.sender_id = i.id AND u.period = 'gap'
      LEFT JOIN sender_slots s ON s.org_id = ${org} AND s.sender_id = i.id
      LEFT JOIN touches t ON t.org_id = ${org} AND t.id = s.touch_id AND t.state = 'planned' AND t.not_before = s.at
     GROUP BY 1, 2`);
  return new Map(rows.map(({ id, ...gap }) => [id, gap]));
}
