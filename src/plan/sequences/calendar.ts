/** What of the organization and its senders planning needs, read together: one small statement a batch at most. */
import { LRUCache } from 'lru-cache';
import type { Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { QuietHours } from '../../schedule/quiet-hours.ts';
import { type Holidays, NO_HOLIDAYS, readHolidays } from '../../senders/holidays.ts';
import { type SenderSettings, senderSettings } from '../../senders/senders.ts';
import type { SendingWindow } from './definition.ts';
import type { Calendar } from './time-rules.ts';

export interface OrganizationSettings {
  name: string;
  time_zone: string;
  policy_version: number;
  postal_address: string | null;
  capped: boolean;
  consent_required: string[];
  unknown_policy: 'review' | 'assume_sent';
  quiet_hours: QuietHours | null;
}

export interface Planning {
  /** The database's time, Unix milliseconds. */
  now: number;
  organization: OrganizationSettings;
  senders: Map<Uuid, SenderSettings & { calendar: Calendar }>;
  /** Of what goes through no sender. */
  calendar: Calendar;
}

export async function readPlanning(
  tx: Tx,
  org: Uuid,
  senderIds: readonly Uuid[],
  now: Date | null = null,
): Promise<Planning> {
  const row = await tx.one(sql`
    SELECT name, time_zone, policy_version, postal_address, consent_required, unknown_policy, quiet_hours,
           EXISTS (SELECT FROM holidays h WHERE h.org_id = ${org}) AS has_holidays,
           contact_daily_cap IS NOT NULL OR contact_weekly_cap IS NOT NULL AS capped,
           extract(epoch FROM coalesce(${now}::timestamptz, clock_timestamp()))::float8 * 1000 AS now
      FROM organizations WHERE org_id = ${org}`);
  const senders = await senderSettings(tx, org, senderIds);
  const { now: at, has_holidays, ...organization } = row;
  const holidays = has_holidays ? await readHolidays(tx, org, row.policy_version) : NO_HOLIDAYS;
  const planning: Planning = {
    now: at,
    organization: organization as OrganizationSettings,
    senders: new Map(),
    calendar: calendarOf(organization as OrganizationSettings, NO_SENDER, holidays),
  };
  for (const [id, sender] of senders) {
    planning.senders.set(id, { ...sender, calendar: calendarOf(planning.organization, sender, holidays) });
  }
  return planning;
}

const NO_SENDER = { time_zone: null, sending_window: null };

/** Calendars that say the same are one object: what was computed for one is found again by identity. */
const calendars = new LRUCache<string, Calendar>({ max: 2_000 });

function calendarOf(
  { time_zone, quiet_hours }: OrganizationSettings,
  sender: Pick<SenderSettings, 'time_zone' | 'sending_window'>,
  holidays: Holidays,
): Calendar {
  const key = JSON.stringify([time_zone, quiet_hours, sender.time_zone, sender.sending_window, holidays.key]);
  let calendar = calendars.get(key);
  if (!calendar) {
    calendar = {
      organization_zone: time_zone,
      sender_zone: sender.time_zone,
      sender_window: sender.sending_window as SendingWindow | null,
      quiet_hours,
      holidays,
    };
    calendars.set(key, calendar);
  }
  return calendar;
}
