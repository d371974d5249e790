/**
 * Security events (TEN-3). Under row-level security another organization's id looks exactly like one that does not
 * exist, so every well-formed id that a caller asks for in vain is recorded, with who, what and from where. A caller's
 * first events of a minute get rows of their own; the rest of that minute is counted into one row, so that asking
 * often fills neither the table nor the log.
 */
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { newId, type Uuid } from '../kernel/ids.ts';
import { securityEvents as counted } from '../kernel/metrics.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../kernel/page.ts';
import type { Context } from './context.ts';

const ORDER = listOrder('security_events', ['uuid']);

export const SECURITY_EVENT_KINDS = [
  'unknown_id',
  'forbidden',
  'revoked_credential',
  'expired_credential',
] as const;
export type SecurityEventKind = (typeof SECURITY_EVENT_KINDS)[number];

/** Rows a caller may cause in a minute, by kind; one more holds the count of the rest. */
const ROWS_A_MINUTE = 20;
const MINUTE_MS = 60_000;

export interface SecurityEvent {
  id: Uuid;
  at: Date;
  kind: SecurityEventKind;
  actor_type: string;
  actor_id: string;
  ip: string | null;
  data: Record<string, unknown>;
  request_id: string | null;
  count: number;
}

interface Minute {
  ctx: Context;
  kind: SecurityEventKind;
  startedAt: number;
  rows: number;
  /** Events beyond the rows, not yet written. */
  rest: number;
}

export interface SecurityLog {
  /** Writes the event, or counts it. Never throws: an answer does not fail because its record did. */
  record(ctx: Context, kind: SecurityEventKind, data: Record<string, unknown>): Promise<void>;
  /** Writes the counts of the minutes that are over; `all` of them when the process ends. */
  flush(all?: boolean): Promise<void>;
}

interface Logger {
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

async function insert(
  db: Database,
  ctx: Context,
  kind: SecurityEventKind,
  data: Record<string, unknown>,
  count: number,
): Promise<void> {
  await db.inOrg(ctx.org, (tx) =>
    tx.run(sql`
      INSERT INTO security_events (org_id, id, kind, actor_type, actor_id, ip, data, request_id, count)
      VALUES (${ctx.org}, ${newId()}, ${kind}, ${ctx.actor.type}, ${ctx.actor.id}, ${ctx.ip ?? null},
        ${JSON.stringify(data)}, ${ctx.request_id ?? null}, ${count})`),
  );
}

/** Ids that are shown with an event; the rest are counted. */
const SHOWN_IDS = 20;

/** A list that names ids in vain: one event, counted as many, without a refusal to hang it on. */
export async function recordUnknown(
  db: Database,
  logger: Pick<Logger, 'warn'>,
  ctx: Context,
  type: string,
  ids: readonly Uuid[],
): Promise<void> {
  counted.inc({ kind: 'unknown_id' }, ids.length);
  const shown = ids.slice(0, SHOWN_IDS).map((id) => ({ type, id }));
  const { org, actor, ip, request_id } = ctx;
  const fields = { security: true, kind: 'unknown_id', org, actor, ip, request_id };
  logger.warn({ ...fields, data: { ids: shown }, count: ids.length }, 'security event');
  await insert(db, ctx, 'unknown_id', { ids: shown }, ids.length);
}

/** `now`: milliseconds, for tests. */
export function createSecurityLog(db: Database, logger: Logger, now: () => number = Date.now): SecurityLog {
  const minutes = new Map<string, Minute>();

  async function write(ctx: Context, kind: SecurityEventKind, data: Record<string, unknown>, count: number) {
    const fields = {
      security: true,
      kind,
      org: ctx.org,
      actor: ctx.actor,
      ip: ctx.ip,
      request_id: ctx.request_id,
    };
    logger.warn({ ...fields, data, count }, 'security event');
    try {
      await insert(db, ctx, kind, data, count);
    } catch (error) {
      logger.error({ ...fields, err: error }, 'a security event could not be stored');
    }
  }

  async function close(key: string, minute: Minute) {
    minutes.delete(key);
    if (minute.rest > 0) await write(minute.ctx, minute.kind, { repeated: true }, minute.rest);
  }

  return {
    async record(ctx, kind, data) {
      counted.inc({ kind });
      const key = `${ctx.org} ${ctx.actor.type} ${ctx.actor.id} ${kind}`;
      let minute = minutes.get(key);
      let ended: Promise<void> | undefined;
      if (minute && now() - minute.startedAt >= MINUTE_MS) {
        ended = close(key, minute);
        minute = undefined;
      }
      if (!minute) {
        minute = { ctx, kind, startedAt: now(), rows: 0, rest: 0 };
        minutes.set(key, minute);
      }
      if (minute.rows < ROWS_A_MINUTE) {
        minute.rows++;
        await write(ctx, kind, data, 1);
      } else minute.rest++;
      await ended;
    },
    async flush(all = false) {
      for (const [key, minute] of minutes)
        if (all || now() - minute.startedAt >= MINUTE_MS) await close(key, minute);
    },
  };
}

export interface SecurityEventFilter extends PageRequest {
  kind?: SecurityEventKind | undefined;
}

/** Newest first. */
export async function listSecurityEvents(
  db: Database,
  ctx: Context,
  filter: SecurityEventFilter,
): Promise<Page<SecurityEvent>> {
  const after = positionOf(filter, ORDER)?.[0] ?? null;
  const rows = await db.inOrg(ctx.org, (tx) =>
    tx.rows<SecurityEvent>(sql`
      SELECT id, at, kind, actor_type, actor_id, ip, data, request_id, count FROM security_events
      WHERE org_id = ${ctx.org} AND (${after}::uuid IS NULL OR id < ${after})
        AND (${filter.kind ?? null}::text IS NULL OR kind = ${filter.kind ?? null})
      ORDER BY id DESC LIMIT ${filter.limit + 1}`),
  );
  return pageOf(rows, filter, ORDER, (row) => [row.id]);
}
