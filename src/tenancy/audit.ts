/** The audit trail (TEN-5): append-only, written in the transaction of what it records. */
import type { Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { newId } from '../kernel/ids.ts';
import type { Context } from './context.ts';

export interface AuditEntry {
  /** `<noun>.<verb>`, e.g. `sequence.publish`. */
  action: string;
  subject_type: string;
  subject_id: string;
  data?: Record<string, unknown>;
}

export async function audit(tx: Tx, ctx: Context, entry: AuditEntry): Promise<void> {
  await tx.run(sql`
    INSERT INTO audit_log (org_id, id, actor_type, actor_id, actor_name, action, subject_type, subject_id, data, request_id)
    VALUES (${ctx.org}, ${newId()}, ${ctx.actor.type}, ${ctx.actor.id}, ${ctx.actor.name}, ${entry.action},
      ${entry.subject_type}, ${entry.subject_id}, ${JSON.stringify(entry.data ?? {})}, ${ctx.request_id ?? null})`);
}
