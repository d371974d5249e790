/**
 * What people do themselves: a call, a LinkedIn message, a task. `start` passes the gate and takes the step up; `complete`
 * tells what came of it and settles it, so that its enrollment goes on as after any sent step. After a stop it records
 * the truth and advances nothing. Completing what nobody has started does both.
 */
import { contentHash } from '../../content/content-hash.ts';
import type { Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { type Channel, isSenderChannel } from '../../kernel/channels.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import type { Settlement } from '../../ledger/settle.ts';
import { wake } from '../../ledger/wake.ts';
import { STEP_KINDS } from '../../plan/sequences/steps/step-kinds.ts';
import type { Context } from '../../tenancy/context.ts';
import type { Asking } from '../ask-gate.ts';
import { inputOf } from '../compose.ts';
import type { Engine } from '../engine.ts';
import type { DueTouch } from '../lanes.ts';
import { movedOn } from '../outcomes.ts';
import { settleAll } from '../settle.ts';
import { readDueRow } from './due-rows.ts';
import { openNow, type Passed, passGate, readScene, type Scene, sceneOf } from './passage.ts';
import { tellStep, writeStep } from './record.ts';
import { asPerson, seeStep, stepRefused, whyNot } from './step.ts';

/** What may have come of it, by channel; the first is what is meant when nothing is said. */
export const OUTCOMES = {
  call: ['done', 'connected', 'voicemail', 'no_answer', 'busy', 'wrong_number'],
  linkedin: ['done', 'message_sent', 'connection_requested', 'not_possible'],
  task: ['done', 'not_possible'],
} as const satisfies { [C in Channel]?: readonly string[] };
export type StepOutcome = (typeof OUTCOMES)[keyof typeof OUTCOMES][number];
export const ALL_OUTCOMES = [...new Set(Object.values(OUTCOMES).flat())] as [StepOutcome, ...StepOutcome[]];

/** Somebody who started has so long before others may think it forgotten. */
const STARTED_LEASE_MS = 24 * 3_600_000;
const MAX_ROUNDS = 4;

/** What a person says came of it; what is absent says nothing. */
export interface Told {
  outcome?: StepOutcome | undefined;
  note?: string | undefined;
}

/** A second time changes nothing. @throws Problem not_found, step_refused */
export async function startStep(engine: Engine, ctx: Context, id: Uuid): Promise<void> {
  const person = asPerson(engine, ctx);
  const touch = await seeStep(person, ctx.org, id);
  requireOutside(touch);
  if (touch.state === 'sending') return;
  await letGo(person, ctx.org, id, touch.channel !== 'call');
  await tellStep(engine.db, ctx, touch, { type: 'started', action: 'due_step.start' }, (by) => ({
    insert: sql`started_by, started_at`,
    values: sql`${by}, now()`,
    update: sql`started_by = excluded.started_by, started_at = excluded.started_at`,
  }));
}

/**
 * A second time changes nothing, and is refused where it tells something else.
 * @throws Problem not_found, step_refused, invalid_request (the outcome)
 */
export async function completeStep(engine: Engine, ctx: Context, id: Uuid, told: Told): Promise<void> {
  const person = asPerson(engine, ctx);
  const seen = await seeStep(person, ctx.org, id);
  requireOutside(seen);
  const outcome = outcomeFor(seen.channel, told.outcome);
  if (seen.state === 'sent') return toldBefore(person, ctx.org, id, told);
  if (seen.state === 'planned') await letGoOnce(person, ctx.org, id);
  const touch = await seeStep(person, ctx.org, id);
  if (touch.token === null || (touch.state !== 'sending' && touch.state !== 'unknown')) {
    if (touch.state === 'sent') return toldBefore(person, ctx.org, id, told);
    throw whyNot(touch);
  }
  const note = told.note ?? null;
  const record = { type: 'done' as const, action: 'due_step.complete', data: { outcome } };
  // With the ledger's word and only with it: of two who tell at once one settles it, and the other's words are told back.
  const settled = await settleAs(
    person,
    ctx.org,
    await sceneOf(person, ctx.org, touch),
    touch.token,
    'sent',
    (tx) =>
      writeStep(tx, ctx, touch, record, (by) => ({
        insert: sql`outcome, note, done_by, done_at`,
        values: sql`${outcome}, ${note}, ${by}, now()`,
        update: sql`outcome = excluded.outcome, note = excluded.note, done_by = excluded.done_by, done_at = excluded.done_at`,
      })),
  );
  if (settled === 0) {
    const now = await seeStep(person, ctx.org, id);
    if (now.state !== 'sent') throw whyNot(now);
    return toldBefore(person, ctx.org, id, told);
  }
  await wake(person.db, ctx.org);
}

/** Of what is done already: silently dropping what somebody tells now would lose it. @throws Problem step_refused */
export async function toldBefore(
  engine: Pick<Engine, 'db'>,
  org: Uuid,
  id: Uuid,
  { outcome, note }: Told,
): Promise<void> {
  const row = await readDueRow(engine.db, org, id);
  const other = outcome !== undefined && outcome !== row?.outcome;
  const lost = note !== undefined && note !== '' && note !== row?.note;
  if (other || lost)
    throw stepRefused('already_completed', 'it is completed already, with another outcome or note', {
      outcome: row?.outcome ?? null,
      note: row?.note ?? null,
      done_by: row?.done_by ?? null,
      done_at: row?.done_at?.toISOString() ?? null,
    });
}

/** What was started and not done waits again. @throws Problem step_refused (a program sends it, and may have) */
export async function giveBack(engine: Engine, org: Uuid, touch: DueTouch): Promise<void> {
  if (touch.state === 'planned') return;
  if (isSenderChannel(touch.channel) || touch.token === null) throw whyNot(touch);
  await settleAs(engine, org, await sceneOf(engine, org, touch), touch.token, 'not_started');
}

async function settleAs(
  engine: Engine,
  org: Uuid,
  { touch, version, situation }: Scene,
  token: Uuid,
  outcome: 'sent' | 'not_started',
  beside: ((tx: Tx) => Promise<void>) | null = null,
): Promise<number> {
  const { planning } = situation;
  const at = planning.now;
  const { id: touch_id, source_id, attempt } = touch;
  const base = { touch_id, source_id, at };
  const settlement: Settlement =
    outcome === 'sent'
      ? { ...base, ...movedOn({ touch, version, planning, attempt, at }), outcome }
      : { ...base, outcome, reason: 'given_back', wake: at };
  return settleAll(engine, org, token, [settlement], beside);
}

function requireOutside(touch: DueTouch): void {
  if (isSenderChannel(touch.channel))
    throw stepRefused('sent_by_program', 'a program sends it: execute it instead');
}

function outcomeFor(channel: Channel, wanted: StepOutcome | undefined): StepOutcome {
  const list: readonly StepOutcome[] = OUTCOMES[channel as keyof typeof OUTCOMES];
  if (wanted === undefined) return list[0]!;
  if (list.includes(wanted)) return wanted;
  throw new Problem('invalid_request', `That does not come of channel ${channel}`, {
    errors: [{ field: 'outcome', code: 'unknown_outcome', message: `One of ${list.join(', ')}` }],
  });
}

/** Whoever came between may have let it go, or told what came of it: that is seen next. */
async function letGoOnce(engine: Engine, org: Uuid, id: Uuid): Promise<void> {
  try {
    await letGo(engine, org, id, true);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { state } = await seeStep(engine, org, id);
    if (state !== 'sending' && state !== 'sent') throw error;
  }
}

/** Through the gate: from here on it counts as begun. */
async function letGo(engine: Engine, org: Uuid, id: Uuid, anyTime: boolean): Promise<Passed> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    await openNow(engine, org, await readScene(engine, org, id), anyTime);
    const scene = await readScene(engine, org, id);
    const passed = await passGate(engine, org, scene, await asking(engine, org, scene), STARTED_LEASE_MS);
    if (passed.verdict !== null) return passed;
  }
  throw stepRefused('stale');
}

/** With what its person was told; a text that cannot be made keeps nobody from doing it. */
async function asking(engine: Engine, org: Uuid, { touch, version, situation }: Scene): Promise<Asking> {
  const input = inputOf(engine, org, situation, { touch, version, sender: null });
  const [note] = await STEP_KINDS[touch.channel].compose([input]);
  return {
    touch,
    sender_id: null,
    sender_version: null,
    hash: note!.ok ? note!.hash : contentHash([]),
    contents: JSON.stringify(note!.ok ? note!.used : {}),
    variant: input.variant,
  };
}
