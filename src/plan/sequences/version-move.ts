/**
 * Live enrollments moved to another version of their sequence, on request [SEQ-1]. Here: which versions, and a batch of
 * enrollments read, decided (version-move-plan.ts) and written (version-move.sql) until none of them changed in between.
 * The same for a few named ones and for a chunk of a job. Repeating it is no error: who is there already is left alone.
 */
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { notFound, Problem } from '../../kernel/problem.ts';
import { type Planning, readPlanning } from './calendar.ts';
import { type HistoryRow, historyColumn, historyOf } from './history.ts';
import { LIVE_STATUSES } from './lifecycle.ts';
import { type Movable, type MoveRefused, planMove, type VersionMove } from './version-move-plan.ts';
import type { Version, VersionCache } from './versions.ts';

export interface MoveTarget {
  to: Version;
  /** Only those at this version. */
  from: Version | null;
}

/** @throws not_found (sequence, version), sequence_not_published, conflict (archived), invalid_request */
export async function moveTarget(
  db: Database,
  versions: VersionCache,
  org: Uuid,
  input: { sequence_id: Uuid; from_version?: number | undefined; to_version?: number | undefined },
): Promise<MoveTarget> {
  const { sequence_id, from_version, to_version } = input;
  const { sequence, numbered } = await db.inOrg(org, async (tx) => ({
    sequence: await tx.maybe<{ status: string; published_version_id: Uuid | null }>(
      sql`SELECT status, published_version_id FROM sequences WHERE org_id = ${org} AND id = ${sequence_id}`,
    ),
    numbered: await tx.rows<{ id: Uuid; number: number }>(sql`
      SELECT id, number FROM sequence_versions
       WHERE org_id = ${org} AND sequence_id = ${sequence_id} AND number = ANY (${[from_version ?? 0, to_version ?? 0]})`),
  }));
  if (!sequence) throw notFound('sequence', sequence_id);
  if (sequence.status === 'archived')
    throw new Problem('conflict', 'The sequence is archived; restore it first');
  if (sequence.published_version_id === null)
    throw new Problem('sequence_not_published', 'The sequence has no published version to move to.');
  const version = async (number: number): Promise<Version> => {
    const id = numbered.find((row) => row.number === number)?.id;
    const found = id === undefined ? null : await versions.one(org, id);
    if (!found) throw new Problem('not_found', `The sequence has no version ${number}`);
    return found;
  };
  const to =
    to_version === undefined
      ? (await versions.one(org, sequence.published_version_id))!
      : await version(to_version);
  const from = from_version === undefined ? null : await version(from_version);
  if (from?.id === to.id) {
    const message = 'It is the version they are to be moved to';
    const errors = [{ field: 'from_version', code: 'same_version', message }];
    throw new Problem('invalid_request', 'Nobody can be moved from a version to itself', { errors });
  }
  return { to, from };
}

/** Since when the current step waits: when its touch was planned, or the first of those that moves have replaced since. */
const waitingSince = sql`(
  SELECT min(x.created_at) FROM touches x
   WHERE x.org_id = e.org_id AND x.source_id = e.id AND x.id BETWEEN first_touch_id(e.id) AND last_touch_id(e.id)
     AND x.generation = e.generation AND x.created_at > coalesce((
       SELECT max(y.created_at) FROM touches y
        WHERE y.org_id = e.org_id AND y.source_id = e.id AND y.id BETWEEN first_touch_id(e.id) AND last_touch_id(e.id)
          AND y.generation = e.generation AND y.id <> e.live_touch AND (y.state <> 'cancelled' OR y.reason IS DISTINCT FROM 'moved')), '-infinity'))`;

