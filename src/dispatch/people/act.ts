/** Doing a step that waits for a person, and what came of it: the one door for those that programs send and those they do not. */
import { isSenderChannel } from '../../kernel/channels.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import { reasonInWords } from '../../ledger/reasons.ts';
import type { TouchState } from '../../ledger/states.ts';
import { type Enrollment, getEnrollment } from '../../plan/sequences/enrollments.ts';
import type { DraftContent } from '../../plan/sequences/steps/draft.ts';
import type { Context } from '../../tenancy/context.ts';
import type { Engine } from '../engine.ts';
import { type DueStep, getDueStep } from './due-steps.ts';
import { outcomeOf, sendStep } from './execute.ts';
import { completeStep, type Told, toldBefore } from './outside.ts';
import { auditStep } from './record.ts';
import { seeStep, stepRefused, whyNot } from './step.ts';
import { writeDraft } from './write-draft.ts';

/** `unknown`: the provider's answer is missing; it is looked into, and never sent again blindly. */
export const EXECUTED = ['sent', 'done', 'unknown', 'failed'] as const;

export interface Executed {
  result: (typeof EXECUTED)[number];
  /** It had been let go before; nothing was sent now. */
  repeated: boolean;
  due_step: DueStep;
  enrollment: Enrollment;
}

export interface Doing extends Told {
  content?: DraftContent | undefined;
}

const RESULTS: { readonly [S in TouchState]?: Executed['result'] } = {
  sent: 'sent',
  sending: 'unknown',
  unknown: 'unknown',
  failed: 'failed',
};
/** Let go already, by somebody else or by the same request before. */
const GONE: readonly TouchState[] = ['sending', 'unknown', 'sent'];

/** @throws Problem not_found, step_refused, invalid_request, unavailable */
export async function executeStep(engine: Engine, ctx: Context, id: Uuid, doing: Doing): Promise<Executed> {
  const touch = await seeStep(engine, ctx.org, id);
  const sends = isSenderChannel(touch.channel);
  if (sends) refuseTold(doing);
  if (GONE.includes(touch.state) && (sends || touch.state === 'sent')) {
    if (!sends) await toldBefore(engine, ctx.org, id, doing);
    return told(engine, ctx, id, sends, true);
  }
  // First of all, so that it is there whatever comes.
  if (doing.content) await writeDraft(engine, ctx, id, doing.content);
  if (!sends) {
    await completeStep(engine, ctx, id, doing);
    return told(engine, ctx, id, sends, false);
  }
  await engine.db.inOrg(ctx.org, (tx) =>
    auditStep(tx, ctx, id, 'due_step.execute', { edited: doing.content !== undefined }),
  );
  try {
    await sendStep(engine, ctx, id);
  } catch (error) {
    if (!(error instanceof Problem) || !GONE.includes((await seeStep(engine, ctx.org, id)).state))
      throw error;
    return told(engine, ctx, id, sends, true);
  }
  return told(engine, ctx, id, sends, false);
}

/** Of a message its provider tells what came of it; there is no place for a person's word. */
function refuseTold(doing: Told): void {
  const given = (['outcome', 'note'] as const).filter((field) => doing[field] !== undefined);
  if (given.length === 0) return;
  throw new Problem('invalid_request', `A program sends this step: it takes no ${given.join(' and no ')}`, {
    errors: given.map((field) => ({
      field,
      code: 'not_taken',
      message: 'Only for what people do themselves: a call, a LinkedIn message, a task',
    })),
  });
}

async function told(
  engine: Engine,
  ctx: Context,
  id: Uuid,
  sends: boolean,
  repeated: boolean,
): Promise<Executed> {
  const touch = await outcomeOf(engine, ctx.org, id);
  const due_step = await getDueStep(engine, ctx.org, id);
  const result = RESULTS[touch.state];
  if (result === undefined) {
    // Refused for now, or its call never began: it waits again, unless its enrollment was stopped meanwhile.
    const { reason } = due_step;
    throw touch.state === 'planned' && reason !== null
      ? stepRefused(reason, reasonInWords(reason) ?? `the provider said ${reason}`)
      : whyNot(touch);
  }
  const enrollment = await getEnrollment(engine.db, ctx.org, touch.source_id);
  return { result: result === 'sent' && !sends ? 'done' : result, repeated, due_step, enrollment };
}

/** What an enrollment waits for, done by a person. @throws Problem not_found (also where a worker does it) */
export async function executeWaiting(
  engine: Engine,
  ctx: Context,
  enrollment: Uuid,
  doing: Doing,
): Promise<Executed> {
  const { live_touch } = await getEnrollment(engine.db, ctx.org, enrollment);
  return executeStep(engine, ctx, live_touch, doing);
}
