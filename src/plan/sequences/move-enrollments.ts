/** Enrollments that are named, moved to another version at once, with an answer for each; more of them become a job. */
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { notFound, Problem } from '../../kernel/problem.ts';
import { wake } from '../../ledger/wake.ts';
import { auditEntry } from '../../tenancy/audit.ts';
import { actorText, type Context } from '../../tenancy/context.ts';
import { type EnrollmentStatus, isLive } from './lifecycle.ts';
import { type MoveTarget, moveArguments, moveTarget, planMoves } from './version-move.ts';
import { MOVE_REFUSED, type VersionMove } from './version-move-plan.ts';
import type { VersionCache } from './versions.ts';

/** How often those that changed in between are read and decided again. */
const MAX_ROUNDS = 20;

export const MOVE_RESULTS = ['moved', 'completed', 'skipped', 'refused'] as const;
export const MOVE_REASONS = [
  'touch_in_flight',
  'steps_removed',
  'already_moved',
  'other_version',
  'ended',
  'duplicate',
  'unknown_enrollment',
  'changing',
  ...MOVE_REFUSED,
] as const;

export interface MoveResult {
  enrollment_id: Uuid;
  result: (typeof MOVE_RESULTS)[number];
  /** Of `moved`: touch_in_flight, when what is in flight finishes under the version before. */
  reason: (typeof MOVE_REASONS)[number] | null;
}

export interface MoveInput {
  sequence_id: Uuid;
  from_version?: number | undefined;
  to_version?: number | undefined;
}

export interface Moved {
  from_version: number | null;
  to_version: number;
  results: MoveResult[];
}

/** One answer an entry of the request, in its order. */
export async function moveEnrollments(
  db: Database,
  versions: VersionCache,
  ctx: Context,
  input: MoveInput & { enrollment_ids: readonly Uuid[] },
): Promise<Moved> {
  const target = await moveTarget(db, versions, ctx.org, input);
  const ids = [...new Set(input.enrollment_ids)].sort();
  const results = await others(db, ctx.org, target, ids);
  for (let left = ids.filter((id) => !results.has(id)), round = 0; left.length > 0; round++) {
    const planned = await planMoves(db, versions, ctx.org, target, left);
    for (const { enrollment_id, reason } of planned.refused)
      results.set(enrollment_id, { enrollment_id, result: 'refused', reason });
    for (const result of await write(db, ctx, target, planned.moves))
      results.set(result.enrollment_id, result);
    // Those that ended or were moved by somebody else meanwhile are told so.
    const still = left.filter((id) => !results.has(id));
    for (const [id, result] of await others(db, ctx.org, target, still)) results.set(id, result);
    left = still.filter((id) => !results.has(id));
    if (round === MAX_ROUNDS)
      for (const id of left) results.set(id, { enrollment_id: id, result: 'refused', reason: 'changing' });
  }
  if ([...results.values()].some((one) => one.result === 'moved')) await wake(db, ctx.org);
  return {
    from_version: target.from?.number ?? null,
    to_version: target.to.number,
    results: answer(input.enrollment_ids, results),
  };
}

function answer(ids: readonly Uuid[], results: Map<Uuid, MoveResult>): MoveResult[] {
  const told = new Set<Uuid>();
  return ids.map((id) => {
    if (told.has(id)) return { enrollment_id: id, result: 'skipped', reason: 'duplicate' };
    told.add(id);
    return results.get(id)!;
  });
}

/** Those that are not to be moved, and why. */
async function others(
  db: Database,
  org: Uuid,
  { to, from }: MoveTarget,
  ids: readonly Uuid[],
): Promise<Map<Uuid, MoveResult>> {
  if (ids.length === 0) return new Map();
  const rows = await db.inOrg(org, (tx) =>
    tx.rows<{ id: Uuid; status: EnrollmentStatus; version_id: Uuid; sequence_id: Uuid }>(sql`
      SELECT id, status, version_id, sequence_id FROM enrollments WHERE org_id = ${org} AND id = ANY (${[...ids]})`),
  );
  const known = new Map(rows.map((row) => [row.id, row]));
  const results = new Map<Uuid, MoveResult>();
  for (const id of ids) {
    const row = known.get(id);
    const set = (result: MoveResult['result'], reason: MoveResult['reason']) =>
      results.set(id, { enrollment_id: id, result, reason });
    if (row?.sequence_id !== to.sequence_id) set('refused', 'unknown_enrollment');
    else if (!isLive(row.status)) set('skipped', 'ended');
    else if (row.version_id === to.id) set('skipped', 'already_moved');
    else if (from && row.version_id !== from.id) set('skipped', 'other_version');
  }
  return results;
}

async function write(
  db: Database,
  ctx: Context,
  { to }: MoveTarget,
  moves: readonly VersionMove[],
): Promise<MoveResult[]> {
  if (moves.length === 0) return [];
  const entry = auditEntry(ctx, {
    action: 'enrollment.move',
    subject_type: 'sequence',
    subject_id: to.sequence_id,
    data: { to_version: to.number },
  });
  const rows = await db.call<{ enrollment_id: Uuid; ended: boolean }>(sql`
    SELECT * FROM enrollments_to_version(${ctx.org}::uuid, ${to.id}::uuid, ${actorText(ctx.actor)}, ${moveArguments(moves)}, ${entry}::jsonb)`);
  const seen = new Map(moves.map((one) => [one.seen.id, one.seen]));
  return rows.map(({ enrollment_id, ended }) => {
    if (ended) return { enrollment_id, result: 'completed', reason: 'steps_removed' };
    const { state } = seen.get(enrollment_id)!;
    const flying = state === 'sending' || state === 'unknown';
    return { enrollment_id, result: 'moved', reason: flying ? 'touch_in_flight' : null };
  });
}

/** One that is named: what keeps it from being moved is a refusal of its own. */
export async function moveOne(
  db: Database,
  versions: VersionCache,
  ctx: Context,
  input: MoveInput & { enrollment_id: Uuid },
): Promise<Moved> {
  const { enrollment_id, ...rest } = input;
  const moved = await moveEnrollments(db, versions, ctx, { ...rest, enrollment_ids: [enrollment_id] });
  const { result, reason } = moved.results[0]!;
  if (result === 'moved' || result === 'completed' || reason === 'already_moved') return moved;
  switch (reason) {
    case 'unknown_enrollment':
      throw notFound('enrollment', enrollment_id);
    case 'ended':
      throw new Problem('illegal_transition', 'The enrollment has ended; nothing was changed.');
    case 'other_version':
      throw new Problem(
        'conflict',
        `The enrollment is not at version ${moved.from_version}; nothing was changed.`,
      );
    case 'changing':
      throw new Problem('conflict', 'The enrollment kept changing; read it and decide again.');
    default:
      throw new Problem('enrollment_refused', `The enrollment cannot be moved: ${reason}.`, {
        extra: { reason },
      });
  }
}
