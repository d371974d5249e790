/**
 * Kill switches [EXE-15]: of an organization, a channel, a sender, a sequence. Each is one row changed by `hold`, with
 * effect at once, however much is queued; switched back, the same touches go on. This file says which may be switched.
 */
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { OUTREACH_CHANNELS } from '../kernel/channels.ts';
import type { Uuid } from '../kernel/ids.ts';
import { notFound, Problem } from '../kernel/problem.ts';
import type { Receipt } from '../ledger/receipts.ts';
import type { Context } from '../tenancy/context.ts';
import { hold, type StopOptions } from './stop.ts';

export const SWITCH_CLASSES = ['organization', 'channel'] as const;
export type SwitchClass = (typeof SWITCH_CLASSES)[number];

export interface Switch {
  class: SwitchClass;
  id: string;
  paused: boolean;
  /** Rises with each change. */
  epoch: number;
  /** null: never switched. */
  updated_at: Date | null;
}

/** The organization's own first, then every channel. */
export async function listSwitches(db: Database, ctx: Pick<Context, 'org'>): Promise<Switch[]> {
  return db.inOrg(ctx.org, async (tx) => {
    const own = await tx.one<Omit<Switch, 'class'>>(sql`
      SELECT org_id AS id, sending_paused AS paused, epoch, CASE WHEN epoch > 0 THEN updated_at END AS updated_at
        FROM organizations WHERE org_id = ${ctx.org}`);
    const rows = await tx.rows<Omit<Switch, 'class'>>(sql`
      SELECT channel AS id, paused, epoch, updated_at FROM channel_switches WHERE org_id = ${ctx.org}`);
    const known = new Map(rows.map((row) => [row.id, row]));
    const channels = OUTREACH_CHANNELS.map(
      (id) => known.get(id) ?? { id, paused: false, epoch: 0, updated_at: null },
    );
    return [
      { class: 'organization' as const, ...own },
      ...channels.map((row) => ({ class: 'channel' as const, ...row })),
    ];
  });
}

/** @throws Problem invalid_request (a channel that does not exist, an organization that is not the caller's) */
export async function turn(
  db: Database,
  ctx: Context,
  target: { class: SwitchClass; id?: string | undefined; paused: boolean },
  options: StopOptions = {},
): Promise<Receipt> {
  const { paused } = target;
  if (target.class === 'organization') {
    if (target.id !== undefined && target.id !== ctx.org) throw notFound('organization', target.id);
    return hold(db, ctx, { class: 'organization', id: ctx.org, paused }, options);
  }
  const channel = OUTREACH_CHANNELS.find((name) => name === target.id);
  if (!channel) {
    throw new Problem('invalid_request', 'The channel is not known', {
      errors: [{ field: 'id', code: 'unknown_channel', message: `One of: ${OUTREACH_CHANNELS.join(', ')}` }],
    });
  }
  return hold(db, ctx, { class: 'channel', id: channel, paused }, options);
}

/** @throws Problem not_found, conflict (archived) */
export async function turnSender(
  db: Database,
  ctx: Context,
  id: Uuid,
  paused: boolean,
  options: StopOptions = {},
): Promise<Receipt> {
  const status = await statusOf(db, ctx.org, 'sender', id);
  if (status === 'archived') throw new Problem('conflict', 'The sender is archived');
  return hold(db, ctx, { class: 'sender', id, paused }, options);
}

/** @throws Problem not_found, sequence_not_published (a draft), conflict (archived) */
export async function turnSequence(
  db: Database,
  ctx: Context,
  id: Uuid,
  paused: boolean,
  options: StopOptions = {},
): Promise<Receipt> {
  const status = await statusOf(db, ctx.org, 'sequence', id);
  if (status === 'draft') throw new Problem('sequence_not_published', 'A draft sends nothing yet');
  if (status === 'archived') throw new Problem('conflict', 'The sequence is archived; restore it first');
  return hold(db, ctx, { class: 'sequence', id, paused }, options);
}

async function statusOf(db: Database, org: Uuid, what: 'sender' | 'sequence', id: Uuid): Promise<string> {
  const table = what === 'sender' ? sql`senders` : sql`sequences`;
  const row = await db.inOrg(org, (tx) =>
    tx.maybe<{ status: string }>(sql`SELECT status FROM ${table} WHERE org_id = ${org} AND id = ${id}`),
  );
  if (!row) throw notFound(what, id);
  return row.status;
}
