/**
 * Moments for touches of a sender that keeps a gap between two sends [EXE-9]: each gets one, written down, and waits for
 * it. Which are taken is read and written under the sender's `gap` row, so that no two workers give one moment twice.
 * The gate asks nobody here: it goes by when the sender last sent.
 */
import { integers, millis, uuids } from '../db/arrays.ts';
import type { Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { placeWithGaps, type Slot } from '../schedule/gaps.ts';
import { type GapSettings, gapBefore, gapBetweenSlots } from '../senders/gap.ts';
import type { Engine } from './engine.ts';

/** More of a sender's moments than this are not read; what comes behind them is placed behind the last. */
const MAX_TAKEN = 20_000;
/** One whose moment was so long ago may be on its way to the gate just now: nothing is put before it. */
const DUE_MS = 60_000;
/** Moments given just now, to touches on which they are not written yet. */
const FRESH = '1 minute';

interface Opening {
  not_before: number;
  not_after: number | null;
}

interface WaitingTouch {
  id: Uuid;
  open(moment: number): Opening | null;
}

/** For each in order the moment, and the end of the opening that it lies in; null: it is never open. */
export async function ontoSlots(
  engine: Engine,
  org: Uuid,
  sender: GapSettings & { id: Uuid },
  touches: readonly WaitingTouch[],
  now: number,
): Promise<({ at: number; not_after: number | null } | null)[]> {
  return engine.db.inOrg(org, async (tx) => {
    const [row] = await tx.rows<{ gap_from: number | null }>(sql`
      SELECT extract(epoch FROM gap_from)::float8 * 1000 AS gap_from FROM sender_usage
       WHERE org_id = ${org} AND sender_id = ${sender.id} AND period = 'gap' FOR UPDATE`);
    const taken = await readTaken(
      tx,
      org,
      sender.id,
      touches.map(({ id }) => id),
      now,
    );
    const items = touches.map(({ id, open }) => ({
      gap_ms: gapBetweenSlots(gapBefore(id, sender), engine.limits.budget_ms),
      open,
    }));
    // The gate has put the time in which the last call could begin before the gap already.
    const from = row?.gap_from ? row.gap_from - engine.limits.budget_ms : null;
    const places = placeWithGaps(items, taken, { from, now });
    const placed = touches.flatMap(({ id }, i) =>
      places[i] ? [{ id, at: places[i].at, gap: items[i]!.gap_ms }] : [],
    );
    await tx.run(sql`
      SELECT slots_take(${org}::uuid, ${sender.id}::uuid, ${uuids(placed.map((p) => p.id))}::uuid[], ${millis(placed.map((p) => p.at))}::float8[],
        ${integers(placed.map((p) => p.gap))}::int[])`);
    return places;
  });
}

/** Of those that still wait for theirs: in the order of time. */
async function readTaken(
  tx: Tx,
  org: Uuid,
  sender: Uuid,
  but: readonly Uuid[],
  now: number,
): Promise<Slot[]> {
  return tx.rows<{ at: number; gap_ms: number }>(sql`
    SELECT extract(epoch FROM s.at)::float8 * 1000 AS at, s.gap_ms FROM sender_slots s
     WHERE s.org_id = ${org} AND s.sender_id = ${sender} AND s.at > to_timestamp(${(now - DUE_MS) / 1000}) AND s.touch_id <> ALL (${uuids(but)}::uuid[])
       AND (s.taken_at > clock_timestamp() - ${FRESH}::interval
            OR EXISTS (SELECT FROM touches t WHERE t.org_id = ${org} AND t.id = s.touch_id AND t.state = 'planned' AND t.not_before = s.at))
     ORDER BY s.at LIMIT ${MAX_TAKEN}`);
}
