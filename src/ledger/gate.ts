/** Calls gate.sql: one round trip for one batch of one organization. */
import { elements, integers, texts, uuids } from '../db/arrays.ts';
import type { Database } from '../db/database.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { Verdict } from './reasons.ts';

/** From the gate to the provider call: what has not begun by then is handed back. */
export const BUDGET_MS = 2_000;
/** Touches read, composed and gated together. */
export const GATE_BATCH = 500;

/** A composed touch that asks to go. */
export interface GateTouch {
  id: Uuid;
  sequence_id: Uuid;
  /** Null: people do it themselves. */
  sender_id: Uuid | null;
  contact_version: number;
  sender_version: number | null;
  hash: string;
  /** JSON text of the values composed in. */
  contents: string;
  /** The arm of its step; null or absent when it has none. */
  variant?: string | null;
}

/** A sender's quota periods now; `hour` is null when it has no hourly limit. Times are ISO texts. */
export interface SenderPeriod {
  sender_id: Uuid;
  day: string;
  hour: string | null;
  /** Does it keep a gap between two sends? */
  gapped: boolean;
  from: string;
  until: string;
}

/** The day that frequency caps count by. `day` is `YYYY-MM-DD`, times are ISO texts. */
export interface ContactDay {
  day: string;
  from: string;
  until: string;
}

export interface GateBatch {
  org: Uuid;
  worker: string;
  token: Uuid;
  /** How long the caller may hold what went before others may think it dead. */
  lease_ms: number;
  /** From the gate to the provider call. */
  budget_ms: number;
  policy_version: number;
  touches: readonly GateTouch[];
  periods: readonly SenderPeriod[];
  /** The organization's day now, null when it has no frequency cap. */
  contact_day: ContactDay | null;
  /** Channels with a cap of their own. */
  capped_channels?: readonly string[];
  /** Reconciling class K: the touches are `unknown`, all from one earlier gate. */
  resend?: boolean;
  /** Null outside tests: the database's clock decides (I12). */
  now?: Date | null;
}

export interface GateVerdict {
  id: Uuid;
  verdict: Verdict;
  attempt: number;
  key_n: number;
}

const STATEMENT = {
  name: 'gate',
  text: `SELECT extract(epoch FROM g.at)::float8 * 1000, g.verdicts::text, g.attempts::text, g.key_ns::text FROM gate(
    $1::uuid, $2::text, $3::uuid, $4::int, $5::int, $6::int, $7::uuid[], $8::int[], $9::int[], $10::uuid[], $11::json,
    $12::uuid[], $13::uuid[], $14::text[], $15::text[], $16::timestamptz[], $17::timestamptz[], $18::date, $19::timestamptz, $20::timestamptz,
    $21::boolean, $22::timestamptz, $23::uuid[], $24::text[], $25::text[]) g`,
};

/** `at` is the database's time of the decision, Unix milliseconds. */
export async function gate(
  db: Pick<Database, 'callPrepared'>,
  batch: GateBatch,
): Promise<{ at: number; verdicts: GateVerdict[] }> {
  const { touches, periods } = batch;
  const [row] = (await db.callPrepared(STATEMENT, [
    batch.org,
    batch.worker,
    batch.token,
    batch.lease_ms,
    batch.budget_ms,
    batch.policy_version,
    uuids(touches.map((t) => t.id)),
    integers(touches.map((t) => t.contact_version)),
    integers(touches.map((t) => t.sender_version)),
    uuids(touches.map((t) => t.hash)),
    `{${touches.map((t) => `"${t.id}":${t.contents}`).join()}}`,
    uuids([...new Set(touches.map((t) => t.sequence_id))]),
    uuids(periods.map((p) => p.sender_id)),
    texts(periods.map((p) => p.day)),
    texts(periods.map((p) => p.hour)),
    periods.map((p) => p.from),
    periods.map((p) => p.until),
    batch.contact_day?.day ?? null,
    batch.contact_day?.from ?? null,
    batch.contact_day?.until ?? null,
    batch.resend ?? false,
    batch.now ?? null,
    uuids(periods.filter((p) => p.gapped).map((p) => p.sender_id)),
    texts(batch.capped_channels ?? []),
    touches.some((t) => t.variant != null) ? texts(touches.map((t) => t.variant ?? null)) : null,
  ])) as [number, string, string, string][];
  const [at, verdicts, attempts, keys] = [row![0], elements(row![1]), elements(row![2]), elements(row![3])];
  return {
    at,
    verdicts: touches.map(({ id }, i) => ({
      id,
      verdict: verdicts[i] as Verdict,
      attempt: Number(attempts[i]),
      key_n: Number(keys[i]),
    })),
  };
}
