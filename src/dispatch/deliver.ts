/**
 * How a due touch becomes a sent message. This file names the steps in order and holds all branching:
 * read → look → compose → gate → send → settle, with reconcile for what may have happened and postpone for what may not go
 * yet. The steps are leaves: pure, or one I/O each; they return outcomes and do not throw for control flow.
 *
 * In: a lane this worker holds. Out: its due touches handed to their providers, every outcome settled.
 */
import { performance } from 'node:perf_hooks';
import type { SendOutcome } from '../channels/channel.ts';
import { newId, type Uuid } from '../kernel/ids.ts';
import type { GateVerdict } from '../ledger/gate.ts';
import { REFUSALS } from '../ledger/reasons.ts';
import type { Settlement } from '../ledger/settle.ts';
import type { Postponement } from '../plan/sequences/later.ts';
import { askGate } from './ask-gate.ts';
import { type Composed, compose } from './compose.ts';
import type { Engine } from './engine.ts';
import { Flights } from './flights.ts';
import { holdFaultySender } from './hold.ts';
import { type DueTouch, keepLane, type Lane, type Opened, readDue } from './lanes.ts';
import { asked, look } from './look.ts';
import { passesOver, settlementOf, settlementOfPassed, settlementOfRefusal } from './outcomes.ts';
import { fallDue } from './people/fall-due.ts';
import { type Postponed, postpone } from './postpone.ts';
import { noteReach } from './reach.ts';
import { Ready } from './ready.ts';
import { reconcile } from './reconcile.ts';
import { send } from './send.ts';
import { settleAll } from './settle.ts';
import { readSituation, type Situation } from './situation.ts';
import { tripBreakers } from './trip.ts';

export interface DeliverHooks {
  /** True: take nothing up any more. */
  stop(): boolean;
  /** Called with how many touches were settled, as it happens. */
  settled(count: number): void;
  /** Resolves when `stop` has begun to say so, so that nobody waits for a slow provider. */
  over?: Promise<void>;
  /** Called once, when the first batch is on its way. */
  begun?(): void;
  /** Nothing is read any more: somebody else may have the lane, though calls are still under way. */
  left?(): void;
}

/** While nothing more is due and calls are under way, the lane is read again after so long. */
const READ_AGAIN_MS = 50;

/** Works the lane until nothing is due, `stop` says so, or the lane is lost. Returns how many touches were settled. */
export async function deliver(engine: Engine, lane: Lane, hooks: DeliverHooks): Promise<number> {
  const flights = new Flights(engine.limits.touches_in_flight, hooks.settled, hooks.over);
  const ready = new Ready();
  const limit = lane.careful ? 1 : engine.limits.batch;
  // Careful until what a dead holder can have read is through, not for as long as something is due: one at a time, a
  // lane with a backlog was forty touches a second while others had hundreds. The next holder reads batches again.
  let careful = lane.careful ? engine.limits.batch : Number.POSITIVE_INFINITY;
  let open = true;
  let opened = lane.opened ?? null;
  let begun = false;
  while (open && careful > 0 && !hooks.stop()) {
    await engine.failpoint?.('before_read');
    const read =
      opened?.due ?? (await readDue(engine.db, lane.org, limit, ready.senders(), engine.now?.() ?? null));
    const due = read.filter((touch) => !flights.has(touch.id));
    if (due.length === 0 && ready.size === 0) {
      // What is in flight may plan touches that are due at once: look again when it has settled.
      if (flights.size === 0) break;
      await flights.quiet(READ_AGAIN_MS);
      continue;
    }
    await engine.failpoint?.('after_read');
    if (lane.careful && due[0])
      await keepLane(engine.db, lane, engine.limits.lane_lease_ms, { made: false, suspect: due[0].id });
    open = await work(engine, lane, { due, opened }, ready, flights, limit);
    opened = null;
    if (!begun) hooks.begun?.();
    begun = true;
    careful -= due.length;
    // That was all there is for now; what settles may plan more, and others may too.
    if (read.length < limit && ready.size === 0) await flights.quiet(READ_AGAIN_MS);
    if (lane.careful) {
      await flights.drain();
      await keepLane(engine.db, lane, engine.limits.lane_lease_ms, { made: true, suspect: null });
    }
  }
  await flights.drainShort();
  hooks.left?.();
  await flights.drain();
  return flights.settled;
}

