/**
 * A person's word on what became of a touch that is `unknown`, where no provider can be asked. `sent`: its enrollment
 * moves on, counted from when it went. `not_sent`: it failed, and so did its enrollment; its quota is given back.
 * `resend`: planned again under the next key, because under the old one something may lie at the provider.
 */
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { notFound, Problem } from '../kernel/problem.ts';
import { type Explanation, explainTouch } from '../ledger/explain.ts';
import type { Settlement } from '../ledger/settle.ts';
import { wake } from '../ledger/wake.ts';
import { type Planning, readPlanning } from '../plan/sequences/calendar.ts';
import { reopening } from '../plan/sequences/next.ts';
import { through } from '../plan/sequences/step-sender.ts';
import type { Version, VersionCache } from '../plan/sequences/versions.ts';
import { auditEntry } from '../tenancy/audit.ts';
import { actorText, type Context } from '../tenancy/context.ts';
import { firstSubject } from './compose.ts';
import { type DueTouch, readTouch } from './lanes.ts';
import { movedOn } from './outcomes.ts';
import { replan } from './replan.ts';
import { placeOfTouch } from './situation.ts';

export const RESOLUTIONS = ['sent', 'not_sent', 'resend'] as const;
export type Resolution = (typeof RESOLUTIONS)[number];

type Decision = Pick<Settlement, 'outcome' | 'at' | 'wake' | 'not_after' | 'ends' | 'subject' | 'next'>;

/** @throws not_found, illegal_transition (the touch is not unknown, or was settled meanwhile) */
export async function resolveTouch(
  db: Database,
  versions: VersionCache,
  ctx: Context,
  id: Uuid,
  word: Word,
): Promise<Explanation> {
  const touch = await readTouch(db, ctx.org, id);
  if (!touch) throw notFound('touch', id);
  if (touch.state !== 'unknown' || touch.token === null) throw notUnknown(touch.state);
  const version = await versions.one(ctx.org, touch.version_id);
  if (!version) throw notFound('sequence version', touch.version_id);
  const { planning, gatedAt } = await db.inOrg(ctx.org, async (tx) => ({
    planning: await readPlanning(tx, ctx.org, [
      ...version.definition.sender_ids,
      ...(touch.sender_id === null ? [] : [touch.sender_id]),
    ]),
    gatedAt: (
      await tx.one<{ gated_at: Date }>(
        sql`SELECT gated_at FROM touches WHERE org_id = ${ctx.org} AND id = ${id}`,
      )
    ).gated_at,
  }));
  const decision = decide(word.outcome, touch, version, planning, gatedAt.getTime());
  if (!(await writeWhereItIs({ db, versions }, ctx, touch, word, decision)))
    throw notUnknown((await readTouch(db, ctx.org, id))?.state ?? 'gone');
  await wake(db, ctx.org);
  return explainTouch(db, ctx.org, id);
}

function notUnknown(state: string): Problem {
  return new Problem(
    'illegal_transition',
    `The touch is ${state}; only one that is unknown can be resolved. Nothing was changed.`,
    { extra: { state } },
  );
}

function decide(
  word: Resolution,
  touch: DueTouch,
  version: Version,
  planning: Planning,
  gatedAt: number,
): Decision {
  const { now } = planning;
  const found = through(planning, touch.sender_id);
  const place = placeOfTouch(touch, planning);
  const open = found && reopening(version.definition, touch.channel, now, found.calendar, place);
  if (word === 'not_sent') return { outcome: 'failed', at: now, ends: 'failed' };
  if (word === 'resend')
    return open?.ok
      ? { outcome: 'retry_new_key', at: now, wake: open.not_before, not_after: open.not_after }
      : { outcome: 'failed', at: now, ends: 'failed' };
  const moved = movedOn({ touch, version, planning, attempt: touch.attempt, at: gatedAt });
  // The follow-up counts from the true sending, but not into a time that is over.
  if (moved.next && moved.next.not_before < now && open?.ok)
    moved.next = { ...moved.next, not_before: open.not_before, not_after: open.not_after };
  return {
    outcome: 'sent',
    at: gatedAt,
    subject: firstSubject(touch),
    ends: moved.ends ?? null,
    next: moved.next ?? null,
  };
}

interface Word {
  outcome: Resolution;
  note?: string | undefined;
}

/** How often it is planned again because its enrollment was moved to another version in between. */
const MAX_MOVES = 8;

/** False: another had settled it. */
async function writeWhereItIs(
  { db, versions }: { db: Database; versions: VersionCache },
  ctx: Context,
  touch: DueTouch,
  word: Word,
  first: Decision,
): Promise<boolean> {
  let decision = first;
  let version: Uuid | null = null;
  for (let round = 0; round < MAX_MOVES; round++) {
    if ((await write(db, ctx, touch, word, decision, version)) !== null) return true;
    const settlement = { ...decision, touch_id: touch.id, source_id: touch.source_id };
    const [again] = await replan({ db, versions }, ctx.org, touch.token, [settlement]);
    if (!again) return false;
    version = again.version;
    decision = again.settlements[0]!;
  }
  throw new Problem('conflict', 'The enrollment kept being moved; try again.');
}

async function write(
  db: Database,
  ctx: Context,
  touch: DueTouch,
  word: Word,
  decision: Decision,
  version: Uuid | null,
): Promise<string | null> {
  const { next } = decision;
  const entry = auditEntry(ctx, {
    action: 'touch.resolve',
    subject_type: 'touch',
    subject_id: touch.id,
    data: { outcome: word.outcome, note: word.note ?? null },
  });
  const [row] = await db.call<{ result: string | null }>(sql`
    SELECT touch_resolve(${ctx.org}::uuid, ${touch.token}::uuid, ${actorText(ctx.actor)}, ${touch.id}::uuid, ${touch.source_id}::uuid,
      ${word.outcome}, ${decision.outcome}, ${decision.at}::float8, ${decision.wake ?? null}::float8, ${decision.ends ?? null}, ${decision.subject ?? null},
      ${next?.id ?? null}::uuid, ${next?.step_id ?? null}::uuid, ${next?.step_no ?? null}::int, ${next?.channel ?? null}, ${next?.mode ?? null}, ${next?.sender_id ?? null}::uuid,
      ${next?.not_before ?? null}::float8, ${(next ? next.not_after : decision.not_after) ?? null}::float8, ${entry}::jsonb,
      NULL, ${version}::uuid, ${next?.n ?? null}::int) AS result`);
  return row?.result ?? null;
}