/** Of these enrollments, those that are live and at another version than they are to be. In the order of their ids. */
async function readMovable(
  db: Database,
  org: Uuid,
  { to, from }: MoveTarget,
  ids: readonly Uuid[],
): Promise<{ rows: Movable[]; planning: Planning }> {
  return db.inOrg(org, async (tx) => {
    const rows = await tx.rows<Omit<Movable, 'history'> & { history: HistoryRow | null }>(sql`
      SELECT e.id, e.contact_id, e.status, e.version_id, e.step_id, e.step_no, e.generation, t.sender_id, e.kept_senders, e.live_touch, e.skip_channels, t.state,
             extract(epoch FROM ${waitingSince})::float8 * 1000 AS waits_since, extract(epoch FROM t.not_before)::float8 * 1000 AS not_before,
             extract(epoch FROM t.not_after)::float8 * 1000 AS not_after, extract(epoch FROM t.wake_at)::float8 * 1000 AS wake_at,
             c.time_zone, coalesce(c.phone, c.whatsapp) AS phone, ${historyColumn}
        FROM unnest(${[...ids]}::uuid[]) i(id) JOIN enrollments e ON e.org_id = ${org} AND e.id = i.id
        JOIN touches t ON t.org_id = e.org_id AND t.id = e.live_touch
        JOIN contacts c ON c.org_id = e.org_id AND c.id = e.contact_id
       WHERE e.sequence_id = ${to.sequence_id} AND e.status = ANY (${[...LIVE_STATUSES]}) AND e.version_id <> ${to.id}
         AND (${from?.id ?? null}::uuid IS NULL OR e.version_id = ${from?.id ?? null})
       ORDER BY e.id`);
    const planning = await readPlanning(tx, org, to.definition.sender_ids);
    return { rows: rows.map((row) => ({ ...row, history: historyOf(row.history) })), planning };
  });
}

export interface PlannedMoves {
  moves: VersionMove[];
  refused: { enrollment_id: Uuid; reason: MoveRefused }[];
}

/** Reads and decides; writes nothing. */
export async function planMoves(
  db: Database,
  versions: VersionCache,
  org: Uuid,
  target: MoveTarget,
  ids: readonly Uuid[],
): Promise<PlannedMoves> {
  const { rows, planning } = await readMovable(db, org, target, ids);
  const known = await versions.get(
    org,
    rows.map((row) => row.version_id),
  );
  const planned: PlannedMoves = { moves: [], refused: [] };
  for (const row of rows) {
    const from = known.get(row.version_id)!;
    const move = planMove(row, from, target.to, planning);
    if (typeof move === 'string') planned.refused.push({ enrollment_id: row.id, reason: move });
    else planned.moves.push(move);
  }
  return planned;
}

const iso = (ms: number | null | undefined) =>
  ms === null || ms === undefined ? null : new Date(ms).toISOString();

/** Null for none, so that nobody asks for what is not there. */
const listed = (ids: readonly Uuid[]) => (ids.length === 0 ? null : ids.join(','));

/** The arguments that enrollments_to_version and version_move_chunk share, in their order. */
export function moveArguments(moves: readonly VersionMove[]) {
  return sql`
    ${moves.map((one) => one.seen.id)}::uuid[], ${moves.map((one) => one.seen.status)}::text[],
    ${moves.map((one) => one.seen.version_id)}::uuid[], ${moves.map((one) => one.seen.live_touch)}::uuid[],
    ${moves.map((one) => one.seen.state)}::text[],
    ${moves.map((one) => one.step_id)}::uuid[], ${moves.map((one) => one.step_no)}::int[],
    ${moves.map((one) => listed(one.kept_senders))}::text[], ${moves.map((one) => listed(one.had_steps))}::text[],
    ${moves.map((one) => one.next?.id ?? null)}::uuid[], ${moves.map((one) => one.next?.n ?? null)}::int[],
    ${moves.map((one) => one.next?.channel ?? null)}::text[], ${moves.map((one) => one.next?.mode ?? null)}::text[],
    ${moves.map((one) => one.next?.sender_id ?? null)}::uuid[], ${moves.map((one) => iso(one.next?.not_before))}::timestamptz[],
    ${moves.map((one) => iso(one.next?.not_after))}::timestamptz[], ${moves.map((one) => one.ends)}::text[]`;
}
