/**
 * The arms of a sequence's steps in numbers. What was composed counts for the arm it was composed with; what never
 * passed a gate (planned, skipped, cancelled) for the arm that the contact is assigned, or the winner if it is still to
 * go. So the arms of a step add up to its touches.
 */
import type { Tx } from '../../../db/database.ts';
import { sql } from '../../../db/sql.ts';
import type { Uuid } from '../../../kernel/ids.ts';
import { TOUCH_STATES, type TouchState } from '../../../ledger/states.ts';
import type { Step, WinsBy } from '../definition.ts';
import { ruleDecides } from './decide.ts';
import { type ArmFigures, armFigures, judgeBy, readFigures } from './figures.ts';
import type { Judgement } from './significance.ts';
import { type Decision, decisionsOf } from './winners.ts';

export const OPEN_REASONS = [
  'no_rule',
  'rule_off',
  'minimum_sample',
  'no_difference',
  'not_significant',
  'margin',
  'due',
] as const;
export type OpenReason = (typeof OPEN_REASONS)[number];

export interface ArmStats extends ArmFigures {
  /** Null: the published version has it no more. */
  weight: number | null;
  touches: Record<TouchState, number> & { total: number };
  /** Of the people it was sent to, those that did what it wins by. */
  rate: number | null;
}

export interface VariantStats {
  /** What the rate counts: the rule's, else replies. */
  by: WinsBy;
  arms: ArmStats[];
  winner: string | null;
  /** The arm with the highest rate of those it has now. */
  leader: string | null;
  comparisons: Judgement['comparisons'];
  /** Why nothing is decided; null: there is a winner. */
  open: { code: OpenReason; detail: string } | null;
  /** Newest first. */
  decisions: Omit<Decision, 'step_id'>[];
}

/** Without a rule: what would be significant. */
const NO_RULE = { by: 'replied', minimum_sample: 1, confidence: 0.95, margin: 0 } as const;

/** By step, of the published version's steps with variants. */
export async function readVariantStats(
  tx: Tx,
  org: Uuid,
  sequence: Uuid,
  steps: readonly Step[],
): Promise<Map<Uuid, VariantStats>> {
  const varied = steps.filter((step) => step.variants !== undefined);
  if (varied.length === 0) return new Map();
  const ids = varied.map((step) => step.id);
  const decisions = await decisionsOf(tx, org, ids);
  const figures = await readFigures(tx, org, ids);
  const counts = await countTouches(tx, org, sequence, ids);
  return new Map(
    varied.map((step) => [
      step.id,
      statsOf(
        step,
        decisions.get(step.id) ?? [],
        figures.get(step.id),
        counts.filter((row) => row.step_id === step.id),
      ),
    ]),
  );
}

interface CountRow {
  step_id: Uuid;
  variant: string;
  state: TouchState;
  /** It has passed a gate. */
  composed: boolean;
  n: number;
}

function countTouches(tx: Tx, org: Uuid, sequence: Uuid, steps: readonly Uuid[]): Promise<CountRow[]> {
  return tx.rows<CountRow>(sql`
    WITH arms AS (
      SELECT v.id AS version_id, (s ->> 'id')::uuid AS step_id, s -> 'variants' AS variants
        FROM sequence_versions v CROSS JOIN LATERAL jsonb_array_elements(v.definition -> 'steps') s
       WHERE v.org_id = ${org} AND v.sequence_id = ${sequence} AND s ? 'variants'
    )
    SELECT t.step_id, coalesce(v.variant, variant_of(t.contact_id, t.step_id, a.variants)) AS variant, t.state,
           v.variant IS NOT NULL AS composed, count(*)::int AS n
      FROM touches t
      JOIN arms a ON a.version_id = t.version_id AND a.step_id = t.step_id
      LEFT JOIN touch_variants v ON v.org_id = t.org_id AND v.step_id = t.step_id AND v.touch_id = t.id
     WHERE t.org_id = ${org} AND t.sequence_id = ${sequence} AND t.step_id = ANY (${[...steps]})
     GROUP BY 1, 2, 3, 4`);
}

function statsOf(
  step: Step,
  decisions: readonly Decision[],
  figures: ReadonlyMap<string, ArmFigures> | undefined,
  rows: readonly CountRow[],
): VariantStats {
  const variants = step.variants!;
  const present = variants.map((variant) => variant.key);
  const last = decisions[0];
  const winner = last?.variant != null && present.includes(last.variant) ? last.variant : null;
  const rule = step.winner ?? NO_RULE;
  const counted = rows.map((row) =>
    winner !== null && !row.composed && row.state === 'planned' ? { ...row, variant: winner } : row,
  );
  const former = [...new Set([...counted.map((row) => row.variant), ...(figures?.keys() ?? [])])]
    .filter((key) => !present.includes(key))
    .sort();
  const judgement = judgeBy(rule, armFigures(present, figures));
  const arms = armFigures([...present, ...former], figures).map((arm) => ({
    ...arm,
    weight: variants.find(({ key }) => key === arm.key)?.weight ?? null,
    touches: touchesOf(counted.filter((row) => row.variant === arm.key)),
    rate: arm.contacts === 0 ? null : arm[rule.by] / arm.contacts,
  }));
  return {
    by: rule.by,
    arms,
    winner,
    leader: judgement.leader,
    comparisons: judgement.comparisons,
    open: winner === null ? whyOpen(step, last, judgement, arms) : null,
    decisions: decisions.map(({ step_id: _, ...decision }) => decision),
  };
}

function touchesOf(rows: readonly CountRow[]): ArmStats['touches'] {
  const counts = Object.fromEntries(TOUCH_STATES.map((state) => [state, 0])) as Record<TouchState, number>;
  for (const { state, n } of rows) counts[state] += n;
  return { ...counts, total: rows.reduce((sum, { n }) => sum + n, 0) };
}

function whyOpen(
  step: Step,
  last: Decision | undefined,
  { open, leader, comparisons }: Judgement,
  arms: readonly ArmStats[],
): { code: OpenReason; detail: string } {
  const rule = step.winner;
  if (rule === undefined)
    return { code: 'no_rule', detail: 'The step has no winner rule: people declare the winner' };
  if (!ruleDecides(step, last))
    return {
      code: 'rule_off',
      detail: `${last!.decided_by} took the winner back, and the rule has no word since`,
    };
  if (open === 'minimum_sample') {
    const least = arms
      .filter(({ weight }) => weight !== null)
      .reduce((a, b) => (b.contacts < a.contacts ? b : a));
    const detail = `Variant ${least.key} was sent to ${least.contacts} people of at least ${rule.minimum_sample}`;
    return { code: open, detail };
  }
  if (open === 'no_difference') return { code: open, detail: 'The best two are level' };
  const [closest] = [...comparisons].sort((a, b) => a.z - a.needed - (b.z - b.needed));
  if (open === 'not_significant') {
    const { z, needed, key } = closest!;
    const detail = `${leader} leads ${key}, and it may be chance: z is ${z.toFixed(2)} and must reach ${needed.toFixed(2)}`;
    return { code: open, detail };
  }
  if (open === 'margin')
    return { code: open, detail: `${leader} leads, by less than the margin of ${rule.margin}` };
  return { code: 'due', detail: `${leader} has won; it is declared at the next look, in some minutes` };
}
