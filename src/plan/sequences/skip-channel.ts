/**
 * What opting out of a channel comes to for enrollments whose sequence skips the channel's steps instead of ending them
 * [CON-4]: who waits for a planned touch of it goes on with the next step of another channel, at its own delay from now,
 * or completes. Decided here, because times are; written by skip-channel.sql if it is still so.
 */
import { placeOf } from '../../contacts/place.ts';
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { CHANNELS, type Channel, type ConsentChannel, type Mode } from '../../kernel/channels.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { TouchState } from '../../ledger/states.ts';
import { type Planning, readPlanning } from './calendar.ts';
import type { Definition } from './definition.ts';
import { type HistoryRow, historyColumn, historyOf } from './history.ts';
import { LIVE_STATUSES } from './lifecycle.ts';
import { opening, plannedTouch } from './next.ts';
import { after, firstToDo, nextN } from './place.ts';
import { sendersByChannel, stepThrough } from './step-sender.ts';

/** As enrollments_skip_channel reads it: what was seen, and what comes instead. Times are Unix milliseconds. */
export interface Skip {
  id: Uuid;
  status: string;
  version: Uuid;
  touch: Uuid;
  state: TouchState;
  ends?: 'completed' | 'failed';
  reason?: string;
  next_id?: Uuid;
  next_step?: Uuid;
  next_no?: number;
  next_n?: number;
  next_channel?: Channel;
  next_mode?: Mode;
  next_sender?: Uuid | null;
  next_from?: number;
  next_until?: number | null;
}

interface Row {
  id: Uuid;
  status: string;
  version_id: Uuid;
  step_id: Uuid;
  step_no: number;
  generation: number;
  contact_id: Uuid;
  kept_senders: Uuid[] | null;
  live_touch: Uuid;
  state: TouchState;
  channel: Channel;
  skip_channels: ConsentChannel[] | null;
  time_zone: string | null;
  phone: string | null;
  history: HistoryRow | null;
  definition: Definition;
}

/** Of a contact's live enrollments, those that skip the steps of a channel it leaves. Most contacts have none. */
export async function readSkips(
  db: Database,
  org: Uuid,
  contact: Uuid,
  channel: ConsentChannel,
): Promise<Skip[]> {
  return db.inOrg(org, async (tx) => {
    const rows = await tx.rows<Row>(sql`
      SELECT e.id, e.status, e.version_id, e.step_id, e.step_no, e.generation, e.contact_id, e.kept_senders, e.live_touch, t.state, t.channel,
             e.skip_channels, c.time_zone, coalesce(c.phone, c.whatsapp) AS phone, ${historyColumn}, v.definition
        FROM enrollments e JOIN sequence_versions v ON v.org_id = e.org_id AND v.id = e.version_id
        JOIN touches t ON t.org_id = e.org_id AND t.id = e.live_touch
        JOIN contacts c ON c.org_id = e.org_id AND c.id = e.contact_id
       WHERE e.org_id = ${org} AND e.contact_id = ${contact} AND e.status = ANY (${[...LIVE_STATUSES]})
         AND v.definition ->> 'on_unsubscribe' = 'skip_steps' AND ${channel} = ANY (e.skip_channels) IS NOT TRUE`);
    if (rows.length === 0) return [];
    const planning = await readPlanning(tx, org, [
      ...new Set(rows.flatMap((row) => row.definition.sender_ids)),
    ]);
    return rows.map((row) => skipOf(row, channel, planning));
  });
}

function skipOf(row: Row, channel: ConsentChannel, planning: Planning): Skip {
  const { id, status, version_id: version, live_touch: touch, state } = row;
  const base = { id, status, version, touch, state };
  // Paused, in flight, or at a step of another channel: what comes next is asked when it comes.
  if (status !== 'active' || state !== 'planned' || CHANNELS[row.channel].consent !== channel) return base;
  const { definition } = row;
  const history = historyOf(row.history);
  const passed = { history, skip_channels: [...(row.skip_channels ?? []), channel] };
  const stepNo = firstToDo(definition, after(definition, row), passed);
  if (stepNo === null) return { ...base, ends: 'completed', reason: 'steps_skipped' };
  const senders = sendersByChannel(definition, (sender) => planning.senders.get(sender)?.channel);
  const { channel: other } = definition.steps[stepNo]!;
  const found = stepThrough(planning, senders, other, row.contact_id, row.kept_senders ?? []);
  if (!found) return { ...base, ends: 'failed', reason: 'no_sender' };
  const { calendar, sender_id } = found;
  const place = placeOf(row, planning.organization.time_zone);
  const open = opening(definition, stepNo, planning.now, calendar, place);
  if (!open.ok) return { ...base, ends: 'failed', reason: 'bad_schedule' };
  const n = nextN(definition, stepNo, history);
  const key = { enrollment_id: id, generation: row.generation, step_no: stepNo, n, sender_id };
  const next = plannedTouch(definition, key, open);
  return {
    ...base,
    next_id: next.id,
    next_step: next.step_id,
    next_no: stepNo,
    next_n: n,
    next_channel: next.channel,
    next_mode: next.mode,
    next_sender: next.sender_id,
    next_from: next.not_before,
    next_until: next.not_after,
  };
}
