/**
 * Who decides that an arm has won [SEQ-14]: the step's rule, looked at by a housekeeping job while it is open, or a
 * person, at any time. Both write the next decision of the step, so that of two at once one does.
 */
import { z } from 'zod';
import type { Database, Tx } from '../../../db/database.ts';
import { sql } from '../../../db/sql.ts';
import type { Uuid } from '../../../kernel/ids.ts';
import { notFound, Problem } from '../../../kernel/problem.ts';
import type { Context } from '../../../tenancy/context.ts';
import type { Definition, Step } from '../definition.ts';
import { armFigures, judgeBy, readFigures } from './figures.ts';
import { type Decision, decisionsOf, writeDecision } from './winners.ts';

export const DECIDE_VARIANTS = 'decide_variants';

/** Between two looks at the rules of a sequence; longer while it is stopped, and where looking takes long. */
const LOOK_EVERY_MS = 300_000;
const LOOK_WHILE_STOPPED_MS = 3_600_000;
/** Looking may take this part of the time. */
const LOOK_SHARE = 1 / 60;

interface Published {
  status: string;
  version_id: Uuid;
  definition: Definition;
}

/** Null: there is no such sequence, or it was never published. */
async function readPublished(tx: Tx, org: Uuid, sequence: Uuid): Promise<Published | null> {
  return tx.maybe<Published>(sql`
    SELECT s.status, v.id AS version_id, v.definition
      FROM sequences s JOIN sequence_versions v ON v.org_id = s.org_id AND v.id = s.published_version_id
     WHERE s.org_id = ${org} AND s.id = ${sequence}`);
}

/** Has the step's rule the word? */
export function ruleDecides(step: Step, last: Decision | undefined): boolean {
  return step.winner !== undefined && step.variants !== undefined && (last?.rule_decides ?? true);
}

export interface Looked {
  decided: Decision[];
  /** Steps whose rule has not decided yet. */
  open: number;
  stopped: boolean;
}

/** Looks at every rule of the published version, and writes what they decide. */
export async function lookAtRules(db: Database, org: Uuid, sequence: Uuid): Promise<Looked> {
  const ctx: Context = { org, actor: { type: 'system', id: 'winner_rule', name: 'winner rule' } };
  return db.inOrg(org, async (tx) => {
    const published = await readPublished(tx, org, sequence);
    if (!published) return { decided: [], open: 0, stopped: true };
    const { definition, version_id, status } = published;
    const ruled = definition.steps.filter((step) => step.winner && step.variants);
    const ids = ruled.map((step) => step.id);
    const decisions = await decisionsOf(tx, org, ids);
    const open = ruled.filter((step) => ruleDecides(step, decisions.get(step.id)?.[0]));
    const figures = await readFigures(
      tx,
      org,
      open.map((step) => step.id),
    );
    const decided: Decision[] = [];
    let left = open.length;
    for (const step of open) {
      const rule = step.winner!;
      const arms = armFigures(
        step.variants!.map((variant) => variant.key),
        figures.get(step.id),
      );
      const { winner, comparisons } = judgeBy(rule, arms);
      if (winner === null) continue;
      left--;
      const written = await writeDecision(tx, ctx, {
        ...{ step_id: step.id, sequence_id: sequence, version_id, variant: winner, rule, reason: null },
        n: (decisions.get(step.id)?.[0]?.n ?? 0) + 1,
        figures: { arms, comparisons },
        by_rule: true,
        rule_decides: false,
      });
      if (written) decided.push(written);
    }
    return { decided, open: left, stopped: status !== 'active' };
  });
}

/** The job that looks, queued when a version with a rule is published, or a person gives the word back to it. */
export async function watchRules(
  tx: Pick<Tx, 'run'>,
  org: Uuid,
  sequence: Uuid,
  definition: Definition,
  afterMs: number = LOOK_EVERY_MS,
): Promise<void> {
  if (!definition.steps.some((step) => step.winner && step.variants)) return;
  await queueLook(tx, org, sequence, afterMs);
}

async function queueLook(tx: Pick<Tx, 'run'>, org: Uuid, sequence: Uuid, afterMs: number): Promise<void> {
  await tx.run(sql`
    SELECT graphile_worker.add_job(${DECIDE_VARIANTS}, ${JSON.stringify({ org, sequence })}::json, job_key => ${`${DECIDE_VARIANTS}:${sequence}`},
      run_at => clock_timestamp() + ${Math.ceil(afterMs)}::int * interval '1 millisecond', job_key_mode => 'replace')`);
}

