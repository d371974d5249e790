/**
 * Receipts: what a stop acknowledged. What is not in `in_flight` will never be sent. The row keeps the touches' ids;
 * what became of them since is read from the touches, so a receipt asked for later tells their true outcome.
 */
import type { Database, Row } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { notFound } from '../kernel/problem.ts';

/** In-flight touches shown with a receipt; the rest by page. */
export const RECEIPT_PAGE = 200;

export interface FlyingTouch {
  touch: Uuid;
  state: string;
  since: Date;
  /** null: its sender was deleted. */
  provider: string | null;
  /** By when its outcome is known or it is `unknown`. */
  outcome_by: Date;
  reason: string | null;
}

export interface Receipt {
  id: Uuid;
  subject_type: string;
  subject_id: string;
  status: string;
  epoch: number;
  effective_at: Date;
  not_started: number;
  in_flight: FlyingTouch[];
  in_flight_count: number;
  next_offset: number | null;
  /** True when nothing it lists is in flight any more. */
  drained: boolean;
}

export async function getReceipt(db: Database, org: Uuid, id: Uuid, offset = 0): Promise<Receipt> {
  return db.inOrg(org, async (tx) => {
    const row = await tx.maybe(sql`SELECT * FROM receipts WHERE org_id = ${org} AND id = ${id}`);
    if (!row) throw notFound('receipt', id);
    const all = row.in_flight as Uuid[];
    const flying = await tx.rows(sql`
      SELECT t.id AS touch, t.state, t.gated_at AS since, s.provider, coalesce(g.lease_until, t.gated_at) AS outcome_by, t.reason
        FROM touches t LEFT JOIN senders s ON s.org_id = t.org_id AND s.id = t.sender_id
        LEFT JOIN gates g ON g.org_id = t.org_id AND g.token = t.token
       WHERE t.org_id = ${org} AND t.id = ANY (${all.slice(offset, offset + RECEIPT_PAGE)}) ORDER BY t.id`);
    const open = await tx.one(sql`
      SELECT count(*)::int AS n FROM touches t WHERE t.org_id = ${org} AND t.id = ANY (${all}) AND t.state IN ('sending', 'unknown')`);
    return shape(row, flying as FlyingTouch[], open.n === 0, offset);
  });
}

function shape(row: Row, flying: FlyingTouch[], drained: boolean, offset: number): Receipt {
  const total = row.in_flight.length;
  return {
    id: row.id,
    subject_type: row.subject_type,
    subject_id: row.subject_id,
    status: row.status,
    epoch: row.epoch,
    effective_at: row.effective_at,
    not_started: row.not_started,
    in_flight: flying,
    in_flight_count: total,
    next_offset: offset + RECEIPT_PAGE < total ? offset + RECEIPT_PAGE : null,
    drained,
  };
}

/** Waits at most `ms` until what the receipt lists has settled, then tells the truth as it is. */
export async function drainedReceipt(db: Database, org: Uuid, id: Uuid, ms: number): Promise<Receipt> {
  const until = performance.now() + ms;
  for (;;) {
    const receipt = await getReceipt(db, org, id);
    if (receipt.drained || performance.now() >= until) return receipt;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
