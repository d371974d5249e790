/**
 * What a touch leads to, planned again: settle() writes nothing about one whose enrollment was moved to another version
 * of its sequence, or passes a channel over, unknown to who planned its next touch. Here that is read, and the next
 * touch planned as it is now; the touch itself has finished under its own version. In: settlements that were lost. Out:
 * those that were not, by version.
 */
import { placeOf } from '../contacts/place.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { Settlement } from '../ledger/settle.ts';
import { type Planning, readPlanning } from '../plan/sequences/calendar.ts';
import { type HistoryRow, historyColumn, historyOf } from '../plan/sequences/history.ts';
import { opening, plannedTouch, reopening } from '../plan/sequences/next.ts';
import { after, firstToDo, nextN } from '../plan/sequences/place.ts';
import type { Version, VersionCache } from '../plan/sequences/versions.ts';

export interface Replanned {
  version: Uuid;
  settlements: Settlement[];
}

interface Moved {
  touch_id: Uuid;
  id: Uuid;
  version_id: Uuid;
  step_id: Uuid;
  step_no: number;
  generation: number;
  sender_id: Uuid;
  channel: string;
  skip_channels: string[] | null;
  time_zone: string | null;
  phone: string | null;
  history: HistoryRow | null;
}

/** `token`: under which they settle. Those that another has settled, or that lead nowhere, are left out. */
export async function replan(
  { db, versions, now }: { db: Database; versions: VersionCache; now?(): Date },
  org: Uuid,
  token: Uuid | null,
  lost: readonly Settlement[],
): Promise<Replanned[]> {
  const leading = lost.filter((one) => one.outcome === 'sent' || one.next || one.ends === 'completed');
  if (leading.length === 0) return [];
  const { rows, planning } = await db.inOrg(org, async (tx) => {
    const rows = await tx.rows<Moved>(sql`
      SELECT t.id AS touch_id, e.id, e.version_id, e.step_id, e.step_no, e.generation, e.sender_id, t.channel, e.skip_channels,
             c.time_zone, coalesce(c.phone, c.whatsapp) AS phone, ${historyColumn}
        FROM touches t JOIN enrollments e ON e.org_id = t.org_id AND e.id = t.source_id AND e.live_touch = t.id
        JOIN contacts c ON c.org_id = t.org_id AND c.id = t.contact_id
       WHERE t.org_id = ${org} AND t.id = ANY (${leading.map((one) => one.touch_id)}) AND e.status = 'active'
         AND (t.state = 'planned' OR t.state IN ('sending', 'unknown') AND t.token = ${token})`);
    return {
      rows,
      planning: await readPlanning(tx, org, [...new Set(rows.map((row) => row.sender_id))], now?.() ?? null),
    };
  });
  const known = await versions.get(
    org,
    rows.map((row) => row.version_id),
  );
  const byTouch = new Map(rows.map((row) => [row.touch_id, row]));
  const byVersion = new Map<Uuid, Settlement[]>();
  for (const one of leading) {
    const row = byTouch.get(one.touch_id);
    const version = row && known.get(row.version_id);
    if (!version) continue;
    const settlement = { ...one, ...continued(row, version, planning, one) };
    const list = byVersion.get(version.id);
    if (list) list.push(settlement);
    else byVersion.set(version.id, [settlement]);
  }
  return [...byVersion].map(([version, settlements]) => ({ version, settlements }));
}

/** Counted from when the touch was sent, but not into a time that is over. */
function continued(
  row: Moved,
  { definition }: Version,
  planning: Planning,
  { at, outcome, reason }: Settlement,
): Pick<Settlement, 'next' | 'ends' | 'reason'> {
  // The reason of a plan that no longer holds is not one of the touch.
  const why = outcome === 'sent' && reason === 'bad_schedule' ? null : (reason ?? null);
  const history = historyOf(row.history);
  // A touch that was skipped because its contact opted out takes the other steps of its channel with it.
  const skip = outcome === 'skipped' ? [...(row.skip_channels ?? []), row.channel] : row.skip_channels;
  const passed = { history, skip_channels: skip };
  const stepNo = firstToDo(definition, after(definition, row), passed);
  if (stepNo === null) return { next: null, ends: 'completed', reason: why };
  const calendar = planning.senders.get(row.sender_id)?.calendar;
  const place = placeOf(row, planning.organization.time_zone);
  const planned = calendar && opening(definition, stepNo, at, calendar, place);
  const { channel } = definition.steps[stepNo]!;
  const open =
    planned?.ok && planned.not_before < planning.now
      ? reopening(definition, channel, planning.now, calendar!, place)
      : planned;
  if (!open?.ok) return { next: null, ends: 'failed', reason: 'bad_schedule' };
  const n = nextN(definition, stepNo, history);
  const key = { enrollment_id: row.id, generation: row.generation, step_no: stepNo, n };
  return { next: { ...plannedTouch(definition, key, open), n }, ends: null, reason: why };
}
