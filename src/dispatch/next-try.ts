/**
 * When the same bytes, which may not go again now, are tried next: at the moment at which the gate would let them, where
 * that is known. Sooner would be refused again; later lets the life of their key run out, and behind a sender that keeps
 * gaps it meets, by its own even step, nothing but the gaps of others (measured: never, while forty waited). In: a refusal
 * of compose or of the gate. Out: when to look, and the opening it then lies in.
 */
import type { Row } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { REFUSALS } from '../ledger/reasons.ts';
import { openFrom } from '../plan/sequences/later.ts';
import { through } from '../plan/sequences/step-sender.ts';
import type { Engine } from './engine.ts';
import type { DueTouch } from './lanes.ts';
import { placeOfTouch, type Situation } from './situation.ts';

/** Something changed between reading and the gate: read again, but not as fast as that can be. */
const STALE_WAIT_MS = 250;

export interface NextTry {
  /** Unix milliseconds. */
  wake: number;
  /** The end of the opening that it then lies in; null: it has none. Absent: it stays what is written. */
  until?: number | null;
}

/** `at`: when it was refused. */
export async function nextTry(
  engine: Engine,
  org: Uuid,
  situation: Situation,
  touch: DueTouch,
  reason: string,
  at: number,
): Promise<NextTry> {
  if (reason === 'sender_gap') return { wake: await gapOver(engine, org, situation, touch, at) };
  if (reason === 'stale') return { wake: at + STALE_WAIT_MS };
  const timed = reason in REFUSALS && REFUSALS[reason as keyof typeof REFUSALS].action === 'later';
  // When a pause or a switch ends nobody knows.
  return (timed && nextOpening(engine, situation, touch, at)) || { wake: at + engine.limits.lookup_gap_ms };
}

/** It waits in no list for its moment: those who do are as far behind each other as their own gaps, and leave it room. */
async function gapOver(
  engine: Engine,
  org: Uuid,
  { planning }: Situation,
  { sender_id }: DueTouch,
  at: number,
): Promise<number> {
  const [row] = await engine.db.inOrg(org, (tx) =>
    tx.rows<Row & { from: number | null }>(sql`
      SELECT extract(epoch FROM gap_from)::float8 * 1000 AS from FROM sender_usage
       WHERE org_id = ${org} AND sender_id = ${sender_id} AND period = 'gap'`),
  );
  const least = planning.senders.get(sender_id!)?.min_gap_s ?? 0;
  return Math.max(at, Math.ceil((row?.from ?? at) + least * 1_000));
}

/** Null: there is none, and the next look says so. */
function nextOpening(engine: Engine, situation: Situation, touch: DueTouch, at: number): NextTry | null {
  const { planning, versions } = situation;
  const version = versions.get(touch.version_id);
  const found = through(planning, touch.sender_id);
  if (!version || !found) return null;
  const place = placeOfTouch(touch, planning);
  const { budget_ms } = engine.limits;
  const open = openFrom(version.definition, touch.channel, at, found.calendar, place, budget_ms);
  return open.ok ? { wake: open.not_before, until: open.not_after } : null;
}
