/** Not doing a step: skipped, so that its enrollment goes on; put off until another time; given to somebody else. */
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { notFound, Problem } from '../../kernel/problem.ts';
import type { Settlement } from '../../ledger/settle.ts';
import { wake } from '../../ledger/wake.ts';
import { LIVE_STATUSES } from '../../plan/sequences/lifecycle.ts';
import { DAY_MS } from '../../schedule/zone.ts';
import type { Context } from '../../tenancy/context.ts';
import type { Engine } from '../engine.ts';
import { movedOn } from '../outcomes.ts';
import { settleAll } from '../settle.ts';
import { giveBack } from './outside.ts';
import { readScene } from './passage.ts';
import { auditStep, tellStep } from './record.ts';
import { asPerson, seeStep, stepRefused, whyNot, whyNotNow } from './step.ts';

const MAX_SNOOZE_DAYS = 366;

/** A second time changes nothing. @throws Problem not_found, step_refused */
export async function skipStep(
  engine: Engine,
  ctx: Context,
  id: Uuid,
  reason: string | undefined,
): Promise<void> {
  const person = asPerson(engine, ctx);
  const seen = await seeStep(person, ctx.org, id);
  if (seen.state === 'skipped') return;
  await giveBack(person, ctx.org, seen);
  const { touch, version, situation } = await readScene(person, ctx.org, id);
  const { planning } = situation;
  const at = planning.now;
  const moved = movedOn({ touch, version, planning, attempt: touch.attempt, at });
  const { id: touch_id, source_id } = touch;
  const why = moved.ends === 'failed' ? (moved.reason ?? null) : 'skipped_by_person';
  const settled = await settleAll(
    person,
    ctx.org,
    null,
    [{ touch_id, source_id, at, ...moved, outcome: 'skipped', reason: why }],
    (tx) => auditStep(tx, ctx, id, 'due_step.skip', { reason: reason ?? null }),
  );
  if (settled === 0) throw await whyNotNow(person, ctx.org, id);
  await wake(engine.db, ctx.org);
}

/** @throws Problem not_found, step_refused, invalid_request (the time) */
export async function snoozeStep(engine: Engine, ctx: Context, id: Uuid, until: Date): Promise<void> {
  const person = asPerson(engine, ctx);
  await giveBack(person, ctx.org, await seeStep(person, ctx.org, id));
  const { touch, situation } = await readScene(person, ctx.org, id);
  const at = situation.planning.now;
  if (until.getTime() <= at || until.getTime() > at + MAX_SNOOZE_DAYS * DAY_MS)
    throw new Problem(
      'invalid_request',
      `A step is put off into the future, ${MAX_SNOOZE_DAYS} days at most`,
      {
        errors: [{ field: 'until', code: 'out_of_range', message: 'Give a time to come' }],
      },
    );
  const { id: touch_id, source_id } = touch;
  // Until when it may go is decided when somebody does it.
  const snoozed: Settlement = {
    ...{ touch_id, source_id, at, outcome: 'postponed', reason: 'snoozed' },
    ...{ wake: until.getTime(), not_after: null },
  };
  const settled = await settleAll(person, ctx.org, null, [snoozed], (tx) =>
    auditStep(tx, ctx, id, 'due_step.snooze', { until: until.toISOString() }),
  );
  if (settled === 0) throw await whyNotNow(person, ctx.org, id);
  // A worker looks at its condition again when it falls due.
  await wake(engine.db, ctx.org);
}

/** Of its enrollment: whoever has one step of it has the later ones too. @throws Problem not_found, step_refused */
export async function reassignStep(
  engine: Engine,
  ctx: Context,
  id: Uuid,
  member: Uuid | null,
): Promise<void> {
  const { org } = ctx;
  const touch = await seeStep(engine, org, id);
  const telling = { type: 'assigned' as const, action: 'due_step.reassign', data: { assignee_id: member } };
  await tellStep(engine.db, ctx, touch, telling, null, async (tx) => {
    if (member !== null) {
      const found = await tx.maybe<{ disabled_at: Date | null }>(
        sql`SELECT disabled_at FROM members WHERE org_id = ${org} AND id = ${member}`,
      );
      if (!found) throw notFound('member', member);
      if (found.disabled_at) throw stepRefused('member_disabled', 'that member is disabled');
    }
    const changed = await tx.run(sql`
      UPDATE enrollments SET assignee_id = ${member} WHERE org_id = ${org} AND id = ${touch.source_id} AND status = ANY (${[...LIVE_STATUSES]})`);
    if (changed === 0) throw whyNot(touch);
  });
}
