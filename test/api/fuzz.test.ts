/** [OPS-6] The API, fuzzed from its own description. `npm run fuzz -- --requests 20000` does it at length. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fuzz } from './fuzz/run.ts';
import { quietSmtp } from './fuzz/world.ts';
import { setup, type World } from './world.ts';

const REQUESTS = 2_000;

let world: World;
beforeAll(async () => {
  world = await setup({ config: { rate_limit_per_minute: 1_000_000 }, adapters: [quietSmtp] });
});
afterAll(() => world?.close());

test(`[OPS-6] ${REQUESTS} generated requests give no 5xx and no undocumented status`, async () => {
  const { body: document } = await world.call('GET', '/api/openapi.json', { key: null });
  const viewer = await world.newKey(world.org, 'viewer');
  const seed = Math.floor(Math.random() * 2 ** 32);
  const report = await fuzz({
    url: world.url,
    document,
    requests: REQUESTS,
    seed,
    keys: { owner: world.org.key, others: [viewer.key, world.other.key] },
    foreignIds: [world.other.id, (await world.newKey(world.other, 'member')).id],
    newOwnerKey: async () => (await world.newKey(world.org, 'owner')).key,
  });
  expect(report.violations.slice(0, 5), `seed ${seed}`).toEqual([]);
  expect(report.statuses[200], `seed ${seed}`).toBeGreaterThan(REQUESTS / 20);
  expect(report.statuses[201], `seed ${seed}`).toBeGreaterThan(0);
  expect(report.statuses[400], `seed ${seed}`).toBeGreaterThan(0);
}, 180_000);

test('[OPS-6] the fuzzer sees a server error and an undocumented status', async () => {
  const { body: document } = await world.call('GET', '/api/openapi.json', { key: null });
  const operation = document.paths['/api/members'].get;
  const document401 = { ...operation, responses: { 200: operation.responses[200] } };
  const report = await fuzz({
    url: world.url,
    document: {
      ...document,
      paths: { '/api/members': { get: document401 }, '/readyz/nothing': { get: document401 } },
    },
    requests: 100,
    seed: 1,
    keys: { owner: world.org.key, others: [world.other.key] },
    foreignIds: [world.other.id],
    newOwnerKey: async () => (await world.newKey(world.org, 'owner')).key,
  });
  const found = new Set(report.violations.map((one) => `${one.what} ${one.status}`));
  expect(found).toContain('an undocumented status 404');
  expect(found).toContain('an undocumented status 400');
});