/** One batch: reconciled, composed, passed through the gate. False: the organization was switched off, leave its lane. */
async function work(
  engine: Engine,
  lane: Lane,
  { due, opened }: { due: readonly DueTouch[]; opened: Opened | null },
  ready: Ready,
  flights: Flights,
  limit: number,
): Promise<boolean> {
  const situation = await readSituation(engine, lane.org, due, ready.touches(), opened);
  const unknown = due.filter((touch) => touch.state === 'unknown');
  if (unknown.length > 0)
    flights.start(
      unknown.map((touch) => touch.id),
      () => reconcile(engine, lane.org, situation, unknown),
    );
  const planned = due.filter((touch) => touch.state === 'planned');
  const workers = planned.filter((touch) => touch.mode === 'automatic');
  if (
    workers.length < planned.length &&
    !(await leaveToPeople(engine, lane.org, situation, planned, flights))
  )
    return false;
  const { going: holding, open } = await passConditions(engine, lane.org, situation, workers, flights);
  if (!open) return false;
  const composed = await compose(engine, lane.org, situation, holding);
  await engine.failpoint?.('after_compose');
  settleBeside(engine, lane.org, composed.refused, flights);
  if (composed.later.length > 0) {
    const ids = composed.later.map(({ touch }) => touch.id);
    flights.start(ids, () => settleLater(engine, lane.org, situation, composed.later), true);
  }
  const { policy_version } = situation.planning.organization;
  ready.add(composed.ready, policy_version);
  const going = ready.take(limit, policy_version);
  if (going.length > 0) return pass(engine, lane, situation, going, flights);
  if (flights.size > 0) await flights.next();
  else if (ready.size > 0) await ready.wait();
  return true;
}

/** What people do is looked at and left to them. False: the organization was switched off. */
async function leaveToPeople(
  engine: Engine,
  org: Uuid,
  situation: Situation,
  planned: readonly DueTouch[],
  flights: Flights,
): Promise<boolean> {
  const theirs = planned.filter((touch) => touch.mode === 'human');
  const { settlements, open } = await fallDue(engine, org, situation, theirs);
  settleBeside(engine, org, settlements, flights);
  return open;
}

function settleBeside(engine: Engine, org: Uuid, settlements: readonly Settlement[], flights: Flights): void {
  if (settlements.length === 0) return;
  const ids = settlements.map((settlement) => settlement.touch_id);
  flights.start(ids, () => settleAll(engine, org, null, settlements), true);
}

/** Those that ask nothing, and those whose condition holds, in their order; what the others came to is settled beside. */
async function passConditions(
  engine: Engine,
  org: Uuid,
  situation: Situation,
  planned: readonly DueTouch[],
  flights: Flights,
): Promise<{ going: readonly DueTouch[]; open: boolean }> {
  const { asking, others } = asked(planned, situation.versions);
  if (asking.length === 0) return { going: planned, open: true };
  const { go, settlements, open } = await look(engine, org, situation, asking);
  await engine.failpoint?.('after_look');
  settleBeside(engine, org, settlements, flights);
  const held = new Set(go);
  const passed = new Set(others);
  return { going: planned.filter((touch) => passed.has(touch) || held.has(touch)), open };
}

/** Through the gate; what may go is sent and settled beside the next read. */
async function pass(
  engine: Engine,
  lane: Lane,
  situation: Situation,
  going: Composed[],
  flights: Flights,
): Promise<boolean> {
  if (!(await flights.room(going.length))) return true;
  const token = newId();
  const deadline = performance.now() + engine.limits.budget_ms;
  await engine.failpoint?.('before_gate');
  const answer = await askGate(engine, lane.org, token, situation, going);
  const answered = performance.now();
  await engine.failpoint?.('after_gate');
  const byId = new Map(going.map((composed) => [composed.touch.id, composed]));
  const passed: { composed: Composed; verdict: GateVerdict }[] = [];
  const refused: { composed: Composed; verdict: GateVerdict }[] = [];
  for (const verdict of answer.verdicts) {
    const composed = byId.get(verdict.id)!;
    if (verdict.verdict === 'go') passed.push({ composed, verdict });
    else refused.push({ composed, verdict });
  }
  if (refused.length > 0) {
    const ids = refused.map(({ verdict }) => verdict.id);
    flights.start(ids, () => settleRefused(engine, lane.org, situation, refused, answer.at), true);
  }
  if (passed.length > 0) {
    const moments = { gated: answer.at, answered, deadline };
    const ids = passed.map(({ verdict }) => verdict.id);
    flights.start(ids, () => sendAndSettle(engine, lane.org, token, situation, passed, moments));
  }
  return !refused.some(({ verdict }) => verdict.verdict === 'organization_paused');
}