const payloadSchema = z.object({ org: z.uuid(), sequence: z.uuid() });

export const decideVariantsTask = {
  name: DECIDE_VARIANTS,
  /** Looks once, and queues the next look while a rule is open. */
  async run(db: Database, payload: unknown): Promise<Looked> {
    const { org, sequence } = payloadSchema.parse(payload);
    const begun = performance.now();
    const looked = await lookAtRules(db, org, sequence);
    const pace = looked.stopped ? LOOK_WHILE_STOPPED_MS : LOOK_EVERY_MS;
    const wait = Math.max(pace, (performance.now() - begun) / LOOK_SHARE);
    if (looked.open > 0) await db.inOrg(org, (tx) => queueLook(tx, org, sequence, wait));
    return looked;
  },
};

export interface Word {
  /** Null: there is to be no winner. */
  variant: string | null;
  /** With no winner: the rule decides again. Absent: it does not, until somebody says so. */
  rule_decides?: boolean | undefined;
  reason?: string | undefined;
}

/** How often it is looked at anew because somebody else decided meanwhile. */
const MAX_ROUNDS = 5;

/**
 * A person's word. `changed` false: it was so already, and nothing was written.
 * @throws Problem not_found, sequence_not_published, invalid_request (no such arm), conflict
 */
export async function sayWinner(
  db: Database,
  ctx: Context,
  at: { sequence: Uuid; step: Uuid },
  word: Word,
): Promise<{ decision: Decision | null; changed: boolean }> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const said = await db.inOrg(ctx.org, (tx) => say(tx, ctx, at, word));
    if (said !== null) return said;
  }
  throw new Problem('conflict', 'Others kept deciding at the same moment; read the step and decide again');
}

/** Null: somebody else decided meanwhile. */
async function say(
  tx: Tx,
  ctx: Context,
  at: { sequence: Uuid; step: Uuid },
  { variant, rule_decides, reason }: Word,
): Promise<{ decision: Decision | null; changed: boolean } | null> {
  const { published, step } = await readVaried(tx, ctx.org, at);
  const keys = step.variants.map(({ key }) => key);
  if (variant !== null && !keys.includes(variant))
    throw invalid('variant', `The step has no variant ${variant}; it has ${keys.join(', ')}`);
  if (variant !== null && rule_decides === true)
    throw invalid('rule_decides', 'Either there is a winner, or the rule decides');
  const last = (await decisionsOf(tx, ctx.org, [step.id])).get(step.id)?.[0];
  const open =
    variant === null && (rule_decides ?? (last && last.variant === null ? last.rule_decides : false));
  const same = last
    ? last.variant === variant && last.rule_decides === open
    : variant === null && rule_decides !== false;
  if (same) return { decision: last ?? null, changed: false };
  const arms = armFigures(keys, (await readFigures(tx, ctx.org, [step.id])).get(step.id));
  const decision = await writeDecision(tx, ctx, {
    ...{ step_id: step.id, sequence_id: at.sequence, version_id: published.version_id, variant },
    n: (last?.n ?? 0) + 1,
    rule: step.winner ?? null,
    figures: { arms },
    by_rule: false,
    rule_decides: open,
    reason: reason ?? null,
  });
  if (decision === null) return null;
  if (open) await watchRules(tx, ctx.org, at.sequence, published.definition, 0);
  return { decision, changed: true };
}

async function readVaried(tx: Tx, org: Uuid, { sequence, step }: { sequence: Uuid; step: Uuid }) {
  const published = await readPublished(tx, org, sequence);
  if (!published) {
    const known = await tx.maybe(sql`SELECT id FROM sequences WHERE org_id = ${org} AND id = ${sequence}`);
    if (!known) throw notFound('sequence', sequence);
    throw new Problem('sequence_not_published', 'It was never published; nothing of it was sent');
  }
  const found = published.definition.steps.find(({ id }) => id === step);
  if (!found) throw notFound('step', step);
  const { variants } = found;
  if (variants === undefined) throw invalid('step_id', 'The step has no variants in the published version');
  return { published, step: { ...found, variants } };
}

function invalid(field: string, message: string): Problem {
  return new Problem('invalid_request', message, { errors: [{ field, code: 'invalid', message }] });
}
