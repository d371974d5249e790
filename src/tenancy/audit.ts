/** The audit trail (TEN-5): append-only, written in the transaction of what it records. */
import type { Database, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { newId, type Uuid } from '../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../kernel/page.ts';
import type { Context } from './context.ts';

const ORDER = listOrder('audit', ['uuid']);

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

/** The same as one JSON text, for SQL functions that write it in their own transaction through `audit_write`. */
export function auditEntry(ctx: Context, entry: AuditEntry): string {
  return JSON.stringify({
    id: newId(),
    actor_type: ctx.actor.type,
    actor_id: ctx.actor.id,
    actor_name: ctx.actor.name,
    action: entry.action,
    subject_type: entry.subject_type,
    subject_id: entry.subject_id,
    data: entry.data ?? {},
    request_id: ctx.request_id ?? null,
  });
}

export interface AuditRecord {
  id: Uuid;
  at: Date;
  actor_type: string;
  actor_id: string;
  actor_name: string;
  action: string;
  subject_type: string;
  subject_id: string;
  data: Record<string, unknown>;
  request_id: string | null;
}

export interface AuditFilter extends PageRequest {
  subject_type?: string | undefined;
  subject_id?: string | undefined;
}

/** Newest first. */
export async function listAudit(db: Database, ctx: Context, filter: AuditFilter): Promise<Page<AuditRecord>> {
  const after = positionOf(filter, ORDER)?.[0] ?? null;
  const rows = await db.inOrg(ctx.org, (tx) =>
    tx.rows<AuditRecord>(sql`
      SELECT id, at, actor_type, actor_id, actor_name, action, subject_type, subject_id, data, request_id
      FROM audit_log
      WHERE org_id = ${ctx.org} AND (${after}::uuid IS NULL OR id < ${after})
        AND (${filter.subject_type ?? null}::text IS NULL OR subject_type = ${filter.subject_type ?? null})
        AND (${filter.subject_id ?? null}::text IS NULL OR subject_id = ${filter.subject_id ?? null})
      ORDER BY id DESC LIMIT ${filter.limit + 1}`),
  );
  return pageOf(rows, filter, ORDER, (row) => [row.id]);
}
