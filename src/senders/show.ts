/** Senders as people see them: without their secrets, with what each has used of its day. */
import type { Database, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../kernel/page.ts';
import { notFound } from '../kernel/problem.ts';
import type { Context } from '../tenancy/context.ts';
import { type SenderRow, type SenderStatus, type SenderWindow, senderColumns } from './senders.ts';
import { warningOf } from './settings.ts';
import { readUsage, type Usage } from './usage.ts';

const ORDER = listOrder('senders', ['uuid']);

export type Sender = Omit<SenderRow, 'from_name' | 'from_address' | 'sending_window' | 'secret'> & {
  from: { name: string | null; address: string };
  window: SenderWindow | null;
  /** Whether credentials are kept. */
  has_secret: boolean;
  usage: Usage | null;
  warning: string | null;
};

export async function shown(tx: Tx, org: Uuid, rows: readonly SenderRow[]): Promise<Sender[]> {
  const usage = await readUsage(tx, org, rows);
  return rows.map(({ from_name, from_address, sending_window, secret, ...row }) => ({
    ...row,
    from: { name: from_name, address: from_address },
    window: sending_window,
    has_secret: secret !== null,
    usage: usage.get(row.id) ?? null,
    warning: warningOf(row.channel),
  }));
}

export async function showOne(tx: Tx, org: Uuid, row: SenderRow): Promise<Sender> {
  return (await shown(tx, org, [row]))[0]!;
}

export async function getSender(db: Database, ctx: Pick<Context, 'org'>, id: Uuid): Promise<Sender> {
  return db.inOrg(ctx.org, async (tx) => {
    const row = await tx.maybe<SenderRow>(
      sql`SELECT ${senderColumns} FROM senders WHERE org_id = ${ctx.org} AND id = ${id}`,
    );
    if (!row) throw notFound('sender', id);
    return showOne(tx, ctx.org, row);
  });
}

export interface SenderFilter extends PageRequest {
  status?: SenderStatus | undefined;
}

/** Newest first. */
export async function listSenders(
  db: Database,
  ctx: Pick<Context, 'org'>,
  filter: SenderFilter,
): Promise<Page<Sender>> {
  const after = positionOf(filter, ORDER)?.[0] ?? null;
  const status = filter.status ?? null;
  return db.inOrg(ctx.org, async (tx) => {
    const rows = await tx.rows<SenderRow>(sql`
      SELECT ${senderColumns} FROM senders
       WHERE org_id = ${ctx.org} AND (${after}::uuid IS NULL OR id < ${after}) AND (${status}::text IS NULL OR status = ${status})
       ORDER BY id DESC LIMIT ${filter.limit + 1}`);
    const page = pageOf(rows, filter, ORDER, (row) => [row.id]);
    return { ...page, items: await shown(tx, ctx.org, page.items) };
  });
}