interface Moments {
  /** The database's time of the gate, Unix milliseconds. */
  gated: number;
  /** Monotonic: when its answer came, and until when a call may begin. */
  answered: number;
  deadline: number;
}

/** Every call at once; outcomes are settled together as they come in. */
export async function sendAndSettle(
  engine: Engine,
  org: Uuid,
  token: Uuid,
  situation: Situation,
  passed: readonly { composed: Composed; verdict: GateVerdict }[],
  moments: Moments,
): Promise<number> {
  await engine.failpoint?.('before_send');
  const arrived: Settlement[] = [];
  const senders = new Map(passed.map(({ composed }) => [composed.touch.id, composed.sender_id]));
  let settled = 0;
  const outcomes = passed.map(async ({ composed, verdict }) => {
    const outcome = await sendOne(engine, composed, verdict, moments.deadline);
    const at = Math.round(moments.gated + performance.now() - moments.answered);
    arrived.push(settlement(engine, org, situation, composed, verdict, outcome, at));
  });
  await engine.failpoint?.('after_send');
  const all = Promise.all(outcomes);
  let open = true;
  void all.finally(() => {
    open = false;
  });
  while (open || arrived.length > 0) {
    await Promise.race([all, new Promise((resolve) => setTimeout(resolve, engine.limits.settle_after_ms))]);
    const batch = arrived.splice(0);
    if (batch.length === 0) continue;
    settled += await settleAll(engine, org, token, batch);
    await tripBreakers(engine, org, situation.planning, batch, (touch) => senders.get(touch) ?? null);
  }
  return settled;
}

function sendOne(
  engine: Engine,
  composed: Composed,
  verdict: GateVerdict,
  deadline: number,
): Promise<SendOutcome> {
  return send(
    engine,
    {
      touch_id: verdict.id,
      idempotency_key: `${verdict.id}.${verdict.key_n}`,
      message: composed.message(verdict.key_n),
      connection: composed.connection,
    },
    deadline,
  );
}

function settlement(
  engine: Engine,
  org: Uuid,
  situation: Situation,
  composed: Composed,
  verdict: GateVerdict,
  outcome: SendOutcome,
  at: number,
): Settlement {
  const { touch, version, sender_id } = composed;
  if (outcome.kind === 'refused') void holdFaultySender(engine, org, sender_id, outcome);
  const sender = situation.planning.senders.get(sender_id);
  if (sender) noteReach(engine, org, sender, outcome);
  return settlementOf(
    { touch, version, planning: situation.planning, attempt: verdict.attempt, at },
    outcome,
    composed.subject,
  );
}

/** Not now, by the rules as they are: another time, before anything is composed. */
async function settleLater(
  engine: Engine,
  org: Uuid,
  situation: Situation,
  later: readonly Postponed[],
): Promise<number> {
  const { planning } = situation;
  return settleAll(engine, org, null, await postpone(engine, org, planning, later, planning.now));
}

/** The gate said no: ended, postponed, held, dropped, or left to be read and composed again. */
export async function settleRefused(
  engine: Engine,
  org: Uuid,
  situation: Situation,
  refused: readonly { composed: Pick<Composed, 'touch' | 'version'>; verdict: GateVerdict }[],
  at: number,
): Promise<number> {
  const settlements: Settlement[] = [];
  const later: Postponed[] = [];
  for (const { composed, verdict } of refused) {
    if (verdict.verdict === 'go') continue;
    if (REFUSALS[verdict.verdict].action === 'later') {
      later.push({
        touch: composed.touch,
        version: composed.version,
        reason: verdict.verdict as Postponement,
      });
      continue;
    }
    const { touch, version } = composed;
    const happening = { touch, version, planning: situation.planning, attempt: touch.attempt, at };
    const written = passesOver(version, verdict.verdict)
      ? settlementOfPassed(happening, verdict.verdict)
      : settlementOfRefusal(touch, verdict.verdict, at);
    if (written) settlements.push(written);
  }
  settlements.push(...(await postpone(engine, org, situation.planning, later, at)));
  return settlements.length > 0 ? settleAll(engine, org, null, settlements) : 0;
}
