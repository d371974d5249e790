/** One step that waits for a person: seen, and the refusal of what may not be done with it now. */
import type { Uuid } from '../../kernel/ids.ts';
import { notFound, Problem } from '../../kernel/problem.ts';
import { reasonInWords } from '../../ledger/reasons.ts';
import { actorText, type Context } from '../../tenancy/context.ts';
import type { Engine } from '../engine.ts';
import { type DueTouch, readTouch } from '../lanes.ts';

/** The dispatcher, in whose name a person acts. */
export function asPerson(engine: Engine, ctx: Context): Engine {
  return { ...engine, actor: actorText(ctx.actor) };
}

/** @throws Problem not_found (or no person's) */
export async function seeStep(engine: Pick<Engine, 'db'>, org: Uuid, id: Uuid): Promise<DueTouch> {
  const touch = await readTouch(engine.db, org, id);
  if (touch?.mode !== 'human') throw notFound('due step', id);
  return touch;
}

/** 409: nothing was sent or changed, and what was written is kept. */
export function stepRefused(reason: string, detail?: string, extra: Record<string, unknown> = {}): Problem {
  const words = detail ?? reasonInWords(reason) ?? reason;
  return new Problem('step_refused', `It was not carried out: ${words}.`, { extra: { reason, ...extra } });
}

/** Does its enrollment wait for it? */
export function isWaitedFor(touch: DueTouch): boolean {
  return touch.enrollment_status === 'active' && touch.is_live;
}

/** Why a step that is not planned, or not waited for, cannot be acted on. */
export function whyNot(touch: DueTouch): Problem {
  const { state, enrollment_status } = touch;
  const facts = { state, enrollment_status };
  if (enrollment_status !== 'active')
    return stepRefused('source_ended', `its enrollment is ${enrollment_status}`, facts);
  if (!touch.is_live) return stepRefused('source_ended', 'its enrollment waits for another step', facts);
  return stepRefused('illegal_state', `it is ${state}`, facts);
}

/** The same, as it is now. */
export async function whyNotNow(engine: Pick<Engine, 'db'>, org: Uuid, id: Uuid): Promise<Problem> {
  return whyNot(await seeStep(engine, org, id));
}
