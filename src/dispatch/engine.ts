/** What the dispatcher is given: everything it touches, and every limit it keeps (STYLE 7). */
import type { Connection } from '../channels/channel.ts';
import type { Database } from '../db/database.ts';
import type { ConsentChannel } from '../kernel/channels.ts';
import type { Uuid } from '../kernel/ids.ts';
import { BUDGET_MS, GATE_BATCH } from '../ledger/gate.ts';
import type { VersionCache } from '../plan/sequences/versions.ts';
import type { SenderSettings } from '../senders/senders.ts';

export interface Engine {
  readonly db: Database;
  /** `host:pid`, as it stands in lanes, gates and the audit trail. */
  readonly worker: string;
  /** As it stands in what is settled, where it is not the worker that acts: `member:0190…`. */
  readonly actor?: string;
  readonly versions: VersionCache;
  /** The live connection of a sender's current version; null when no adapter can serve it. */
  connect(org: Uuid, sender: SenderSettings): Connection | null;
  /** The link that opts this contact out of a channel, without a login, for ever. */
  unsubscribeUrl(org: Uuid, contact: Uuid, touch: Uuid, channel: ConsentChannel): string;
  readonly limits: EngineLimits;
  readonly log: EngineLog;
  /** Outside tests absent: the database's clock decides (I12). */
  now?(): Date;
  /** Named points between any two awaits; tests stop, kill or reorder there. */
  failpoint?(name: Failpoint): Promise<void> | void;
}

export interface EngineLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export type Failpoint =
  | 'before_read'
  | 'after_read'
  | 'after_look'
  | 'after_compose'
  | 'before_gate'
  | 'after_gate'
  | 'before_send'
  | 'after_send'
  | 'before_settle'
  | 'after_settle';

export interface EngineLimits {
  /** Touches read, composed and gated together. */
  batch: number;
  /** Touches whose sends or settles may be under way beside the next read. */
  touches_in_flight: number;
  /** A lane's lease; kept at a third of it. */
  lane_lease_ms: number;
  /** After this long a lane is let go when another waits, so that the one that waited longest is next (EXE-13). */
  lane_turn_ms: number;
  /** From the gate to the provider call; what has not begun by then is handed back. */
  budget_ms: number;
  /** Hard limit of one provider call. */
  call_timeout_ms: number;
  /** Added to budget and call for a gate's lease: after it, others may think the worker dead. */
  lease_margin_ms: number;
  /** Outcomes are settled together when all are there, or this long after the first. */
  settle_after_ms: number;
  /** Class L: the two looks that must both find nothing are this far apart. Longer than any freeze and the connection's idle time. */
  lookup_gap_ms: number;
  /** After this without evidence, the policy `assume_sent` moves on. */
  assume_sent_after_ms: number;
}

export const DEFAULT_LIMITS: EngineLimits = {
  batch: GATE_BATCH,
  touches_in_flight: 1_500,
  lane_lease_ms: 15_000,
  lane_turn_ms: 500,
  budget_ms: BUDGET_MS,
  call_timeout_ms: 30_000,
  lease_margin_ms: 5_000,
  settle_after_ms: 20,
  lookup_gap_ms: 60_000,
  assume_sent_after_ms: 72 * 3_600_000,
};
