/**
 * Class K: the same bytes go again under the same key, if the gate lets them. Whatever the provider answers now but
 * `accepted` says nothing about the first call, so the touch stays unknown. In: unknown touches of one gate. Out: those
 * that were not sent again, and when they may be tried again, if ever.
 */
import { performance } from 'node:perf_hooks';
import { type Connection, DEFAULT_KEY_LIFE_MS, type SendOutcome } from '../channels/channel.ts';
import { newId, type Uuid } from '../kernel/ids.ts';
import { REFUSALS } from '../ledger/reasons.ts';
import type { Settlement } from '../ledger/settle.ts';
import { LIVE_STATUSES } from '../plan/sequences/lifecycle.ts';
import { askGate } from './ask-gate.ts';
import { type Composed, compose } from './compose.ts';
import type { Engine } from './engine.ts';
import type { DueTouch } from './lanes.ts';
import { type NextTry, nextTry } from './next-try.ts';
import { settlementOf } from './outcomes.ts';
import { send } from './send.ts';
import { settleAll } from './settle.ts';
import type { Situation } from './situation.ts';

/** Between two sends under one key, doubling with each, up to the gap between two looks. */
const FIRST_WAIT_MS = 250;
const MAX_DOUBLINGS = 16;

export interface NotResent {
  touch: DueTouch;
  connection: Connection;
  reason: string;
  /** Null: it may never go again under this key, or not while that lives. */
  next: NextTry | null;
}

/**
 * Until when, on the monotonic clock, a call may begin under the key of the first; null where keys prove nothing. It is
 * asked again just before the call: a process that stood still since it read the situation (a freeze, a database that
 * was waited for) sent under keys that had run out, and the provider took the message a second time.
 */
export function keyUntil(
  engine: Engine,
  { asked_at, planning }: Situation,
  connection: Connection,
  touch: DueTouch,
): number | null {
  const ends = keyEnds(engine, connection, touch);
  return ends === null ? null : asked_at + (ends - planning.now);
}

/** The same by the database's clock, Unix milliseconds. */
function keyEnds({ limits }: Engine, connection: Connection, { first_called }: DueTouch): number | null {
  if (connection.provider_class !== 'K' || first_called === null) return null;
  return first_called.getTime() + (connection.key_life_ms ?? DEFAULT_KEY_LIFE_MS) - limits.call_timeout_ms;
}

export async function sendAgain(
  engine: Engine,
  org: Uuid,
  situation: Situation,
  touches: readonly DueTouch[],
): Promise<NotResent[]> {
  const { ready, refused, later } = await compose(engine, org, situation, touches);
  const left: NotResent[] = [];
  const leave = async (touch: DueTouch, reason: string, at: number) => {
    const connection = engine.connect(org, situation.planning.senders.get(touch.sender_id!)!)!;
    const next = isFinal(touch, reason) ? null : await nextTry(engine, org, situation, touch, reason, at);
    // Once its key is forgotten nothing can be tried: whoever must decide then is told now.
    const inTime = next !== null && next.wake + engine.limits.budget_ms < keyEnds(engine, connection, touch)!;
    left.push({ touch, connection, reason: `not_resent: ${reason}`, next: inTime ? next : null });
  };
  const { now } = situation.planning;
  for (const settlement of refused)
    await leave(
      touches.find((touch) => touch.id === settlement.touch_id)!,
      settlement.reason ?? 'refused',
      now,
    );
  for (const { touch, reason } of later) await leave(touch, reason, now);
  if (ready.length === 0) return left;
  const token = newId();
  const deadline = performance.now() + engine.limits.budget_ms;
  const answer = await askGate(engine, org, token, situation, ready, { resend: true });
  const answered = performance.now();
  const byId = new Map(ready.map((composed) => [composed.touch.id, composed]));
  const settlements: Settlement[] = [];
  await Promise.all(
    answer.verdicts.map(async ({ id, verdict, key_n, attempt }) => {
      const composed = byId.get(id)!;
      if (verdict !== 'go') return leave(composed.touch, verdict, answer.at);
      const until = keyUntil(engine, situation, composed.connection, composed.touch) ?? deadline;
      const outcome = await send(engine, outgoing(composed, key_n), Math.min(deadline, until));
      const at = answer.at + (performance.now() - answered);
      settlements.push(settlementOfResend(engine, situation, composed, attempt, outcome, at));
    }),
  );
  if (settlements.length > 0) await settleAll(engine, org, token, settlements);
  return left;
}

function isFinal(touch: DueTouch, reason: string): boolean {
  if (reason === 'source_ended')
    return !touch.is_live || !(LIVE_STATUSES as readonly string[]).includes(touch.enrollment_status);
  if (reason === 'bytes_differ') return true;
  return reason in REFUSALS && REFUSALS[reason as keyof typeof REFUSALS].action === 'end';
}

function settlementOfResend(
  engine: Engine,
  situation: Situation,
  composed: Composed,
  attempt: number,
  outcome: SendOutcome,
  at: number,
): Settlement {
  const { touch, version } = composed;
  const settlement = settlementOf(
    { touch, version, planning: situation.planning, attempt, at },
    unproven(outcome),
    composed.subject,
  );
  // Without a wait, a provider that is down would be called as fast as it fails.
  const wait = Math.min(engine.limits.lookup_gap_ms, FIRST_WAIT_MS * 2 ** Math.min(attempt, MAX_DOUBLINGS));
  if (settlement.outcome === 'unknown') settlement.wake = at + wait;
  return settlement;
}

/** It was unknown before this call. That this one was refused, or never began, proves nothing about the first. */
function unproven(outcome: SendOutcome): SendOutcome {
  if (outcome.kind === 'accepted' || outcome.kind === 'ambiguous') return outcome;
  return {
    kind: 'ambiguous',
    reason: `resend_${outcome.kind}: ${outcome.reason}`,
    ...(outcome.kind === 'refused' && outcome.response !== undefined ? { response: outcome.response } : {}),
  };
}

function outgoing(composed: Composed, keyN: number) {
  return {
    touch_id: composed.touch.id,
    idempotency_key: `${composed.touch.id}.${keyN}`,
    message: composed.message(keyN),
    connection: composed.connection,
  };
}
