/**
 * What may have happened: touches in `unknown`. By what their provider can prove (DESIGN section 3):
 * K sends the same bytes under the same key again, through the gate; L is asked, and believed about `not found` only
 * on the second of two looks far apart; N needs a person, or after a time the policy. Never a blind retry.
 */
import { performance } from 'node:perf_hooks';
import type { Connection, LookupOutcome } from '../channels/channel.ts';
import { sql } from '../db/sql.ts';
import { newId, type Uuid } from '../kernel/ids.ts';
import type { Settlement } from '../ledger/settle.ts';
import { messageId } from '../plan/sequences/email-job.ts';
import { type Composed, compose } from './compose.ts';
import { askGate, type Situations } from './deliver.ts';
import type { Engine } from './engine.ts';
import type { DueTouch } from './lanes.ts';
import { movedOn, settlementOf } from './outcomes.ts';
import { send } from './send.ts';
import { settleAll } from './settle.ts';

/** Looks that must find nothing before `not found` is believed. */
const LOOKS_NEEDED = 2;
/** A provider that gives no clear answer is asked again after this, doubling, and a person is asked after MAX_UNCLEAR. */
const UNCLEAR_WAIT_MS = 60_000;
const MAX_UNCLEAR = 8;

/** What a look that settles nothing leaves behind. */
interface Note {
  touch: DueTouch;
  wake: number | null;
  looks: number;
  review: boolean;
  reason: string;
}

export async function reconcile(
  engine: Engine,
  org: Uuid,
  situation: Situations,
  touches: readonly DueTouch[],
): Promise<number> {
  const byToken = new Map<Uuid, DueTouch[]>();
  for (const touch of touches) {
    const list = byToken.get(touch.token!);
    if (list) list.push(touch);
    else byToken.set(touch.token!, [touch]);
  }
  let settled = 0;
  for (const [token, group] of byToken) settled += await reconcileGate(engine, org, situation, token, group);
  return settled;
}

/** The touches of one earlier gate: they settle under its token. */
async function reconcileGate(
  engine: Engine,
  org: Uuid,
  situation: Situations,
  token: Uuid,
  group: readonly DueTouch[],
): Promise<number> {
  const settlements: Settlement[] = [];
  const notes: Note[] = [];
  const resend: DueTouch[] = [];
  await Promise.all(
    group.map(async (touch) => {
      const sender = situation.planning.senders.get(touch.sender_id);
      const connection = sender ? engine.connect(org, sender) : null;
      if (connection?.provider_class === 'K' && touch.looks === 0 && !touch.needs_review) {
        resend.push(touch);
        return;
      }
      const result = connection?.lookup
        ? await look(engine, situation, touch, connection)
        : assume(engine, situation, touch);
      if ('outcome' in result) settlements.push(result);
      else notes.push(result);
    }),
  );
  if (resend.length > 0) notes.push(...(await sendAgain(engine, org, situation, resend)));
  await note(engine, org, notes);
  return settlements.length > 0 ? settleAll(engine, org, token, settlements) : 0;
}

/** Class L, and K once its key was refused: ask. */
async function look(
  engine: Engine,
  situation: Situations,
  touch: DueTouch,
  connection: Connection,
): Promise<Settlement | Note> {
  const { now } = situation.planning;
  const sender = situation.planning.senders.get(touch.sender_id)!;
  const answer: LookupOutcome = await connection.lookup!({
    touch_id: touch.id,
    idempotency_key: `${touch.id}.${touch.key_n}`,
    message_id: messageId(touch.id, touch.key_n, sender.from_address),
    timeout_ms: engine.limits.call_timeout_ms,
  }).catch((error: unknown) => ({ kind: 'unclear' as const, reason: String(error) }));
  if (answer.kind === 'found')
    return asSent(
      situation,
      touch,
      answer.at?.getTime() ?? now,
      answer.provider_id ?? null,
      'found_at_provider',
    );
  if (answer.kind === 'not_found') {
    const looks = touch.looks + 1;
    if (looks >= LOOKS_NEEDED) {
      return {
        touch_id: touch.id,
        source_id: touch.source_id,
        outcome: 'retry',
        at: now,
        reason: 'not_found_at_provider',
        wake: now,
      };
    }
    return { touch, wake: now + engine.limits.lookup_gap_ms, looks, review: false, reason: 'not_found_once' };
  }
  // Proves nothing: the count of clear looks stays, the wait grows with the tries so far.
  const tries = touch.attempt + touch.looks;
  return {
    touch,
    wake: now + UNCLEAR_WAIT_MS * 2 ** Math.min(tries, MAX_UNCLEAR),
    looks: touch.looks,
    review: true,
    reason: `look_up_unclear: ${answer.reason}`.slice(0, 200),
  };
}

