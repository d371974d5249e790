/**
 * A step of a person that falls due [SEQ-14, DUE-1]: a worker looks at its condition once, as at those of its own steps.
 * Where it does not hold, the step is skipped and its enrollment goes on; every other one is left to its person and falls
 * due for no worker again. Nothing of it is composed, asked of the gate or sent here.
 *
 * In: due touches of people. Out: settlements of those that leave the list.
 */
import { uuids } from '../../db/arrays.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { Settlement } from '../../ledger/settle.ts';
import type { Engine } from '../engine.ts';
import type { DueTouch } from '../lanes.ts';
import { asked, look } from '../look.ts';
import type { Situation } from '../situation.ts';

/** `open`: false when the organization was switched off, and nothing was decided. */
export async function fallDue(
  engine: Pick<Engine, 'db' | 'now'>,
  org: Uuid,
  situation: Situation,
  due: readonly DueTouch[],
): Promise<{ settlements: readonly Settlement[]; open: boolean }> {
  const { asking, others } = asked(due, situation.versions);
  if (asking.length === 0) {
    await leaveToPeople(engine, org, others);
    return { settlements: [], open: true };
  }
  const { go, stopped, settlements, open } = await look(engine, org, situation, asking);
  if (!open) return { settlements: [], open };
  const stops = new Set(stopped.map((settlement) => settlement.touch_id));
  await leaveToPeople(engine, org, [...others, ...go.filter((touch) => !stops.has(touch.id))]);
  return { settlements: [...settlements, ...stopped], open };
}

/** What was put off since it was read falls due again at its other time. */
async function leaveToPeople(
  { db, now }: Pick<Engine, 'db' | 'now'>,
  org: Uuid,
  touches: readonly DueTouch[],
): Promise<void> {
  if (touches.length === 0) return;
  await db.inOrg(org, (tx) =>
    tx.run(sql`
      UPDATE touches SET wake_at = NULL
       WHERE org_id = ${org} AND id = ANY (${uuids(touches.map((touch) => touch.id))}::uuid[]) AND mode = 'human' AND state = 'planned'
         AND wake_at <= coalesce(${now?.() ?? null}::timestamptz, clock_timestamp())`),
  );
}
