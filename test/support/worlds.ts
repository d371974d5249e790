/** A database for the file, an organization for each test, and everybody who holds or waits let go after it. */
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { type EngineWorld, engineWorld } from './engine.ts';
import { letGo } from './interleave.ts';

/** Call at the top of a file; ask for the world inside a test. */
export function worlds(providerClass: 'K' | 'L' | 'N' = 'L'): () => EngineWorld {
  let database: EngineWorld;
  let world: EngineWorld;
  beforeAll(async () => {
    database = await engineWorld(providerClass);
  });
  beforeEach(async () => {
    world = await database.another();
  });
  afterEach(letGo);
  afterAll(() => database.close());
  return () => world;
}
