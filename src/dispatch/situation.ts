/** Settings, senders and versions of the touches at hand: read once a batch. */
import { performance } from 'node:perf_hooks';
import { type Place, placeOf } from '../contacts/place.ts';
import type { Uuid } from '../kernel/ids.ts';
import { type Planning, readPlanning } from '../plan/sequences/calendar.ts';
import type { Version } from '../plan/sequences/versions.ts';
import type { Engine } from './engine.ts';
import type { DueTouch } from './lanes.ts';

export interface Situation {
  /** On this process's monotonic clock, before the database said `planning.now`: how old the situation is at most. */
  asked_at: number;
  planning: Planning;
  versions: Map<Uuid, Version>;
}

/** `moreSenders`: those whose touches are kept ready from an earlier read. */
export async function readSituation(
  engine: Engine,
  org: Uuid,
  due: readonly DueTouch[],
  moreSenders: readonly Uuid[] = [],
): Promise<Situation> {
  const senders = [...new Set([...due.map((touch) => touch.sender_id), ...moreSenders])];
  const asked_at = performance.now();
  const planning = await readPlanning(engine.db, org, senders, engine.now?.() ?? null);
  const versions = await engine.versions.get(
    org,
    due.map((touch) => touch.version_id),
  );
  return { asked_at, planning, versions };
}

/** Where its recipient may be. */
export function placeOfTouch(
  touch: Pick<DueTouch, 'contact_zone' | 'contact_phone'>,
  planning: Pick<Planning, 'organization'>,
): Place {
  return placeOf(
    { time_zone: touch.contact_zone, phone: touch.contact_phone },
    planning.organization.time_zone,
  );
}
