/** Sequences that wait and decide: whoever goes through them, worked at a moment of the test's choice. */

import { changeTags } from '../../src/contacts/change-tags.ts';
import type { Row } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import type { Engine, Failpoint } from '../../src/dispatch/engine.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import { deliverNow } from './deliver-now.ts';
import type { EngineWorld } from './engine.ts';

export const DAY = 86_400_000;
export const days = (amount: number) => ({ amount, unit: 'days' });
export const VIP = { tag: 'vip' };
export const email = (more: object = {}) => ({
  channel: 'email',
  subject: 'Hello',
  body_text: 'Text',
  ...more,
});
export const waitFor = (until: object, amount: number, more: object = {}) => ({
  channel: 'wait',
  until,
  at_most: days(amount),
  ...more,
});
export const branch = (arms: [when: object, go_to: string][], more: object = {}) => ({
  channel: 'wait',
  branches: arms.map(([when, go_to]) => ({ when, go_to })),
  ...more,
});

/** A worker whose clock is so far ahead of the database's. */
export function later(
  world: EngineWorld,
  ms: number,
  failpoint?: (name: Failpoint) => Promise<void> | void,
): Engine {
  return { ...world.newEngine(failpoint ? { failpoint } : {}), now: () => new Date(Date.now() + ms) };
}

export const workAt = (world: EngineWorld, ms: number) => deliverNow(world, later(world, ms));

export const tag = (world: EngineWorld, contact: Uuid, ...tags: string[]) =>
  changeTags(world.db, world.ctx, { contact_ids: [contact], add: tags });

/** Its touches in the order of their planning, as `step state reason`. */
export async function way(world: EngineWorld, enrollment: Uuid): Promise<string[]> {
  const rows = await world.owner.call<{ text: string }>(sql`
    SELECT concat_ws(' ', t.step_no, t.state, t.reason) AS text FROM touches t
     WHERE t.source_id = ${enrollment}::uuid ORDER BY t.created_at, t.generation, t.step_no, t.n`);
  return rows.map((row) => row.text);
}

export async function liveTouch(world: EngineWorld, enrollment: Uuid): Promise<Row> {
  const [row] = await world.owner.call(sql`
    SELECT t.*, e.status FROM enrollments e JOIN touches t ON t.org_id = e.org_id AND t.id = e.live_touch
     WHERE e.id = ${enrollment}::uuid`);
  return row!;
}
