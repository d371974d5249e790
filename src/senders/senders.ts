/**
 * Sending accounts. Owns `senders`: their settings, limits and encrypted credentials. In: requests of the API and
 * CLI. Out: senders without secrets for people, with them (sealed) for the dispatcher only. This file says what a
 * sender is; showing, making, changing, archiving and verifying have files of their own.
 */
import type { Database, Row } from '../db/database.ts';
import { type Sql, sql } from '../db/sql.ts';
import type { SenderChannel } from '../kernel/channels.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { Weekday } from '../schedule/window.ts';
import type { Breaker } from './breaker.ts';
import type { Price } from './price.ts';
import type { Ramp } from './ramp.ts';

interface Configured {
  id: Uuid;
  version: number;
  channel: SenderChannel;
  provider: string;
  name: string;
  from_name: string | null;
  from_address: string;
  reply_to: string | null;
  config: Record<string, unknown>;
  secret: Buffer | null;
  daily_limit: number | null;
  hourly_limit: number | null;
  min_gap_s: number | null;
  max_gap_s: number | null;
  ramp: Ramp | null;
  breaker: Breaker | null;
  time_zone: string | null;
}

/** What planning and the gate need of a sender. */
export interface SenderSettings extends Configured {
  status: string;
  sending_window: Row | null;
  /** Its provider could not be reached when somebody last tried; see reach.ts. */
  unreachable: boolean;
}

export async function senderSettings(db: Database, org: Uuid, id: Uuid): Promise<SenderSettings | null> {
  return db.inOrg(org, (tx) =>
    tx.maybe<SenderSettings>(sql`
      SELECT id, version, channel, provider, status, name, from_name, from_address, reply_to, config, secret, daily_limit, hourly_limit,
             min_gap_s, max_gap_s, ramp, breaker, time_zone, sending_window, unreachable_since IS NOT NULL AS unreachable
        FROM senders WHERE org_id = ${org} AND id = ${id}`),
  );
}

export const SENDER_STATUSES = ['active', 'paused', 'archived'] as const;
export type SenderStatus = (typeof SENDER_STATUSES)[number];

export interface SenderWindow {
  days: Weekday[];
  from: string;
  to: string;
  time_zone?: string | undefined;
}

/** A row as it lies in the table. */
export interface SenderRow extends Configured {
  sending_window: SenderWindow | null;
  price: Price | null;
  status: SenderStatus;
  status_reason: string | null;
  epoch: number;
  verified_at: Date | null;
  created_at: Date;
  updated_at: Date;
}

export const senderColumns: Sql = sql`id, version, channel, provider, name, from_name, from_address, reply_to, config, secret,
  daily_limit, hourly_limit, min_gap_s, max_gap_s, ramp, breaker, time_zone, sending_window, price, status, status_reason, epoch, verified_at, created_at, updated_at`;
