/**
 * Moments for touches of a sender that keeps a gap between two sends [EXE-9]: each gets one, written down, and waits for
 * it. Which are taken is read and written under the sender's `gap` row, so that no two workers give one moment twice.
 * The gate asks nobody here: it goes by when the sender last sent.
 */
import { integers, millis, uuids } from '../db/arrays.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { placeWithGaps } from '../schedule/gaps.ts';
import { type GapSettings, gapBefore, gapBetweenSlots } from '../senders/gap.ts';
import { readTakenSlots } from '../senders/taken-slots.ts';
import type { Engine } from './engine.ts';

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
    const ids = touches.map(({ id }) => id);
    const taken = await readTakenSlots(tx, org, sender.id, ids, now);
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
        ${integers(placed.map((p) => p.gap))}::int[], ${engine.now?.() ?? null}::timestamptz)`);
    return places;
  });
}
