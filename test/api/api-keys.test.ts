import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setup, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await setup();
});
afterAll(() => world?.close());

describe('API keys', () => {
  test('[TEN-7] a key is shown once, and opens the API until it is revoked', async () => {
    const made = await world.call('POST', '/api/api-keys', { body: { name: 'CI', role: 'admin' } });
    expect(made.status).toBe(201);
    expect(made.body.key).toMatch(/^cdz_[A-Za-z0-9_-]{43}$/);
    expect(made.headers.get('location')).toBe(`/api/api-keys/${made.body.id}`);

    const read = await world.call('GET', `/api/api-keys/${made.body.id}`, { key: made.body.key });
    expect(read.status).toBe(200);
    expect(read.text).not.toContain(made.body.key);
    expect(read.body.last_used_at).not.toBeNull();

    expect((await world.call('DELETE', `/api/api-keys/${made.body.id}`)).status).toBe(200);
    const refused = await world.call('GET', '/api/api-keys', { key: made.body.key });
    expect(refused.status).toBe(401);
    expect(refused.body.code).toBe('unauthenticated');
  });
});
