/**
 * What a touch leads to, planned again: settle() writes nothing about one whose enrollment was moved to another version
 * of its sequence, or passes a channel over, unknown to who planned its next touch. Here that is read, and the next
 * touch planned as it is now; the touch itself has finished under its own version. In: settlements that were lost. Out:
 * those that were not, by version.
 */
import { placeOf } from '../contacts/place.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { CHANNELS, type Channel, type ConsentChannel } from '../kernel/channels.ts';
import type { Uuid } from '../kernel/ids.ts';
import { OPTED_OUT } from '../ledger/reasons.ts';
import type { Settlement } from '../ledger/settle.ts';
import { type Planning, readPlanning } from '../plan/sequences/calendar.ts';
import { type HistoryRow, historyColumn, historyOf } from '../plan/sequences/history.ts';
import { openingSince, plannedTouch } from '../plan/sequences/next.ts';
import { after, firstToDo, nextN } from '../plan/sequences/place.ts';
import { stepThrough } from '../plan/sequences/step-sender.ts';
import type { Version, VersionCache } from '../plan/sequences/versions.ts';

export interface Replanned {
  version: Uuid;
  settlements: Settlement[];
}

interface Moved {
  touch_id: Uuid;
  touch_version: Uuid;
  id: Uuid;
  version_id: Uuid;
  step_id: Uuid;
  step_no: number;
  generation: number;
  contact_id: Uuid;
  kept_senders: readonly Uuid[] | null;
  channel: Channel;
  skip_channels: ConsentChannel[] | null;
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
  const rows = await db.inOrg(org, (tx) =>
    tx.rows<Moved>(sql`
      SELECT t.id AS touch_id, t.version_id AS touch_version, e.id, e.version_id, e.step_id, e.step_no, e.generation, e.contact_id, e.kept_senders, t.channel, e.skip_channels,
             c.time_zone, coalesce(c.phone, c.whatsapp) AS phone, ${historyColumn}
        FROM touches t JOIN enrollments e ON e.org_id = t.org_id AND e.id = t.source_id AND e.live_touch = t.id
        JOIN contacts c ON c.org_id = t.org_id AND c.id = t.contact_id
       WHERE t.org_id = ${org} AND t.id = ANY (${leading.map((one) => one.touch_id)}) AND e.status = 'active'
         AND (t.state = 'planned' OR t.state IN ('sending', 'unknown') AND t.token = ${token})`),
  );
  const known = await versions.get(
    org,
    rows.map((row) => row.version_id),
  );
  const senders = new Set([...known.values()].flatMap((version) => version.definition.sender_ids));
  const planning = await db.inOrg(org, (tx) => readPlanning(tx, org, [...senders], now?.() ?? null));
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
  { definition, senders }: Version,
  planning: Planning,
  { at, outcome, reason, onward }: Settlement,
): Pick<Settlement, 'next' | 'ends' | 'reason'> {
  // The reason of a plan that no longer holds is not one of the touch.
  const planless = reason === 'bad_schedule' || reason === 'no_sender';
  const why = outcome === 'sent' && planless ? null : (reason ?? null);
  const history = historyOf(row.history);
  // A touch that was skipped because its contact opted out takes the other steps of its channel with it.
  const { consent } = CHANNELS[row.channel];
  const skip =
    outcome === 'skipped' && consent !== null && OPTED_OUT.has(reason ?? '')
      ? [...(row.skip_channels ?? []), consent]
      : row.skip_channels;
  const passed = { history, skip_channels: skip };
  // A branch was decided under this version, or is asked again.
  const decided = row.touch_version === row.version_id ? onward : undefined;
  const stepNo = firstToDo(definition, decided ?? after(definition, row), passed);
  if (stepNo === null) return { next: null, ends: 'completed', reason: why };
  const { channel } = definition.steps[stepNo]!;
  const found = stepThrough(planning, senders, channel, row.contact_id, row.kept_senders ?? []);
  if (!found) return { next: null, ends: 'failed', reason: 'no_sender' };
  const { calendar, sender_id } = found;
  const place = placeOf(row, planning.organization.time_zone);
  const open = openingSince(definition, stepNo, { from: at, now: planning.now }, calendar, place);
  if (!open.ok) return { next: null, ends: 'failed', reason: 'bad_schedule' };
  const n = nextN(definition, stepNo, history);
  const key = { enrollment_id: row.id, generation: row.generation, step_no: stepNo, n, sender_id };
  return { next: { ...plannedTouch(definition, key, open), n }, ends: null, reason: why };
}
