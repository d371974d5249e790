/** What of the organization and its senders planning needs, read together: one small statement a batch at most. */
import { LRUCache } from 'lru-cache';
import { uuids } from '../../db/arrays.ts';
import type { Database, Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { invariant } from '../../kernel/invariant.ts';
import type { QuietHours } from '../../schedule/quiet-hours.ts';
import { type Holidays, NO_HOLIDAYS, readHolidays } from '../../senders/holidays.ts';
import type { SenderSettings } from '../../senders/senders.ts';
import type { SendingWindow } from './definition.ts';
import type { Calendar } from './time-rules.ts';

export interface OrganizationSettings {
  name: string;
  time_zone: string;
  policy_version: number;
  postal_address: string | null;
  /** Whether contacts have a frequency cap, over all channels or of some; and which these are. */
  capped: boolean;
  capped_channels: string[] | null;
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

/** What planning_read answers. */
export interface PlanningRow {
  now: number;
  has_holidays: boolean;
  organization: OrganizationSettings;
  senders: (Omit<SenderSettings, 'secret'> & { secret: string | null })[] | null;
}

/** One round trip, in a transaction of the caller's or outside of any; another one where holidays have changed. */
export async function readPlanning(
  db: Database | Tx,
  org: Uuid,
  senderIds: readonly Uuid[],
  now: Date | null = null,
): Promise<Planning> {
  const statement = sql`
    SELECT now, has_holidays, organization, senders FROM planning_read(${org}::uuid, ${uuids(senderIds)}::uuid[], ${now}::timestamptz)`;
  const [row] = 'inOrg' in db ? await db.call<PlanningRow>(statement) : await db.rows<PlanningRow>(statement);
  invariant(row !== undefined, 'an organization that is worked for is there');
  return planningOf(db, org, row);
}

/** Of what was read; a round trip where holidays have changed. */
export async function planningOf(db: Database | Tx, org: Uuid, row: PlanningRow): Promise<Planning> {
  const { organization } = row;
  const holidays = row.has_holidays ? await readHolidays(db, org, organization.policy_version) : NO_HOLIDAYS;
  const senders: Planning['senders'] = new Map();
  for (const { secret, ...sender } of row.senders ?? []) {
    senders.set(sender.id, {
      ...sender,
      secret: secret === null ? null : Buffer.from(secret, 'base64'),
      calendar: calendarOf(organization, sender, holidays),
    });
  }
  return { now: row.now, organization, senders, calendar: calendarOf(organization, NO_SENDER, holidays) };
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
