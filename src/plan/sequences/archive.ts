/**
 * Putting a sequence away, and taking it out again. An archived one sends nothing and takes nobody: it is held like a
 * paused one, so its enrollments keep their place, and what it sent keeps its name.
 */
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import type { Receipt } from '../../ledger/receipts.ts';
import { audit } from '../../tenancy/audit.ts';
import type { Context } from '../../tenancy/context.ts';
import type { StopOptions } from '../stop.ts';
import { turnSequence } from '../switches.ts';
import { getSequence, lockSequence, type Sequence, type SequenceStatus } from './sequences.ts';

/** How often it is tried because somebody resumed the sequence in between. */
const MAX_ROUNDS = 5;

/**
 * First the stop, acknowledged by its receipt, then the status. A draft has nothing to stop, so no receipt; archiving
 * again is no error.
 * @throws Problem not_found
 */
export async function archiveSequence(
  db: Database,
  ctx: Context,
  id: Uuid,
  options: StopOptions = {},
): Promise<{ sequence: Sequence; receipt: Receipt | null }> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { status } = await getSequence(db, ctx, id);
    if (status === 'archived') return { sequence: await getSequence(db, ctx, id), receipt: null };
    const receipt = status === 'draft' ? null : await turnSequence(db, ctx, id, true, options);
    const done = await change(db, ctx, id, 'archive', (now) =>
      now === (receipt ? 'paused' : 'draft') ? 'archived' : null,
    );
    if (done) return { sequence: await getSequence(db, ctx, id), receipt };
  }
  throw new Problem('conflict', 'The sequence kept changing; read it and decide again');
}

/**
 * Back to what it was, but nothing goes out by itself: one that was published is paused until somebody resumes it.
 * @throws Problem not_found, conflict when it is not archived
 */
export async function restoreSequence(db: Database, ctx: Context, id: Uuid): Promise<Sequence> {
  const { published_version } = await getSequence(db, ctx, id);
  const to = published_version === null ? 'draft' : 'paused';
  const done = await change(db, ctx, id, 'restore', (now) => (now === 'archived' ? to : null));
  if (!done) throw new Problem('conflict', 'The sequence is not archived');
  return getSequence(db, ctx, id);
}

/** False when `next` does not allow it from the status it has now. */
async function change(
  db: Database,
  ctx: Context,
  id: Uuid,
  verb: 'archive' | 'restore',
  next: (now: SequenceStatus) => SequenceStatus | null,
): Promise<boolean> {
  return db.inOrg(ctx.org, async (tx) => {
    const { status } = await lockSequence(tx, ctx.org, id);
    const to = next(status);
    if (to === null) return false;
    await tx.run(sql`
      UPDATE sequences SET status = ${to}, updated_at = now() WHERE org_id = ${ctx.org} AND id = ${id}`);
    await audit(tx, ctx, { action: `sequence.${verb}`, subject_type: 'sequence', subject_id: id });
    return true;
  });
}
