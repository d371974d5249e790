/**
 * A lane taken and read in one round trip, with the settings its first batch is planned by: on an idle system the way of
 * a single touch is little but round trips. In: the worker's name, and where something is said to be due. Out: a lane, with
 * its first batch where that was read.
 */
import { performance } from 'node:perf_hooks';
import { newId, type Uuid } from '../kernel/ids.ts';
import { planningOf } from '../plan/sequences/calendar.ts';
import type { Engine } from './engine.ts';
import { isCareful, type Lane, type TakenLane, touchOf } from './lanes.ts';

/** What kills its reader is read apart, after the lease is written: a lane whose last holder was not heard of any more. */
const OPEN = {
  name: 'lane_open',
  text: `
    WITH lane AS MATERIALIZED (
      SELECT org_id, shard, expiries, suspect FROM lane_take($1, $2::uuid, $3::int, NULL, $4::uuid)
    ), due AS MATERIALIZED (
      SELECT r.* FROM lane CROSS JOIN LATERAL lane_read(lane.org_id, $5::int, '{}', NULL, $6::timestamptz, true) WITH ORDINALITY r
       WHERE lane.expiries = 0 AND lane.suspect IS NULL
    ), planning AS MATERIALIZED (
      SELECT p.* FROM lane CROSS JOIN LATERAL planning_read(lane.org_id, ARRAY(
        SELECT DISTINCT s.id FROM due CROSS JOIN LATERAL unnest(due.sender_id || string_to_array(due.kept_senders, ',')::uuid[]) s(id)
         WHERE s.id IS NOT NULL), $6::timestamptz, $7::int) p
    )
    SELECT due.*, lane.org_id, lane.shard, lane.expiries, lane.suspect, p.now, p.has_holidays, p.organization, p.senders
      FROM lane LEFT JOIN due ON true LEFT JOIN planning p ON due.ordinality = 1
     ORDER BY due.ordinality`,
};
/** A follow-up may go through another sender than its touch; nearly every organization has no more than these. */
const OTHER_SENDERS = 8;
/** Of the columns: after those of lane_read comes the row's number. */
const [LANE, PLANNING] = [40, 44];

// biome-ignore lint/suspicious/noExplicitAny: what a column holds is the statement's word
type Column = any;

/** `only`: a lane of this organization or none. */
export async function openLane(
  engine: Pick<Engine, 'db' | 'worker' | 'limits' | 'now'>,
  only: Uuid | null,
): Promise<Lane | null> {
  const { db, worker, limits } = engine;
  const token = newId();
  const asked_at = performance.now();
  const now = engine.now?.() ?? null;
  const rows = (await db.callPrepared(OPEN, [
    worker,
    token,
    limits.lane_lease_ms,
    only,
    limits.batch,
    now,
    OTHER_SENDERS,
  ])) as Column[][];
  const [first] = rows;
  if (first === undefined) return null;
  const [org, shard, expiries, suspect] = first.slice(LANE, PLANNING) as TakenLane;
  const lane = { org, shard, token, careful: isCareful(expiries), suspect };
  if (first[0] === null) return lane;
  const [at, has_holidays, organization, senders] = first.slice(PLANNING);
  const planning = await planningOf(db, org, { now: at, has_holidays, organization, senders });
  return { ...lane, opened: { asked_at, due: rows.map(touchOf), planning } };
}
