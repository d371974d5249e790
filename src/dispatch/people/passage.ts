/**
 * The way of a person's step through the gate: the same gate as a worker's, and the same reading before it. A step that
 * was planned into an opening of another day is first written into the one that is open now, or refused while none is.
 */
import type { Tx } from '../../db/database.ts';
import { newId, type Uuid } from '../../kernel/ids.ts';
import type { GateVerdict } from '../../ledger/gate.ts';
import { REFUSALS } from '../../ledger/reasons.ts';
import { wake } from '../../ledger/wake.ts';
import { reopening } from '../../plan/sequences/next.ts';
import { through } from '../../plan/sequences/step-sender.ts';
import { closedBy, rulesFor } from '../../plan/sequences/time-rules.ts';
import type { Version } from '../../plan/sequences/versions.ts';
import { type Asking, askGate } from '../ask-gate.ts';
import { settleRefused } from '../deliver.ts';
import type { Engine } from '../engine.ts';
import type { DueTouch } from '../lanes.ts';
import { asked, look } from '../look.ts';
import { settleAll } from '../settle.ts';
import { placeOfTouch, readSituation, type Situation } from '../situation.ts';
import { readDueRow } from './due-rows.ts';
import { isWaitedFor, seeStep, stepRefused, whyNot, whyNotNow } from './step.ts';
import { keepWent, wentAs } from './went.ts';

/** A step that is planned and waited for, with all that acting on it needs. */
export interface Scene {
  touch: DueTouch;
  version: Version;
  situation: Situation;
}

/** @throws Problem not_found, step_refused (it is not planned, or its enrollment does not wait for it) */
export async function readScene(engine: Engine, org: Uuid, id: Uuid): Promise<Scene> {
  const touch = await seeStep(engine, org, id);
  if (touch.state !== 'planned' || !isWaitedFor(touch)) throw whyNot(touch);
  return sceneOf(engine, org, touch);
}

/** @throws Problem step_refused */
export async function sceneOf(engine: Engine, org: Uuid, touch: DueTouch): Promise<Scene> {
  const situation = await readSituation(engine, org, [touch]);
  const version = situation.versions.get(touch.version_id);
  if (!version) throw stepRefused('no_sender', 'its version no longer exists');
  return { touch, version, situation };
}

/**
 * Writes it into the opening that is open now: it may be early, or long overdue. `anyTime`: people do it themselves, at
 * an hour of their own choice. @throws Problem step_refused (nothing is open; `opens_at` says when something is)
 */
export async function openNow(engine: Engine, org: Uuid, scene: Scene, anyTime: boolean): Promise<void> {
  const { touch } = scene;
  const { now } = scene.situation.planning;
  await refuseUnasked(engine, org, scene);
  const until = anyTime ? null : openUntil(scene);
  const row = await readDueRow(engine.db, org, touch.id);
  if (row && row.due_at.getTime() <= now && (row.not_after?.getTime() ?? null) === until) return;
  const { id: touch_id, source_id } = touch;
  // Overdue stays overdue should it not go after all.
  const wake = Math.min(row?.due_at.getTime() ?? now, now);
  const settled = await settleAll(engine, org, null, [
    { touch_id, source_id, outcome: 'postponed', reason: 'taken_up', at: now, wake, not_after: until },
  ]);
  if (settled === 0) throw await whyNotNow(engine, org, touch_id);
}

/**
 * A step whose condition does not hold is carried out by nobody. Where its time has come, its enrollment goes on without
 * it, as when a worker finds that; a person who was early finds it again later.
 */
async function refuseUnasked(engine: Engine, org: Uuid, { touch, situation }: Scene): Promise<void> {
  const { asking } = asked([touch], situation.versions);
  if (asking.length === 0) return;
  const { settlements } = await look(engine, org, situation, asking);
  if (settlements.length === 0) return;
  const row = await readDueRow(engine.db, org, touch.id);
  if (row && row.due_at.getTime() <= situation.planning.now) {
    await settleAll(engine, org, null, settlements);
    await wake(engine.db, org);
  }
  throw settlements[0]!.reason === 'condition_error'
    ? stepRefused('condition_error')
    : stepRefused('condition_false', 'its condition does not hold');
}

/** Until when the opening lasts, Unix milliseconds; null: for ever. */
function openUntil({ touch, version: { definition }, situation: { planning } }: Scene): number | null {
  const { channel } = touch;
  const { now } = planning;
  const found = through(planning, touch.sender_id);
  if (!found) throw stepRefused('no_sender');
  const place = placeOfTouch(touch, planning);
  const open = reopening(definition, channel, now, found.calendar, place);
  if (!open.ok) throw stepRefused('bad_schedule', open.detail);
  if (open.not_before <= now) return open.not_after;
  const reason = closedBy(now, rulesFor(definition, found.calendar, channel, place));
  throw stepRefused(reason, undefined, { opens_at: new Date(open.not_before).toISOString() });
}

export interface Passed {
  token: Uuid;
  /** Null: what it was read from has changed since; read again. */
  verdict: GateVerdict | null;
  /** The database's time of the gate, Unix milliseconds. */
  at: number;
}

/** Asks the gate for one. Whoever has opted out is settled as a worker would. @throws Problem step_refused */
export async function passGate(
  engine: Engine,
  org: Uuid,
  scene: Scene,
  asking: Asking,
  leaseMs?: number,
): Promise<Passed> {
  const { touch, version, situation } = scene;
  const token = newId();
  await engine.failpoint?.('before_gate');
  const went = await wentAs(engine, org, scene);
  const beside = (tx: Tx) => keepWent(tx, org, touch.id, went);
  const answer = await askGate(engine, org, token, situation, [asking], { lease_ms: leaseMs, beside });
  await engine.failpoint?.('after_gate');
  const verdict = answer.verdicts[0]!;
  if (verdict.verdict === 'go') return { token, verdict, at: answer.at };
  if (verdict.verdict === 'gone' || verdict.verdict === 'source_ended')
    throw await whyNotNow(engine, org, touch.id);
  const rule = REFUSALS[verdict.verdict];
  if (rule.action === 'again') return { token, verdict: null, at: answer.at };
  if (rule.action === 'end' && rule.ends === 'unsubscribed')
    await settleRefused(engine, org, situation, [{ composed: { touch, version }, verdict }], answer.at);
  throw stepRefused(verdict.verdict, rule.says);
}
