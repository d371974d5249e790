/**
 * What contacts may still get under the organization's frequency caps [EXE-16], as time goes on in a forecast. gate.sql
 * says the same of the moment it is asked; here nothing is written. Only contacts that are known one by one.
 */
import type { Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { dayContaining } from '../../schedule/period.ts';
import { findZone, type Zone } from '../../schedule/zone.ts';
import type { Planning } from '../sequences/calendar.ts';
import type { Cap } from '../sequences/later.ts';
import type { Cohort } from './agenda.ts';

interface CapPair {
  day: number | null;
  week: number | null;
}

interface Caps extends CapPair {
  channels: Readonly<Record<string, CapPair>>;
}

const WEEK_DAYS = 7;

/** By contact, and by contact and channel: used on each day, as days since 1970. */
type Used = Map<string, Map<number, number>>;

export class ContactRooms {
  readonly #caps: Caps;
  readonly #zone: Zone;
  readonly #used: Used;

  constructor(caps: Caps, zone: Zone, used: Used) {
    this.#caps = caps;
    this.#zone = zone;
    this.#used = used;
  }

  /** The cap that keeps each of a batch back, in order; null: none. The one that keeps it longest binds, as in the gate. */
  pass(batch: readonly Cohort[], at: number): (Cap | null)[] {
    const today = dayContaining(this.#zone, at).number;
    const verdicts: (Cap | null)[] = batch.map(() => null);
    const order = [...batch.keys()].sort((a, b) => text(batch[a]!.channel, batch[b]!.channel) || a - b);
    const ranks = new Map<string, number>();
    for (const i of order) {
      const { way, channel } = batch[i]!;
      if (way.enrollment === null) continue;
      const contact = way.contact_id;
      const nth = next(ranks, contact);
      const nthOfChannel = next(ranks, channelKey(contact, channel));
      const own = this.#caps.channels[channel];
      const all = this.#left(this.#caps, contact, today);
      const ofChannel = own && this.#left(own, channelKey(contact, channel), today);
      if (all.week < nth) verdicts[i] = 'frequency_cap_week';
      else if (ofChannel && ofChannel.week < nthOfChannel) verdicts[i] = 'channel_cap_week';
      else if (all.day < nth) verdicts[i] = 'frequency_cap';
      else if (ofChannel && ofChannel.day < nthOfChannel) verdicts[i] = 'channel_cap';
    }
    return verdicts;
  }

  count({ way, channel }: Cohort, at: number): void {
    if (way.enrollment === null) return;
    const today = dayContaining(this.#zone, at).number;
    for (const key of [way.contact_id, channelKey(way.contact_id, channel)]) {
      const days = this.#used.get(key) ?? new Map<number, number>();
      this.#used.set(key, days);
      days.set(today, (days.get(today) ?? 0) + 1);
    }
  }

  #left({ day, week }: CapPair, key: string, today: number): { day: number; week: number } {
    const days = this.#used.get(key);
    let used = 0;
    for (let back = 0; back < WEEK_DAYS; back++) used += days?.get(today - back) ?? 0;
    return {
      day: (day ?? Number.POSITIVE_INFINITY) - (days?.get(today) ?? 0),
      week: (week ?? Number.POSITIVE_INFINITY) - used,
    };
  }
}

function channelKey(contact: Uuid, channel: string): string {
  return `${contact} ${channel}`;
}

function next(ranks: Map<string, number>, key: string): number {
  const nth = (ranks.get(key) ?? 0) + 1;
  ranks.set(key, nth);
  return nth;
}

function text(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What these contacts have had in the last days; null: the organization has no cap. */
export async function readContactRooms(
  tx: Tx,
  org: Uuid,
  { now, organization }: Planning,
  contacts: readonly Uuid[],
): Promise<ContactRooms | null> {
  if (!organization.capped) return null;
  const zone = findZone(organization.time_zone)!;
  const caps = await tx.one<{
    day: number | null;
    week: number | null;
    channels: Caps['channels'] | null;
  }>(sql`
    SELECT contact_daily_cap AS day, contact_weekly_cap AS week, channel_caps AS channels FROM organizations WHERE org_id = ${org}`);
  const since = dayContaining(zone, now).number - WEEK_DAYS;
  const rows = await tx.rows<{ contact_id: Uuid; channel: string | null; day: number; used: number }>(sql`
    SELECT u.contact_id, NULL::text AS channel, u.day - date '1970-01-01' AS day, u.used FROM contact_usage u
     WHERE u.org_id = ${org} AND u.contact_id = ANY (${contacts}::uuid[]) AND u.day > date '1970-01-01' + ${since}::int
    UNION ALL
    SELECT u.contact_id, u.channel, u.day - date '1970-01-01', u.used FROM contact_channel_usage u
     WHERE u.org_id = ${org} AND u.contact_id = ANY (${contacts}::uuid[]) AND u.day > date '1970-01-01' + ${since}::int`);
  const used: Used = new Map();
  for (const { contact_id, channel, day, used: n } of rows) {
    const key = channel === null ? contact_id : channelKey(contact_id, channel);
    used.set(key, (used.get(key) ?? new Map()).set(day, n));
  }
  return new ContactRooms({ ...caps, channels: caps.channels ?? {} }, zone, used);
}
