/**
 * The text of a step, written by its person: kept with the touch until it goes. It may be written while the step waits,
 * and when it was cancelled by a pause: after the resume it is there again.
 */
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import {
  type DraftContent,
  type DraftSource,
  type DraftText,
  editableParts,
} from '../../plan/sequences/steps/draft.ts';
import { readWinners } from '../../plan/sequences/variants/winners.ts';
import type { Context } from '../../tenancy/context.ts';
import { stepOf } from '../compose.ts';
import type { Engine } from '../engine.ts';
import type { DueTouch } from '../lanes.ts';
import { tellStep } from './record.ts';
import { seeStep, whyNot } from './step.ts';

/** @throws Problem not_found, step_refused (it has gone), invalid_request (a part that nobody may write) */
export async function writeDraft(
  engine: Engine,
  ctx: Context,
  id: Uuid,
  content: DraftContent,
  source: DraftSource = 'person',
): Promise<void> {
  const touch = await seeStep(engine, ctx.org, id);
  await requireEditable(engine, ctx.org, touch, content);
  const { subject = null, text = null, html = null } = content;
  const has = subject !== null || text !== null || html !== null;
  const by = has ? source : null;
  await tellStep(
    engine.db,
    ctx,
    touch,
    { type: 'drafted', action: 'due_step.draft', data: { source: by ?? 'template' } },
    (actor) => ({
      insert: sql`draft_subject, draft_text, draft_html, draft_source, drafted_at, opened_by, opened_at`,
      values: sql`${subject}, ${text}, ${html}, ${by}, ${has ? new Date() : null}, ${actor}, now()`,
      update: sql`draft_subject = excluded.draft_subject, draft_text = excluded.draft_text, draft_html = excluded.draft_html,
        draft_source = excluded.draft_source, drafted_at = excluded.drafted_at, opened_by = excluded.opened_by, opened_at = excluded.opened_at`,
    }),
    // What goes under one key must not change: once let go, the text stands.
    async (tx) => {
      const { state } = await tx.one<Pick<DueTouch, 'state'>>(
        sql`SELECT state FROM touches WHERE org_id = ${ctx.org} AND id = ${id} FOR UPDATE`,
      );
      if (state !== 'planned' && state !== 'cancelled') throw whyNot({ ...touch, state });
    },
  );
}

async function requireEditable(
  engine: Engine,
  org: Uuid,
  touch: DueTouch,
  content: DraftContent,
): Promise<void> {
  const version = await engine.versions.one(org, touch.version_id);
  const winners = version ? await readWinners(engine.db, org, [version]) : null;
  const parts = version ? editableParts(stepOf({ winners }, version, touch).step) : [];
  const wrong = (Object.keys(content) as (keyof DraftText)[]).filter(
    (part) => content[part] != null && !parts.includes(part),
  );
  if (wrong.length === 0) return;
  throw new Problem('invalid_request', `That part of a step of channel ${touch.channel} cannot be written`, {
    errors: wrong.map((field) => ({
      field: `content.${field}`,
      code: 'not_editable',
      message: parts.length === 0 ? 'Nothing of it can be' : `Only ${parts.join(', ')}`,
    })),
  });
}
