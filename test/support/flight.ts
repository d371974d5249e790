/** A touch's flight by hand: through the real gate, and settled with the real rules, without a worker between. */
import type { SendOutcome } from '../../src/channels/channel.ts';
import type { Database } from '../../src/db/database.ts';
import { type DueTouch, readTouch } from '../../src/dispatch/lanes.ts';
import { settlementOf } from '../../src/dispatch/outcomes.ts';
import { replan } from '../../src/dispatch/replan.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { gate } from '../../src/ledger/gate.ts';
import type { Verdict } from '../../src/ledger/reasons.ts';
import { type SettleResult, settle } from '../../src/ledger/settle.ts';
import { type Planning, readPlanning } from '../../src/plan/sequences/calendar.ts';
import type { Version, VersionCache } from '../../src/plan/sequences/versions.ts';
import { periodOf } from '../../src/schedule/period.ts';
import { quotaPeriod } from '../../src/senders/periods.ts';

export interface Flight {
  touch: DueTouch;
  version: Version;
  planning: Planning;
  token: Uuid;
  verdict: Verdict;
  attempt: number;
}

export interface Runway {
  db: Database;
  versions: VersionCache;
  org: Uuid;
}

const WORKER = 'test:1';
const DAY_MS = 86_400_000;
/** Steps may be days apart: the gate is told that it is this much later, so that nothing is early. */
const LATER_MS = 400 * DAY_MS;
/** And each time a day later than the time before: what waits for another try may wait that long. */
let times = 0;

/** Asks the gate for one touch. `now`: as if it were then. */
export async function letGo(
  { db, versions, org }: Runway,
  id: Uuid,
  options: { lease_ms?: number; hash?: string; soon?: boolean } = {},
): Promise<Flight> {
  const touch = (await readTouch(db, org, id))!;
  const version = (await versions.one(org, touch.version_id))!;
  const real = await db.inOrg(org, (tx) => readPlanning(tx, org, version.definition.sender_ids));
  const now = options.soon ? real.now : real.now + LATER_MS + DAY_MS * times++;
  const planning = { ...real, now };
  const sender = planning.senders.get(touch.sender_id!)!;
  const token = newId();
  const zone = planning.organization.time_zone;
  const answer = await gate(db, {
    org,
    worker: WORKER,
    token,
    lease_ms: options.lease_ms ?? 60_000,
    budget_ms: 2_000,
    policy_version: planning.organization.policy_version,
    touches: [
      {
        id,
        sequence_id: touch.sequence_id,
        sender_id: touch.sender_id!,
        contact_version: touch.contact_version,
        sender_version: sender.version,
        hash: options.hash ?? touch.step_id,
        contents: JSON.stringify({ $subject: 'Hello' }),
      },
    ],
    periods: [quotaPeriod(sender, zone, now)!],
    contact_day: planning.organization.capped ? contactDay(now, zone) : null,
    now: new Date(now),
  });
  const [verdict] = answer.verdicts;
  return { touch, version, planning, token, verdict: verdict!.verdict, attempt: verdict!.attempt };
}

/** Settles it as the dispatcher would, with what its provider answered. */
export async function answered(
  { db, versions, org }: Runway,
  flight: Flight,
  outcome: SendOutcome,
): Promise<SettleResult> {
  const at = flight.planning.now;
  const settlement = settlementOf({ ...flight, at }, outcome, 'Hello');
  const { token } = flight;
  const batch = { org, token, actor: `worker:${WORKER}`, settlements: [settlement] };
  const result = (await settle(db, batch)).get(flight.touch.id)!;
  if (result !== 'lost') return result;
  const [again] = await replan({ db, versions }, org, token, [settlement]);
  return again ? (await settle(db, { ...batch, ...again })).get(flight.touch.id)! : result;
}

export const ACCEPTED: SendOutcome = { kind: 'accepted', provider_id: 'p-1', response: '250 queued' };
export const AMBIGUOUS: SendOutcome = { kind: 'ambiguous', reason: 'connection_lost' };
export const REFUSED: SendOutcome = {
  kind: 'refused',
  permanence: 'permanent',
  reason: 'content_rejected',
  response: '554 no',
};
export const HARD_BOUNCE: SendOutcome = {
  kind: 'refused',
  permanence: 'permanent',
  reason: 'mailbox_unknown',
  response: '550 unknown',
};
export const GREYLISTED: SendOutcome = {
  kind: 'refused',
  permanence: 'transient',
  reason: 'greylisted',
  response: '450 later',
};
export const NOT_STARTED: SendOutcome = { kind: 'not_started', reason: 'budget_passed' };

function contactDay(now: number, zone: string) {
  const { day, day_start_ms, day_end_ms } = periodOf(now, zone)!;
  return { day, from: new Date(day_start_ms).toISOString(), until: new Date(day_end_ms).toISOString() };
}
