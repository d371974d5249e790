/**
 * Winners of a step's arms [SEQ-14]: owns variant_decisions, an append-only list of which the last counts. From a decision
 * on, messages of the step that are newly composed take the winner; those that went keep their arm, in retries too.
 */
import type { Database, Tx } from '../../../db/database.ts';
import { sql } from '../../../db/sql.ts';
import type { Uuid } from '../../../kernel/ids.ts';
import { audit } from '../../../tenancy/audit.ts';
import { actorText, type Context } from '../../../tenancy/context.ts';
import type { WinnerRule } from '../definition.ts';
import type { Figures } from './figures.ts';

export interface Decision {
  step_id: Uuid;
  /** The how-manieth of its step. */
  n: number;
  /** Null: there is no winner any more. */
  variant: string | null;
  /** With no winner: may the step's rule decide? */
  rule_decides: boolean;
  by_rule: boolean;
  rule: WinnerRule | null;
  /** The numbers at that moment. */
  figures: Figures;
  reason: string | null;
  decided_by: string;
  decided_at: Date;
}

/** Of one step that are shown. */
export const MAX_SHOWN = 20;

const columns = sql`step_id, n, variant, rule_decides, by_rule, rule, figures, reason, decided_by, decided_at`;

/** By step, for composing; null where none of these versions has a step with variants, which nearly none has. */
export async function readWinners(
  db: Database,
  org: Uuid,
  versions: Iterable<{ varied: readonly Uuid[] }>,
): Promise<ReadonlyMap<Uuid, string> | null> {
  const steps: Uuid[] = [];
  for (const { varied } of versions) steps.push(...varied);
  if (steps.length === 0) return null;
  return db.inOrg(org, (tx) => winnersOf(tx, org, steps));
}

export async function winnersOf(
  tx: Tx,
  org: Uuid,
  steps: readonly Uuid[],
): Promise<ReadonlyMap<Uuid, string>> {
  const rows = await tx.rows<{ step_id: Uuid; variant: string | null }>(sql`
    SELECT DISTINCT ON (step_id) step_id, variant FROM variant_decisions
     WHERE org_id = ${org} AND step_id = ANY (${[...steps]}) ORDER BY step_id, n DESC`);
  return new Map(rows.flatMap(({ step_id, variant }) => (variant === null ? [] : [[step_id, variant]])));
}

/** Newest first, of each step at most `MAX_SHOWN`. */
export async function decisionsOf(tx: Tx, org: Uuid, steps: readonly Uuid[]): Promise<Map<Uuid, Decision[]>> {
  const rows = await tx.rows<Decision>(sql`
    SELECT d.* FROM unnest(${[...steps]}::uuid[]) s(id) CROSS JOIN LATERAL (
      SELECT ${columns} FROM variant_decisions WHERE org_id = ${org} AND step_id = s.id ORDER BY n DESC LIMIT ${MAX_SHOWN}) d
     ORDER BY d.step_id, d.n DESC`);
  const byStep = new Map<Uuid, Decision[]>();
  for (const row of rows) {
    const list = byStep.get(row.step_id);
    if (list) list.push(row);
    else byStep.set(row.step_id, [row]);
  }
  return byStep;
}

export type NewDecision = Omit<Decision, 'decided_by' | 'decided_at'> & {
  sequence_id: Uuid;
  version_id: Uuid;
};

/** With its audit record; null: somebody else has decided meanwhile, and nothing was written. */
export async function writeDecision(tx: Tx, ctx: Context, decision: NewDecision): Promise<Decision | null> {
  const { step_id, sequence_id, n, variant, rule_decides, by_rule, rule, figures, reason } = decision;
  const written = await tx.maybe<Decision>(sql`
    INSERT INTO variant_decisions (org_id, step_id, n, sequence_id, version_id, variant, rule_decides, by_rule, rule, figures, reason, decided_by, decided_at)
    VALUES (${ctx.org}, ${step_id}, ${n}, ${sequence_id}, ${decision.version_id}, ${variant}, ${rule_decides}, ${by_rule},
      ${rule === null ? null : JSON.stringify(rule)}, ${JSON.stringify(figures)}, ${reason}, ${actorText(ctx.actor)}, clock_timestamp())
    ON CONFLICT (org_id, step_id, n) DO NOTHING RETURNING ${columns}`);
  if (written === null) return null;
  await audit(tx, ctx, {
    action: variant === null ? 'sequence.winner_undone' : 'sequence.winner',
    subject_type: 'sequence',
    subject_id: sequence_id,
    data: { step_id, n, variant, by_rule, reason },
  });
  return written;
}
