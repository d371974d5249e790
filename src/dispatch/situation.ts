/** Settings, senders and versions of the touches at hand: read once a batch. */
import type { Uuid } from '../kernel/ids.ts';
import { readPlanning } from '../plan/sequences/calendar.ts';
import type { Situations } from './deliver.ts';
import type { Engine } from './engine.ts';
import type { DueTouch } from './lanes.ts';
import type { Ready } from './ready.ts';

export async function readSituation(
  engine: Engine,
  org: Uuid,
  due: readonly DueTouch[],
  ready: Pick<Ready, 'senders'> | null = null,
): Promise<Situations> {
  const senders = [...new Set([...due.map((touch) => touch.sender_id), ...(ready?.senders() ?? [])])];
  const planning = await engine.db.inOrg(org, (tx) => readPlanning(tx, org, senders));
  const versions = await engine.versions.get(
    org,
    due.map((touch) => touch.version_id),
  );
  return { planning, versions };
}
