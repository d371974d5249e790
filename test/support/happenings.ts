/** Events told in an engine world, and carried out as the request or the queue would. */
import type { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import { reactPending } from '../../src/plan/sequences/react.ts';
import { type EventReaction, getEvent } from '../../src/records/events.ts';
import { type ToldEvent, tellEvents } from '../../src/records/tell-events.ts';
import type { EngineWorld } from './engine.ts';

/** Stored alone; nobody has reacted yet. */
export async function told(world: EngineWorld, event: ToldEvent, source = 'api'): Promise<Uuid> {
  const [one] = await tellEvents(world.db, world.ctx, source, [event]);
  if (one!.result === 'refused') throw new Error(`refused: ${one!.reason}`);
  return one!.event_id;
}

export async function reactAll(world: EngineWorld, db: Database = world.db): Promise<void> {
  await reactPending({ db, versions: world.versions, log: world.engine.log }, world.org);
}

/** Told, and everything it leads to carried out. */
export async function happened(world: EngineWorld, event: ToldEvent): Promise<EventReaction[]> {
  const id = await told(world, event);
  await reactAll(world);
  return reactionsOf(world, id);
}

export async function reactionsOf(world: EngineWorld, event: Uuid): Promise<EventReaction[]> {
  return (await getEvent(world.db, world.ctx, event)).reactions;
}

/** The event stream of an enrollment, oldest first. */
export async function stream(world: EngineWorld, enrollment: Uuid): Promise<string[]> {
  const rows = await world.owner.call<{ type: string }>(
    sql`SELECT type FROM events WHERE source_id = ${enrollment}::uuid ORDER BY at, type`,
  );
  return rows.map((row) => row.type);
}
