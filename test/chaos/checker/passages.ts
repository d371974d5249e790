/**
 * Passages of the gate, read by the owner: when each touch was let go, and whether only the same bytes went again under
 * their key (the passage before was never settled). Every call must have one, made before it began.
 */
import type { Queryable } from './database.ts';
import type { Evidence, JournalLine, Passage } from './evidence.ts';
import type { Violation } from './violation.ts';

const PASSAGES = `
  WITH passed AS (
    SELECT u.id AS touch, g.org_id, g.token, g.gated_at,
           lag(g.token) OVER (PARTITION BY u.id ORDER BY g.gated_at) AS before
      FROM gates g CROSS JOIN unnest(g.touches) u(id))
  SELECT p.touch, (extract(epoch FROM p.gated_at) * 1000)::float8 AS at,
         p.before IS NOT NULL AND NOT EXISTS (
           SELECT FROM events v WHERE v.org_id = p.org_id AND v.touch_id = p.touch AND v.token = p.before
              AND v.type IN ('sent', 'failed', 'retry', 'not_started')) AS again
    FROM passed p ORDER BY p.gated_at`;

export async function readPassages(client: Queryable): Promise<Passage[]> {
  return (await client.query(PASSAGES)).rows as unknown as Passage[];
}

/** Two clocks of one machine, read by two processes. */
export const CLOCK_MS = 5;

/** By touch, in their order. */
export function passagesOf({ passages }: Pick<Evidence, 'passages'>): Map<string, Passage[]> {
  const byTouch = new Map<string, Passage[]>();
  for (const passage of passages) {
    const list = byTouch.get(passage.touch);
    if (list) list.push(passage);
    else byTouch.set(passage.touch, [passage]);
  }
  return byTouch;
}

/** The last one before a call began. */
export function passageBefore(
  byTouch: ReadonlyMap<string, readonly Passage[]>,
  { touch_id, wall }: Pick<JournalLine, 'touch_id' | 'wall'>,
): Passage | undefined {
  const began = Date.parse(wall) + CLOCK_MS;
  return byTouch.get(touch_id ?? '')?.findLast(({ at }) => at <= began);
}

/** Nothing is called that no gate let go, and nothing oftener than it was let go. */
export function checkPassages(evidence: Evidence): Violation[] {
  const byTouch = passagesOf(evidence);
  const calls = new Map<string, number>();
  const found: Violation[] = [];
  for (const { event, touch_id: touch, call, wall } of evidence.journal) {
    if (event !== 'begun' || !touch) continue;
    const nth = (calls.get(touch) ?? 0) + 1;
    calls.set(touch, nth);
    const began = Date.parse(wall) + CLOCK_MS;
    const passed = byTouch.get(touch)?.filter(({ at }) => at <= began).length ?? 0;
    if (nth > passed)
      found.push({
        invariant: 'I4',
        what: `call ${nth} of what the gate had let go ${passed} times`,
        touch,
        call,
      });
  }
  return found;
}
