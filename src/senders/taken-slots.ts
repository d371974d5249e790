/**
 * The moments of a sender that are taken, by touches that wait for them [EXE-9]: those that keep others off. One rule for
 * the dispatcher, which gives moments, and for the forecast, which begins with those that were given. Reads only.
 */
import { uuids } from '../db/arrays.ts';
import type { Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';

/** A moment that was given to a touch. */
export interface TakenSlot {
  touch_id: Uuid;
  /** Unix milliseconds. */
  at: number;
  /** Between the one before and this one. */
  gap_ms: number;
  /** When it was given, Unix milliseconds. */
  taken_at: number;
}

/** More of a sender's moments than this are not read; what comes behind them is placed behind the last. */
const MAX_TAKEN = 20_000;
/** One whose moment was so long ago may be on its way to the gate just now: nothing is put before it. */
const DUE_MS = 60_000;
/** Moments given just now, to touches on which they are not written yet. */
const FRESH_MS = 60_000;

/** In the order of time. `but`: touches that are to be given others. `now`: Unix milliseconds by the database's clock. */
export async function readTakenSlots(
  tx: Tx,
  org: Uuid,
  sender: Uuid,
  but: readonly Uuid[],
  now: number,
): Promise<TakenSlot[]> {
  return tx.rows<TakenSlot>(sql`
    SELECT s.touch_id, extract(epoch FROM s.at)::float8 * 1000 AS at, s.gap_ms, extract(epoch FROM s.taken_at)::float8 * 1000 AS taken_at FROM sender_slots s
     WHERE s.org_id = ${org} AND s.sender_id = ${sender} AND s.at > to_timestamp(${(now - DUE_MS) / 1000}) AND s.touch_id <> ALL (${uuids(but)}::uuid[])
       AND (s.taken_at > to_timestamp(${(now - FRESH_MS) / 1000})
            OR EXISTS (SELECT FROM touches t WHERE t.org_id = ${org} AND t.id = s.touch_id AND t.state = 'planned' AND t.not_before = s.at))
     ORDER BY s.at LIMIT ${MAX_TAKEN}`);
}

/**
 * The same of a moment that has come, so that its touch was sent or has been given another meanwhile: nothing is put
 * before it while it is fresh.
 */
export function keepsOff(slot: Pick<TakenSlot, 'at' | 'taken_at'>, now: number): boolean {
  return slot.at > now - DUE_MS && slot.taken_at > now - FRESH_MS;
}
