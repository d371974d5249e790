/** The refusal of what has to wait for a message in flight: a 409 with the receipt that tells when it has settled. */
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { newId, type Uuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import { getReceipt } from '../../ledger/receipts.ts';
import { actorText, type Context } from '../../tenancy/context.ts';

export async function inFlightProblem(
  db: Database,
  ctx: Context,
  enrollment: { id: Uuid; status: string; epoch: number; touch: Uuid; state: string },
  action: string,
): Promise<Problem> {
  const receipt = newId();
  const { id, status, epoch, touch, state } = enrollment;
  await db.inOrg(ctx.org, (tx) =>
    tx.run(sql`
      INSERT INTO receipts (org_id, id, subject_type, subject_id, status, epoch, effective_at, not_started, in_flight, actor)
      VALUES (${ctx.org}, ${receipt}, 'enrollment', ${id}, ${status}, ${epoch}, now(), 0, ${[touch]}, ${actorText(ctx.actor)})`),
  );
  return new Problem(
    'touch_in_flight',
    `The touch ${touch} is ${state}; ${action} has to wait for its outcome.`,
    {
      extra: { receipt: await getReceipt(db, ctx.org, receipt) },
    },
  );
}
