/** Calls settle.sql: the outcomes of one batch of one organization, one transaction, one round trip. */
import { integers, millis, texts, uuids } from '../db/arrays.ts';
import type { Database } from '../db/database.ts';
import type { Channel, Mode } from '../kernel/channels.ts';
import type { Uuid } from '../kernel/ids.ts';

export type Outcome =
  | 'sent'
  | 'failed'
  | 'retry'
  | 'not_started'
  | 'unknown'
  | 'retry_new_key'
  | 'skipped'
  | 'postponed'
  | 'held'
  | 'dropped';

/** The touch to plan when this one moves its enrollment on. Times are Unix milliseconds. */
export interface NextTouch {
  id: Uuid;
  step_id: Uuid;
  step_no: number;
  channel: Channel;
  mode: Mode;
  /** Null: people do it themselves. */
  sender_id: Uuid | null;
  not_before: number;
  not_after: number | null;
  /** The how-manieth of its step; absent: the first. */
  n?: number;
}

export interface Settlement {
  touch_id: Uuid;
  source_id: Uuid;
  outcome: Outcome;
  /** When it happened (EXE-12), Unix milliseconds. */
  at: number;
  reason?: string | null;
  provider_id?: string | null;
  detail?: string | null;
  /** retry, postponed, unknown, not_started, retry_new_key: when to look again, Unix milliseconds. */
  wake?: number | null;
  /** postponed, retry and retry_new_key: the end of the opening that `wake` lies in. */
  not_after?: number | null;
  /** The status its enrollment ends with when there is no next touch. */
  ends?: string | null;
  subject?: string | null;
  next?: NextTouch | null;
  /** Where a branch led: the position that its next touch is looked for from, should it have to be planned again. */
  onward?: number;
}

/**
 * settled; late: recorded, its source had moved on; lost: nothing was written, another settled it first, or its next
 * touch has to be planned again (dispatch/replan.ts).
 */
export type SettleResult = 'settled' | 'late' | 'lost';

const STATEMENT = {
  name: 'settle',
  text: `SELECT s.late, s.written FROM settle($1::uuid, $2::uuid, $3::text, $4::uuid[], $5::uuid[], $6::text[], $7::float8[],
    $8::text[], $9::text[], $10::text[], $11::float8[], $12::text[], $13::text[], $14::uuid[], $15::uuid[], $16::int[], $17::text[],
    $18::text[], $19::uuid[], $20::float8[], $21::float8[], $22::timestamptz, $23::uuid, $24::int[]) s`,
};

/** The longest text of a provider that is kept. */
const MAX_DETAIL = 2_000;

export async function settle(
  db: Pick<Database, 'callPrepared'>,
  batch: {
    org: Uuid;
    token: Uuid | null;
    actor: string;
    settlements: readonly Settlement[];
    now?: Date | null;
    /** Planned again: the version that all their enrollments are at. */
    version?: Uuid | null;
  },
): Promise<Map<Uuid, SettleResult>> {
  const all = batch.settlements;
  const [row] = (await db.callPrepared(STATEMENT, [
    batch.org,
    batch.token,
    batch.actor,
    uuids(all.map((s) => s.touch_id)),
    uuids(all.map((s) => s.source_id)),
    texts(all.map((s) => s.outcome)),
    millis(all.map((s) => s.at)),
    texts(all.map((s) => s.reason ?? null)),
    texts(all.map((s) => s.provider_id ?? null)),
    texts(all.map((s) => (s.detail ? kept(s.detail) : null))),
    millis(all.map((s) => s.wake)),
    texts(all.map((s) => s.ends ?? null)),
    texts(all.map((s) => s.subject ?? null)),
    uuids(all.map((s) => s.next?.id ?? null)),
    uuids(all.map((s) => s.next?.step_id ?? null)),
    integers(all.map((s) => s.next?.step_no ?? null)),
    texts(all.map((s) => s.next?.channel ?? null)),
    texts(all.map((s) => s.next?.mode ?? null)),
    uuids(all.map((s) => s.next?.sender_id ?? null)),
    millis(all.map((s) => s.next?.not_before)),
    millis(all.map((s) => (s.next ? s.next.not_after : s.not_after))),
    batch.now ?? null,
    batch.version ?? null,
    batch.version ? integers(all.map((s) => s.next?.n ?? null)) : null,
  ])) as [Uuid[] | null, Uuid[] | null][];
  const [late, written] = row!;
  const results = new Map<Uuid, SettleResult>();
  for (const s of all) results.set(s.touch_id, written === null ? 'settled' : 'lost');
  for (const id of written ?? []) results.set(id, 'settled');
  for (const id of late ?? []) results.set(id, 'late');
  return results;
}

function kept(detail: string): string {
  return detail.slice(0, MAX_DETAIL).replaceAll('\0', '');
}
