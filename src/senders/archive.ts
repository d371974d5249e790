/** Putting a sender away for good. Its row stays: what was sent through it says so for ever. */
import type { Database, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { notFound, Problem } from '../kernel/problem.ts';
import { audit } from '../tenancy/audit.ts';
import type { Context } from '../tenancy/context.ts';
import { type SenderRow, senderColumns } from './senders.ts';
import { type Sender, showOne } from './show.ts';

/** The live sources that send through a sender: planners know them, this room does not. */
export type UsedBy = (tx: Tx, org: Uuid, sender: Uuid) => Promise<{ id: Uuid; name: string }[]>;

/**
 * Archiving again is no error.
 * @throws Problem not_found, sender_in_use naming the sequences
 */
export async function archiveSender(db: Database, ctx: Context, id: Uuid, usedBy: UsedBy): Promise<Sender> {
  return db.inOrg(ctx.org, async (tx) => {
    // Like any stop: waits for the gates in progress, so that nothing begins after the answer (I1).
    await tx.run(sql`SELECT lock_exclusive(3, ${ctx.org}::uuid, ${id}::uuid)`);
    const row = await tx.maybe<SenderRow>(
      sql`SELECT ${senderColumns} FROM senders WHERE org_id = ${ctx.org} AND id = ${id} FOR UPDATE`,
    );
    if (!row) throw notFound('sender', id);
    if (row.status === 'archived') return showOne(tx, ctx.org, row);
    // In a later statement than the lock: whoever publishes holds the sender's row until its version is there to see.
    const sequences = await usedBy(tx, ctx.org, id);
    if (sequences.length > 0) {
      const names = sequences.map((sequence) => sequence.name).join(', ');
      throw new Problem('sender_in_use', `Used by ${names}`, { extra: { sequences } });
    }
    const archived = await tx.one<SenderRow>(sql`
      UPDATE senders SET status = 'archived', status_reason = NULL, epoch = epoch + 1, version = version + 1, updated_at = clock_timestamp()
       WHERE org_id = ${ctx.org} AND id = ${id} RETURNING ${senderColumns}`);
    await audit(tx, ctx, {
      action: 'sender.archive',
      subject_type: 'sender',
      subject_id: id,
      data: { name: row.name },
    });
    return showOne(tx, ctx.org, archived);
  });
}
