/**
 * What went, as its person saw it: kept with the gate's word, in its transaction, and shown from then on. Whatever is
 * written while a message is on its way, or changes in its contact or template later, the step shows what was let go.
 */
import type { Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { TouchState } from '../../ledger/states.ts';
import type { Engine } from '../engine.ts';
import type { DueTouch } from '../lanes.ts';
import type { Situation } from '../situation.ts';
import { type ShownDraft, showDrafts } from './shown-draft.ts';

/** `drafted_at` as it stands in JSON. */
export type Went = Omit<ShownDraft, 'problem' | 'drafted_at'> & { drafted_at: string | null };

/** Of what the scene was read from, and so of what is composed from it; null where there is no text. */
export async function wentAs(
  engine: Pick<Engine, 'unsubscribeUrl'>,
  org: Uuid,
  { touch, situation }: { touch: DueTouch; situation: Situation },
): Promise<Went | null> {
  const [shown] = await showDrafts(engine, org, situation, [touch]);
  const { problem, drafted_at, ...text } = shown!;
  return problem === null ? { ...text, drafted_at: drafted_at?.toISOString() ?? null } : null;
}

export async function keepWent(tx: Tx, org: Uuid, touch: Uuid, went: Went | null): Promise<void> {
  await tx.run(sql`
    INSERT INTO due_steps (org_id, touch_id, went) VALUES (${org}, ${touch}, ${went === null ? null : JSON.stringify(went)}::jsonb)
    ON CONFLICT (org_id, touch_id) DO UPDATE SET went = excluded.went`);
}

/** What is shown of a step: until it is let go what would go now, then what went. */
export function shownAs(state: TouchState, went: Went | null, draft: ShownDraft): ShownDraft {
  if (went === null || state === 'planned' || state === 'cancelled' || state === 'skipped') return draft;
  const { drafted_at, ...text } = went;
  return { ...text, drafted_at: drafted_at === null ? null : new Date(drafted_at), problem: null };
}
