/** Organizations: the tenant itself and its settings. Each has its lane from the start, or no worker would find it. */
import { isDeepStrictEqual } from 'node:util';
import type { Database, Tx } from '../db/database.ts';
import { type Sql, sql } from '../db/sql.ts';
import type { SenderChannel } from '../kernel/channels.ts';
import { newId, type Uuid } from '../kernel/ids.ts';
import { notFound } from '../kernel/problem.ts';
import { audit } from './audit.ts';
import type { Context } from './context.ts';

/** As schedule/quiet-hours.ts reads it. */
export interface QuietHoursSetting {
  from: string;
  to: string;
  channels: string[];
}

/** Messages a contact may get through a channel in a day and in seven. */
export type ChannelCaps = { [C in SenderChannel]?: { day: number | null; week: number | null } };

export interface Organization {
  id: Uuid;
  name: string;
  time_zone: string;
  status: 'active' | 'closing' | 'closed';
  sending_paused: boolean;
  epoch: number;
  policy_version: number;
  contact_daily_cap: number | null;
  contact_weekly_cap: number | null;
  /** Of single channels, beside those over all. */
  channel_caps: ChannelCaps | null;
  consent_required: string[];
  postal_address: string | null;
  unknown_policy: 'review' | 'assume_sent';
  /** Null: none but those of the law. */
  quiet_hours: QuietHoursSetting | null;
  created_at: Date;
  updated_at: Date;
}

export interface NewOrganization {
  name: string;
  time_zone?: string | undefined;
  postal_address?: string | null | undefined;
}

export type OrganizationSettings = Pick<
  Organization,
  | 'name'
  | 'time_zone'
  | 'contact_daily_cap'
  | 'contact_weekly_cap'
  | 'channel_caps'
  | 'consent_required'
  | 'postal_address'
  | 'unknown_policy'
  | 'quiet_hours'
>;

/** Only what is to change. */
export type SettingsPatch = { [K in keyof OrganizationSettings]?: OrganizationSettings[K] | undefined };

const SETTINGS = [
  'name',
  'time_zone',
  'contact_daily_cap',
  'contact_weekly_cap',
  'channel_caps',
  'consent_required',
  'postal_address',
  'unknown_policy',
  'quiet_hours',
] as const satisfies (keyof OrganizationSettings)[];

const columns: Sql = sql`org_id AS id, name, time_zone, status, sending_paused, epoch, policy_version,
  contact_daily_cap, contact_weekly_cap, channel_caps, consent_required, postal_address, unknown_policy, quiet_hours, created_at, updated_at`;

export async function createOrganization(
  db: Database,
  actor: Context['actor'],
  wanted: NewOrganization,
): Promise<Organization> {
  const org = newId();
  return db.inOrg(org, async (tx) => {
    const row = await tx.one<Organization>(sql`
      INSERT INTO organizations (org_id, name, time_zone, postal_address)
      VALUES (${org}, ${wanted.name}, ${wanted.time_zone ?? 'UTC'}, ${wanted.postal_address ?? null})
      RETURNING ${columns}`);
    await tx.run(sql`INSERT INTO lanes (org_id, shard) VALUES (${org}, 0)`);
    await audit(
      tx,
      { org, actor },
      {
        action: 'organization.create',
        subject_type: 'organization',
        subject_id: org,
        data: { name: wanted.name },
      },
    );
    return row;
  });
}

export async function getOrganization(db: Database, ctx: Pick<Context, 'org'>): Promise<Organization> {
  const row = await db.inOrg(ctx.org, (tx) =>
    tx.maybe<Organization>(sql`SELECT ${columns} FROM organizations WHERE org_id = ${ctx.org}`),
  );
  if (!row) throw notFound('organization', ctx.org);
  return row;
}

/**
 * The ids of all organizations, oldest first: for the operator's command line. `owner` is the owner's login, which may
 * act as the lane picker; the application itself never sees more than one organization (I7).
 */
export async function listOrganizationIds(owner: Database): Promise<Uuid[]> {
  return owner.outsideOrgs(async (tx) => {
    await tx.run(sql`SET LOCAL ROLE cadenza_picker`);
    const rows = await tx.rows<{ org_id: Uuid }>(sql`SELECT org_id FROM organizations ORDER BY org_id`);
    return rows.map((row) => row.org_id);
  });
}

/** Nobody else changes a setting until the transaction ends. */
export async function lockPolicy(tx: Tx, org: Uuid): Promise<void> {
  await tx.one(sql`SELECT policy_version FROM organizations WHERE org_id = ${org} FOR NO KEY UPDATE`);
}

/** For settings that lie in other tables: whatever was planned or composed before is looked at again at the gate. */
export async function raisePolicyVersion(tx: Tx, org: Uuid): Promise<void> {
  await tx.run(
    sql`UPDATE organizations SET policy_version = policy_version + 1, updated_at = now() WHERE org_id = ${org}`,
  );
}

/** Raises `policy_version` when something changed: what was composed before is composed again before it goes. */
export async function updateSettings(
  db: Database,
  ctx: Context,
  patch: SettingsPatch,
): Promise<Organization> {
  return db.inOrg(ctx.org, async (tx) => {
    // Not FOR UPDATE: every insert's foreign key takes a key lock on this row and would wait.
    const before = await tx.one<Organization>(
      sql`SELECT ${columns} FROM organizations WHERE org_id = ${ctx.org} FOR NO KEY UPDATE`,
    );
    const changed = SETTINGS.filter(
      (key) => patch[key] !== undefined && !isDeepStrictEqual(patch[key], before[key]),
    );
    if (changed.length === 0) return before;
    const next: OrganizationSettings = {
      ...before,
      ...Object.fromEntries(changed.map((key) => [key, patch[key]])),
    };
    const row = await tx.one<Organization>(sql`
      UPDATE organizations SET name = ${next.name}, time_zone = ${next.time_zone},
        contact_daily_cap = ${next.contact_daily_cap}, contact_weekly_cap = ${next.contact_weekly_cap},
        channel_caps = ${next.channel_caps === null ? null : JSON.stringify(next.channel_caps)}::jsonb,
        consent_required = ${next.consent_required}, postal_address = ${next.postal_address},
        unknown_policy = ${next.unknown_policy},
        quiet_hours = ${next.quiet_hours === null ? null : JSON.stringify(next.quiet_hours)}::jsonb, policy_version = policy_version + 1, updated_at = now()
      WHERE org_id = ${ctx.org} RETURNING ${columns}`);
    await audit(tx, ctx, {
      action: 'organization.update',
      subject_type: 'organization',
      subject_id: ctx.org,
      data: {
        changed: Object.fromEntries(changed.map((key) => [key, { from: before[key], to: next[key] }])),
      },
    });
    return row;
  });
}
