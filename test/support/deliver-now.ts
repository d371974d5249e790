/** Works what is due in the world's organization to the end, as one worker that holds its lane would. */
import { deliver } from '../../src/dispatch/deliver.ts';
import type { Engine } from '../../src/dispatch/engine.ts';
import { newId } from '../../src/kernel/ids.ts';
import type { EngineWorld } from './engine.ts';

export async function deliverNow(world: EngineWorld, engine: Engine = world.engine): Promise<number> {
  const lane = { org: world.org, shard: 0, token: newId(), careful: false, suspect: null };
  return deliver(engine, lane, { stop: () => false, settled: () => undefined });
}
