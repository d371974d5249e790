/** The arms of a step: their numbers as they are shown, and a person's word on who has won. */
import { z } from 'zod';
import { TOUCH_STATES } from '../../ledger/states.ts';
import { WINS_BY, winnerSchema } from '../../plan/sequences/definition.ts';
import { sayWinner } from '../../plan/sequences/variants/decide.ts';
import { OPEN_REASONS } from '../../plan/sequences/variants/variant-stats.ts';
import type { ApiDeps } from '../deps.ts';
import { ok, type Route, route } from '../route.ts';
import { id, line, time } from '../schemas.ts';

const count = z.number().int();

const figures = {
  key: z.string(),
  contacts: count.describe('People it was sent to, each once; so are the others'),
  replied: count,
  clicked: count,
  opened: count,
  goal: count.describe('Whose enrollment reached its goal after it'),
};

const comparison = z.object({
  key: z.string().describe('The arm that the leader is compared to'),
  difference: z.number().describe("How much higher the leader's rate is"),
  z: z.number(),
  needed: z.number().describe('What z must reach, over all looks together'),
});

const decision = z
  .object({
    n: count.describe('The how-manieth of its step'),
    variant: z.string().nullable().describe('null: the winner was taken back'),
    rule_decides: z.boolean().describe('With no winner: may the rule of the step decide?'),
    by_rule: z.boolean(),
    rule: winnerSchema.nullable(),
    figures: z
      .object({ arms: z.array(z.object(figures)), comparisons: z.array(comparison).optional() })
      .describe('The numbers at that moment'),
    reason: z.string().nullable(),
    decided_by: z.string(),
    decided_at: time,
  })
  .meta({ id: 'VariantDecision' });

const touchCounts = z.object(
  Object.fromEntries([...TOUCH_STATES, 'total'].map((key) => [key, count])) as Record<
    (typeof TOUCH_STATES)[number] | 'total',
    typeof count
  >,
);

/** Of one step, in the numbers of its sequence. */
export const variantStats = z
  .object({
    by: z.enum(WINS_BY).describe('What the rate counts: what the rule says, else replies'),
    arms: z.array(
      z.object({
        ...figures,
        weight: z.number().nullable().describe('null: the published version has it no more'),
        touches: touchCounts.describe('What never went counts for the arm that its contact is assigned'),
        rate: z.number().nullable(),
      }),
    ),
    winner: z.string().nullable(),
    leader: z.string().nullable(),
    comparisons: z.array(comparison),
    open: z
      .object({ code: z.enum(OPEN_REASONS), detail: z.string() })
      .nullable()
      .describe('Why nothing is decided'),
    decisions: z.array(decision).describe('Newest first'),
  })
  .meta({ id: 'VariantStats' });

export function variantRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'POST',
      path: '/api/outreach/sequences/:id/steps/:step_id/winner',
      tag: 'Sequences',
      summary: 'Declare the winner of a step with variants, or take it back',
      about:
        'Messages of the step that are composed from now on take the winner; those that went keep their arm, in retries too. With `variant: null` contacts get their own arms again, and the rule of the step decides only with `rule_decides: true`.',
      scope: 'outreach:write',
      params: z.object({ id, step_id: id }),
      body: z.strictObject({
        variant: z.string().max(40).nullable().describe('null: there is no winner'),
        rule_decides: z.boolean().optional(),
        reason: line(500).optional(),
      }),
      answers: {
        200: z.object({
          step_id: id,
          variant: z.string().nullable(),
          changed: z.boolean().describe('false: it was so already'),
          decision: decision.nullable().describe('The last one; null: there was none'),
        }),
      },
      problems: ['sequence_not_published', 'conflict'],
      handle: async (caller, { params, body }) => {
        const { step_id } = params;
        const said = await sayWinner(db, caller, { sequence: params.id, step: step_id }, body);
        return ok({ step_id, variant: said.decision?.variant ?? null, ...said });
      },
    }),
  ];
}