/** Class N: a person decides; by policy, after long enough, it counts as sent without sending again. */
function assume(engine: Engine, situation: Situations, touch: DueTouch): Settlement | Note {
  const { now, organization } = situation.planning;
  if (organization.unknown_policy === 'review') {
    return { touch, wake: null, looks: touch.looks, review: true, reason: 'no_proof_possible' };
  }
  if (touch.looks > 0) return asSent(situation, touch, now, null, 'assumed_sent');
  return {
    touch,
    wake: now + engine.limits.assume_sent_after_ms,
    looks: 1,
    review: true,
    reason: 'no_proof_possible',
  };
}

function asSent(
  situation: Situations,
  touch: DueTouch,
  at: number,
  providerId: string | null,
  reason: string,
): Settlement {
  const version = situation.versions.get(touch.version_id)!;
  const moved = movedOn({ touch, version, planning: situation.planning, attempt: touch.attempt, at });
  return {
    touch_id: touch.id,
    source_id: touch.source_id,
    outcome: 'sent',
    at,
    provider_id: providerId,
    ...moved,
    reason: moved.reason ?? reason,
  };
}

/**
 * Class K: the same bytes under the same key, if the gate lets them. Otherwise only looking is left: the mark
 * `needs_review` says so, for nobody has looked yet.
 */
async function sendAgain(
  engine: Engine,
  org: Uuid,
  situation: Situations,
  touches: readonly DueTouch[],
): Promise<Note[]> {
  const { now } = situation.planning;
  const { ready, refused } = await compose(
    engine,
    org,
    situation,
    touches.map((touch) => ({ ...touch })),
  );
  const notes: Note[] = refused.map((settlement) => ({
    touch: touches.find((touch) => touch.id === settlement.touch_id)!,
    wake: now,
    looks: 0,
    review: true,
    reason: `not_resent: ${settlement.reason}`,
  }));
  if (ready.length === 0) return notes;
  const token = newId();
  const deadline = performance.now() + engine.limits.budget_ms;
  const answer = await askGate(engine, org, token, situation, ready, true);
  const answered = performance.now();
  const byId = new Map(ready.map((composed) => [composed.touch.id, composed]));
  const settlements: Settlement[] = [];
  await Promise.all(
    answer.verdicts.map(async (verdict) => {
      const composed = byId.get(verdict.id)!;
      if (verdict.verdict !== 'go') {
        notes.push({
          touch: composed.touch,
          wake: now,
          looks: 0,
          review: true,
          reason: `not_resent: ${verdict.verdict}`,
        });
        return;
      }
      const outcome = await send(engine, outgoing(composed, verdict.key_n), deadline);
      const at = answer.at + (performance.now() - answered);
      const { touch, version } = composed;
      settlements.push(
        settlementOf(
          { touch, version, planning: situation.planning, attempt: verdict.attempt, at },
          // It was unknown before this call; a call that never began proves nothing about the first one.
          outcome.kind === 'not_started' ? { kind: 'ambiguous', reason: 'resend_not_started' } : outcome,
          composed.subject,
        ),
      );
    }),
  );
  if (settlements.length > 0) await settleAll(engine, org, token, settlements);
  return notes;
}

function outgoing(composed: Composed, keyN: number) {
  return {
    touch_id: composed.touch.id,
    idempotency_key: `${composed.touch.id}.${keyN}`,
    message: composed.message(keyN),
    connection: composed.connection,
  };
}

async function note(engine: Engine, org: Uuid, notes: readonly Note[]): Promise<void> {
  if (notes.length === 0) return;
  await engine.db.call(sql`
    SELECT reconcile_note(${org}::uuid, ${`worker:${engine.worker}`}, ${notes.map((n) => n.touch.id)}::uuid[], ${notes.map((n) => n.touch.token)}::uuid[],
      ${notes.map((n) => (n.wake === null ? null : new Date(n.wake).toISOString()))}::timestamptz[], ${notes.map((n) => n.looks)}::int[],
      ${notes.map((n) => n.review)}::boolean[], ${notes.map((n) => n.reason)}::text[])`);
}
