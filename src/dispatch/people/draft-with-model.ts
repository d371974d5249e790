/**
 * A draft for a step: by the language model where one is configured and its organization has some of the day's budget
 * left, else the template. It takes nothing and sends nothing; what a person wrote meanwhile is not written over.
 */
import {
  askModel,
  estimatedTokens,
  MAX_ANSWER_TOKENS,
  type ModelFailure,
  type ModelSettings,
} from '../../content/drafting/model.ts';
import { type DraftingPrompt, draftFrom, draftingPrompt } from '../../content/drafting/prompt.ts';
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { type DraftSource, editableParts } from '../../plan/sequences/steps/draft.ts';
import { isBlank } from '../../plan/sequences/steps/step-kind.ts';
import { periodOf } from '../../schedule/period.ts';
import type { Context } from '../../tenancy/context.ts';
import { stepOf } from '../compose.ts';
import type { Engine } from '../engine.ts';
import { readDrafts } from './drafts.ts';
import { type Scene, sceneOf } from './passage.ts';
import { showDrafts } from './shown-draft.ts';
import { seeStep, whyNot } from './step.ts';
import { writeDraft } from './write-draft.ts';

export interface Drafting {
  model: ModelSettings;
  /** Of an organization on one of its days. */
  daily_tokens: number;
}

/** Why it is the template after all. */
export const FALLBACKS = [
  'not_configured',
  'not_editable',
  'budget_used_up',
  'written_meanwhile',
  'timeout',
  'unreachable',
  'refused',
  'rubbish',
  'too_long',
] as const satisfies readonly (ModelFailure | string)[];

export interface Drafted {
  source: 'template' | DraftSource;
  fallback: (typeof FALLBACKS)[number] | null;
}

/** @throws Problem not_found, step_refused (it does not wait any more) */
export async function draftStep(
  engine: Engine,
  drafting: Drafting | null,
  ctx: Context,
  id: Uuid,
): Promise<Drafted> {
  const touch = await seeStep(engine, ctx.org, id);
  if (touch.state !== 'planned') throw whyNot(touch);
  const before = (await readDrafts(engine.db, ctx.org, [touch]))?.get(id);
  const instead = (fallback: Drafted['fallback']): Drafted => ({
    source: before?.source ?? 'template',
    fallback,
  });
  if (drafting === null) return instead('not_configured');
  const scene = await sceneOf(engine, ctx.org, touch);
  const { step } = stepOf(scene.situation, scene.version, touch);
  const parts = editableParts(step);
  if (parts.length === 0) return instead('not_editable');
  const prompt = await promptFor(engine, ctx.org, scene);
  const answer = await withinBudget(engine.db, ctx.org, scene, drafting, prompt);
  if (answer === null) return instead('budget_used_up');
  if (!answer.ok) {
    engine.log.warn(
      { org_id: ctx.org, touch_id: id, reason: answer.reason, detail: answer.detail },
      'no draft by the model',
    );
    return instead(answer.reason);
  }
  const draft = draftFrom(answer.text, prompt, parts.includes('subject'));
  if (draft === null) return instead('rubbish');
  const now = (await readDrafts(engine.db, ctx.org, [touch]))?.get(id);
  if (now?.at.getTime() !== before?.at.getTime())
    return { source: now?.source ?? 'template', fallback: 'written_meanwhile' };
  // A subject of its own would open a thread where the step answers in one.
  if (touch.thread !== null && isBlank(step.subject)) draft.subject = null;
  await writeDraft(engine, ctx, id, draft, 'model');
  return { source: 'model', fallback: null };
}

async function promptFor(
  engine: Engine,
  org: Uuid,
  { touch, version, situation }: Scene,
): Promise<DraftingPrompt> {
  const [shown] = await showDrafts(engine, org, { ...situation, drafts: null }, [touch]);
  const { first_name, last_name, company, title } = touch;
  const sender = situation.planning.senders.get(touch.sender_id ?? '');
  return draftingPrompt({
    channel: touch.channel,
    template: { subject: shown!.subject, text: shown!.text },
    contact: {
      first_name,
      last_name,
      company,
      title,
      attributes: touch.attributes === null ? {} : JSON.parse(touch.attributes),
    },
    organization: situation.planning.organization.name,
    sender: sender ? (sender.from_name ?? sender.name) : null,
    sequence: version.sequence_name,
    step: version.definition.steps[touch.step_no]!.name ?? null,
  });
}

/**
 * The most that it may cost is taken from the day's budget first, and what it did not cost given back: however many ask
 * at once, and whoever dies over it, the budget holds. Null: there is not enough left.
 */
async function withinBudget(
  db: Database,
  org: Uuid,
  { situation: { planning } }: Scene,
  { model, daily_tokens }: Drafting,
  prompt: DraftingPrompt,
) {
  const { day } = periodOf(planning.now, planning.organization.time_zone)!;
  const most = estimatedTokens(prompt.system + prompt.user) + MAX_ANSWER_TOKENS;
  if (most > daily_tokens) return null;
  const taken = await db.inOrg(org, (tx) =>
    tx.run(sql`
      INSERT INTO drafting_usage AS u (org_id, day, drafts, tokens) VALUES (${org}, ${day}::date, 1, ${most})
      ON CONFLICT (org_id, day) DO UPDATE SET drafts = u.drafts + 1, tokens = u.tokens + excluded.tokens
       WHERE u.tokens + excluded.tokens <= ${daily_tokens}`),
  );
  if (taken === 0) return null;
  const answer = await askModel(model, prompt);
  await db.inOrg(org, (tx) =>
    tx.run(
      sql`UPDATE drafting_usage SET tokens = greatest(tokens + ${answer.tokens - most}, 0) WHERE org_id = ${org} AND day = ${day}::date`,
    ),
  );
  return answer;
}
