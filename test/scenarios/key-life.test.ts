/** Class K: a key proves something only while its provider remembers it, however long our process stood still. */
import { performance } from 'node:perf_hooks';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DEFAULT_KEY_LIFE_MS } from '../../src/channels/channel.ts';
import { sql } from '../../src/db/sql.ts';
import { deliver } from '../../src/dispatch/deliver.ts';
import type { Engine } from '../../src/dispatch/engine.ts';
import { newId } from '../../src/kernel/ids.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { enrolled, touchRow } from '../support/touches.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds('K');
let world: EngineWorld;
/** How far the monotonic clock has run on while the process stood still. */
let stood = 0;
beforeEach(() => {
  world = worldOf();
  stood = 0;
  const now = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => now() + stood);
});
afterEach(() => vi.restoreAllMocks());

/** A message whose answer was lost, due to be sent again under its key. */
async function unanswered(): Promise<string> {
  const { touches } = await enrolled(world);
  world.provider.answer = () => ({ kind: 'ambiguous', reason: 'timeout' });
  let gated = false;
  const engine = world.newEngine({
    failpoint(name) {
      gated ||= name === 'after_gate';
    },
  });
  const lane = { org: world.org, shard: 0, token: newId(), careful: false, suspect: null };
  await deliver(engine, lane, { stop: () => gated, settled: () => undefined });
  world.provider.answer = () => ({ kind: 'accepted' });
  expect(world.provider.calls).toHaveLength(1);
  expect(await touchRow(world, touches[0]!)).toMatchObject({ state: 'unknown' });
  await world.owner.call(sql`UPDATE touches SET wake_at = now() WHERE id = ${touches[0]}::uuid`);
  return touches[0]!;
}

/** An engine that stands still once, at a place between reading the situation and calling the provider. */
function standingStill(place: 'deciding' | 'composing', ms: number): Engine {
  const stand = () => {
    stood = ms;
  };
  return {
    ...world.engine,
    connect(org, sender) {
      if (place === 'deciding') stand();
      return world.engine.connect(org, sender);
    },
    unsubscribeUrl(...about) {
      if (place === 'composing') stand();
      return world.engine.unsubscribeUrl(...about);
    },
  };
}

describe('a process that stood still before it sent again', () => {
  for (const place of ['deciding', 'composing'] as const) {
    it(`[EXE-5] [EXE-6] while ${place}: never under a key whose life is over`, async () => {
      const touch = await unanswered();
      await deliverNow(world, standingStill(place, DEFAULT_KEY_LIFE_MS));
      expect(world.provider.calls).toHaveLength(1);
      expect(await touchRow(world, touch)).toMatchObject({ state: 'unknown' });
    });

    it(`[EXE-5] [EXE-6] while ${place}: under its key while that lives`, async () => {
      const touch = await unanswered();
      await deliverNow(world, standingStill(place, DEFAULT_KEY_LIFE_MS / 2));
      const [first, second] = world.provider.calls;
      expect(second).toEqual(first);
      expect(await touchRow(world, touch)).toMatchObject({ state: 'sent' });
    });
  }
});
