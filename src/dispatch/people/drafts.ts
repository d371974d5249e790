/**
 * What people wrote for the steps they do, kept with the touch. A pause cancels the touch and a resume plans another of
 * the same step: that one finds the text again.
 */
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { touchId, type Uuid } from '../../kernel/ids.ts';
import type { Draft } from '../../plan/sequences/steps/draft.ts';
import type { DueTouch } from '../lanes.ts';

/** Touches of the same step, before this one, whose text is looked for. */
const MAX_EARLIER = 10;

type Drafted = Pick<DueTouch, 'id' | 'mode' | 'source_id' | 'generation' | 'step_id' | 'n'>;

/** By touch; null where none of them is a person's. */
export async function readDrafts(
  db: Database,
  org: Uuid,
  touches: readonly Drafted[],
): Promise<ReadonlyMap<Uuid, Draft> | null> {
  // Every batch of a worker comes here.
  if (!touches.some((touch) => touch.mode === 'human')) return null;
  const people = touches.filter((touch) => touch.mode === 'human');
  const ids = people.flatMap((touch) => ownAndEarlier(touch));
  const rows = await db.inOrg(org, (tx) =>
    tx.rows<Draft & { touch_id: Uuid }>(sql`
      SELECT touch_id, draft_subject AS subject, draft_text AS text, draft_html AS html, draft_source AS source, drafted_at AS at
        FROM due_steps WHERE org_id = ${org} AND touch_id = ANY (${ids}) AND draft_source IS NOT NULL`),
  );
  const byTouch = new Map(rows.map(({ touch_id, ...draft }) => [touch_id, draft]));
  const drafts = new Map<Uuid, Draft>();
  for (const touch of people) {
    const draft = ownAndEarlier(touch)
      .map((id) => byTouch.get(id))
      .find((one) => one !== undefined);
    if (draft) drafts.set(touch.id, draft);
  }
  return drafts;
}

/** Newest first. */
function ownAndEarlier({ id, source_id, generation, step_id, n }: Drafted): Uuid[] {
  const ids = [id];
  for (let earlier = n - 1; earlier >= 1 && ids.length <= MAX_EARLIER; earlier--)
    ids.push(touchId(source_id, `${generation}.${step_id}.${earlier}`));
  return ids;
}
