/**
 * What may have happened: touches in `unknown`. By what their provider can prove (DESIGN section 3):
 * K sends the same bytes under the same key again, through the gate; L is asked, and believed about `not found` only
 * on the second of two looks far apart; N needs a person, or after a time the policy. Never a blind retry.
 */
import { performance } from 'node:perf_hooks';
import type { Connection, LookupOutcome } from '../channels/channel.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { Settlement } from '../ledger/settle.ts';
import { reopening } from '../plan/sequences/next.ts';
import { through } from '../plan/sequences/step-sender.ts';
import { messageId } from '../plan/sequences/steps/email.ts';
import { firstSubject } from './compose.ts';
import type { Engine } from './engine.ts';
import type { DueTouch } from './lanes.ts';
import { movedOn } from './outcomes.ts';
import { keyUntil, sendAgain } from './resend.ts';
import { settleAll } from './settle.ts';
import { placeOfTouch, type Situation } from './situation.ts';

/** Looks that must find nothing before `not found` is believed. */
const LOOKS_NEEDED = 2;

/** What a look that settles nothing leaves behind. */
interface Note {
  touch: DueTouch;
  wake: number | null;
  /** The end of the opening that it may go again in, where that is another than is written; null: it has none. */
  until?: number | null;
  looks: number;
  review: boolean;
  reason: string;
}

export async function reconcile(
  engine: Engine,
  org: Uuid,
  situation: Situation,
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
  situation: Situation,
  token: Uuid,
  group: readonly DueTouch[],
): Promise<number> {
  const settlements: Settlement[] = [];
  const notes: Note[] = [];
  const resend: DueTouch[] = [];
  const take = (result: Settlement | Note) => {
    if ('outcome' in result) settlements.push(result);
    else notes.push(result);
  };
  const ask = async (touch: DueTouch, connection: Connection | null) =>
    connection?.lookup ? look(engine, situation, touch, connection) : assume(engine, situation, touch);
  await Promise.all(
    group.map(async (touch) => {
      const sender = situation.planning.senders.get(touch.sender_id ?? '');
      const connection = sender ? engine.connect(org, sender) : null;
      if (
        connection &&
        touch.looks === 0 &&
        !touch.needs_review &&
        keyLives(engine, situation, connection, touch)
      ) {
        resend.push(touch);
        return;
      }
      take(await ask(touch, connection));
    }),
  );
  const left = resend.length > 0 ? await sendAgain(engine, org, situation, resend) : [];
  await Promise.all(
    left.map(async ({ touch, connection, reason, next }) => {
      if (connection.lookup) take(await look(engine, situation, touch, connection));
      else if (next === null) take({ ...assume(engine, situation, touch), reason });
      else notes.push({ touch, ...next, looks: 0, review: false, reason });
    }),
  );
  await note(engine, org, notes);
  return settlements.length > 0 ? settleAll(engine, org, token, settlements) : 0;
}

/** Class K: may the key still be used when a call that is gated now begins at last? */
function keyLives(engine: Engine, situation: Situation, connection: Connection, touch: DueTouch): boolean {
  const until = keyUntil(engine, situation, connection, touch);
  return until !== null && performance.now() + engine.limits.budget_ms < until;
}

/** Class L, and class K where it can be asked and its key may not be used: ask. */
async function look(
  engine: Engine,
  situation: Situation,
  touch: DueTouch,
  connection: Connection,
): Promise<Settlement | Note> {
  const { now } = situation.planning;
  const sender = situation.planning.senders.get(touch.sender_id!)!;
  const answer: LookupOutcome = await connection.lookup!({
    touch_id: touch.id,
    idempotency_key: `${touch.id}.${touch.key_n}`,
    ...(touch.channel === 'email'
      ? { message_id: messageId(touch.id, touch.key_n, sender.from_address) }
      : {}),
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
      return asNotSent(situation, touch);
    }
    return { touch, wake: now + engine.limits.lookup_gap_ms, looks, review: false, reason: 'not_found_once' };
  }
  // Proves nothing: the count of clear looks stays, a person is told, and it is asked again.
  return {
    touch,
    wake: now + engine.limits.lookup_gap_ms,
    looks: touch.looks,
    review: true,
    reason: `look_up_unclear: ${answer.reason}`.slice(0, 200),
  };
}

/** Class N: a person decides; by policy, after long enough, it counts as sent without sending again. */
function assume(engine: Engine, situation: Situation, touch: DueTouch): Settlement | Note {
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

/** Proven: nothing was accepted. It goes again, when the window is open. */
function asNotSent(situation: Situation, touch: DueTouch): Settlement {
  const { now } = situation.planning;
  const place = placeOfTouch(touch, situation.planning);
  const version = situation.versions.get(touch.version_id);
  const found = through(situation.planning, touch.sender_id);
  const open =
    version && found ? reopening(version.definition, touch.channel, now, found.calendar, place) : null;
  const base = { touch_id: touch.id, source_id: touch.source_id, at: now };
  if (!open?.ok) return { ...base, outcome: 'failed', reason: 'bad_schedule', ends: 'failed' };
  const reason = 'not_found_at_provider';
  return { ...base, outcome: 'retry', reason, wake: open.not_before, not_after: open.not_after };
}

function asSent(
  situation: Situation,
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
    subject: firstSubject(touch),
    ...moved,
    reason: moved.reason ?? reason,
  };
}

async function note(engine: Engine, org: Uuid, notes: readonly Note[]): Promise<void> {
  if (notes.length === 0) return;
  await engine.db.call(sql`
    SELECT reconcile_note(${org}::uuid, ${`worker:${engine.worker}`}, ${notes.map((n) => n.touch.id)}::uuid[], ${notes.map((n) => n.touch.token)}::uuid[],
      ${notes.map((n) => (n.wake === null ? null : new Date(n.wake).toISOString()))}::timestamptz[], ${notes.map((n) => n.looks)}::int[],
      ${notes.map((n) => n.review)}::boolean[], ${notes.map((n) => n.reason)}::text[],
      ${notes.map((n) => n.until !== undefined)}::boolean[], ${notes.map((n) => (n.until == null ? null : new Date(n.until).toISOString()))}::timestamptz[])`);
}
