/** What people did with a step, written down beside its touch: the row, the event and the audit record in one transaction. */
import type { Database, Tx } from '../../db/database.ts';
import { type Sql, sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { EventType } from '../../ledger/states.ts';
import { audit } from '../../tenancy/audit.ts';
import { actorText, type Context } from '../../tenancy/context.ts';
import type { DueTouch } from '../lanes.ts';

interface Telling {
  type: Extract<EventType, 'drafted' | 'started' | 'done' | 'assigned'>;
  /** Of the audit record. */
  action: string;
  data?: Record<string, unknown>;
}

/** Columns of due_steps: for a new row, and for the one that is there. */
interface Columns {
  insert: Sql;
  values: Sql;
  update: Sql;
}

/** `columnsFor`: what is written, by whom; absent: nothing but the event. `first`: in the same transaction, before. */
export async function tellStep(
  db: Database,
  ctx: Context,
  touch: DueTouch,
  telling: Telling,
  columnsFor: ((by: string) => Columns) | null,
  first?: (tx: Tx) => Promise<void>,
): Promise<void> {
  await db.inOrg(ctx.org, async (tx) => {
    await first?.(tx);
    await writeStep(tx, ctx, touch, telling, columnsFor);
  });
}

/** The same in a transaction that is there. */
export async function writeStep(
  tx: Tx,
  ctx: Context,
  touch: DueTouch,
  { type, action, data = {} }: Telling,
  columnsFor: ((by: string) => Columns) | null,
): Promise<void> {
  const { org } = ctx;
  const by = actorText(ctx.actor);
  if (columnsFor) {
    const { insert, values, update } = columnsFor(by);
    await tx.run(sql`
      INSERT INTO due_steps (org_id, touch_id, ${insert}) VALUES (${org}, ${touch.id}, ${values})
      ON CONFLICT (org_id, touch_id) DO UPDATE SET ${update}`);
  }
  await tx.run(sql`
    INSERT INTO events (org_id, at, type, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, actor, data)
    VALUES (${org}, clock_timestamp(), ${type}, ${touch.source_id}, ${touch.id}, ${touch.contact_id}, ${touch.sequence_id},
      ${touch.step_id}, ${touch.sender_id}, ${by}, ${JSON.stringify(data)}::jsonb)`);
  await audit(tx, ctx, { action, subject_type: 'touch', subject_id: touch.id, data });
}

/** Where the ledger tells of it, and nothing else is kept. */
export function auditStep(
  tx: Tx,
  ctx: Context,
  id: Uuid,
  action: string,
  data: Record<string, unknown> = {},
): Promise<void> {
  return audit(tx, ctx, { action, subject_type: 'touch', subject_id: id, data });
}
