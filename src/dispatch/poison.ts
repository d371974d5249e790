/** A touch under which a worker died again, while it was the only one at hand, ends instead of killing a third. */
import type { Engine } from './engine.ts';
import type { Lane } from './lanes.ts';
import { readTouch } from './lanes.ts';
import { settlementOfRefusal } from './outcomes.ts';
import { settleAll } from './settle.ts';

export async function dropSuspect(engine: Engine, lane: Lane): Promise<number> {
  const touch = await readTouch(engine.db, lane.org, lane.suspect!);
  if (touch?.state !== 'planned') return 0;
  const settlement = settlementOfRefusal(
    touch,
    'poison',
    Date.now(),
    `a worker died on it again in lane ${lane.org}`,
  );
  engine.log.error({ org_id: lane.org, touch_id: touch.id }, 'poison: the touch ends');
  return settleAll(engine, lane.org, null, [settlement!]);
}
