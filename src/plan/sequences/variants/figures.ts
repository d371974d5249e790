/**
 * What came of the arms of a step, from what was sent and what came back. A person counts once an arm, however often they
 * opened or clicked; what somebody did counts for the message they did it to, a goal for what was sent to them before it
 * in that enrollment.
 */
import type { Tx } from '../../../db/database.ts';
import { sql } from '../../../db/sql.ts';
import type { Uuid } from '../../../kernel/ids.ts';
import type { WinnerRule, WinsBy } from '../definition.ts';
import { type ArmCount, type Comparison, type Judgement, judge } from './significance.ts';

/** People, each once. */
export interface ArmFigures {
  key: string;
  contacts: number;
  replied: number;
  clicked: number;
  opened: number;
  goal: number;
}

export type Figures = { arms: ArmFigures[]; comparisons?: Comparison[] };

/** Names of contact events that say so, each with its message; what a machine did (a scanner, an out-of-office) is none. */
const EVENT_NAMES = { replied: 'message_received', clicked: 'clicked', opened: 'opened' } as const;
/** An enrollment that left because its goal was reached says so in its reason. */
const GOAL_REASONS = 'goal:%';

/** By step, then by arm; arms that nothing was sent with are not there. */
export async function readFigures(
  tx: Tx,
  org: Uuid,
  steps: readonly Uuid[],
): Promise<Map<Uuid, Map<string, ArmFigures>>> {
  const { replied, clicked, opened } = EVENT_NAMES;
  const names = Object.values(EVENT_NAMES);
  const rows = await tx.rows<ArmFigures & { step_id: Uuid }>(sql`
    WITH messages AS (
      SELECT v.step_id, v.variant, v.contact_id, t.id, t.source_id, t.settled_at
        FROM touch_variants v JOIN touches t ON t.org_id = v.org_id AND t.id = v.touch_id
       WHERE v.org_id = ${org} AND v.step_id = ANY (${[...steps]}) AND t.state = 'sent'
    ), people AS (
      SELECT m.step_id, m.variant, m.contact_id, bool_or(x.replied) AS replied, bool_or(x.clicked) AS clicked, bool_or(x.opened) AS opened,
             bool_or(EXISTS (SELECT FROM events e WHERE e.org_id = ${org} AND e.source_id = m.source_id AND e.type = 'exited'
               AND e.reason LIKE ${GOAL_REASONS} AND e.at >= m.settled_at)) AS goal
        FROM messages m CROSS JOIN LATERAL (
          SELECT bool_or(e.name = ${replied}) AS replied, bool_or(e.name = ${clicked}) AS clicked, bool_or(e.name = ${opened}) AS opened
            FROM contact_events e
           WHERE e.org_id = ${org} AND e.contact_id = m.contact_id AND e.name = ANY (${names}) AND e.touch_id = m.id
             AND (e.properties -> 'machine' = 'true') IS NOT TRUE AND (e.properties -> 'auto_reply' = 'true') IS NOT TRUE) x
       GROUP BY 1, 2, 3
    )
    SELECT step_id, variant AS key, count(*)::int AS contacts, count(*) FILTER (WHERE replied)::int AS replied,
           count(*) FILTER (WHERE clicked)::int AS clicked, count(*) FILTER (WHERE opened)::int AS opened,
           count(*) FILTER (WHERE goal)::int AS goal
      FROM people GROUP BY 1, 2 ORDER BY 1, 2`);
  const figures = new Map<Uuid, Map<string, ArmFigures>>();
  for (const { step_id, ...arm } of rows) {
    const arms = figures.get(step_id) ?? new Map<string, ArmFigures>();
    figures.set(step_id, arms.set(arm.key, arm));
  }
  return figures;
}

export function noFigures(key: string): ArmFigures {
  return { key, contacts: 0, replied: 0, clicked: 0, opened: 0, goal: 0 };
}

/** Of the arms that the step has now; others have had their time. */
export function armFigures(
  keys: readonly string[],
  figures: ReadonlyMap<string, ArmFigures> | undefined,
): ArmFigures[] {
  return keys.map((key) => figures?.get(key) ?? noFigures(key));
}

export function judgeBy(rule: WinnerRule, arms: readonly ArmFigures[]): Judgement {
  return judge(
    arms.map((arm) => countOf(rule.by, arm)),
    rule,
  );
}

function countOf(by: WinsBy, arm: ArmFigures): ArmCount {
  return { key: arm.key, contacts: arm.contacts, converted: arm[by] };
}
