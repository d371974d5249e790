/** Works what is due in the world's organization to the end, as one worker that holds its lane would. */
import { sql } from '../../src/db/sql.ts';
import { deliver } from '../../src/dispatch/deliver.ts';
import type { Engine } from '../../src/dispatch/engine.ts';
import { newId } from '../../src/kernel/ids.ts';
import type { EngineWorld } from './engine.ts';

/** What falls due so soon after the last look is part of it: a worker would sleep until then. */
const SOON_MS = 250;

export async function deliverNow(world: EngineWorld, engine: Engine = world.engine): Promise<number> {
  const lane = { org: world.org, shard: 0, token: newId(), careful: false, suspect: null };
  let settled = 0;
  for (;;) {
    const now = await deliver(engine, lane, { stop: () => false, settled: () => undefined });
    settled += now;
    if (engine.now) return settled;
    // What was settled may have planned what is due since the last look.
    if (now > 0) continue;
    const [next] = await world.owner.call<{ ms: number | null }>(sql`
      SELECT extract(epoch FROM min(wake_at) - clock_timestamp())::float8 * 1000 AS ms FROM touches
       WHERE org_id = ${world.org}::uuid AND wake_at > clock_timestamp()`);
    if (next?.ms == null || next.ms > SOON_MS) return settled;
    await new Promise((resolve) => setTimeout(resolve, next.ms!));
  }
}
