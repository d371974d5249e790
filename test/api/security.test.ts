import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSecurityLog } from '../../src/tenancy/security-events.ts';
import { setup, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await setup();
});
afterAll(() => world?.close());

async function events(kind: string, key = world.org.key) {
  const reply = await world.call('GET', `/api/security-events?kind=${kind}&limit=200`, { key });
  expect(reply.status).toBe(200);
  return reply.body.items;
}

/** A problem document without what belongs to the request alone. */
function words(body: Record<string, unknown>): Record<string, unknown> {
  return { ...body, instance: null, request_id: null };
}

describe('another organization’s ids', () => {
  test('[TEN-3] cannot be told from ids that do not exist, and are recorded', async () => {
    const theirs = await world.newKey(world.other, 'member');
    for (const method of ['GET', 'DELETE']) {
      const foreign = await world.call(method, `/api/api-keys/${theirs.id}`);
      const unknown = await world.call(method, `/api/api-keys/${randomUUID()}`);
      expect([foreign.status, unknown.status]).toEqual([404, 404]);
      expect(words(foreign.body)).toEqual(words(unknown.body));
      const [, recorded] = await events('unknown_id');
      expect(recorded).toMatchObject({
        kind: 'unknown_id',
        actor_type: 'api_key',
        ip: '127.0.0.1',
        request_id: foreign.body.request_id,
        count: 1,
        data: { method, path: `/api/api-keys/${theirs.id}`, ids: [{ type: 'API key', id: theirs.id }] },
      });
    }
    expect(await events('unknown_id', world.other.key)).toEqual([]);
    const still = await world.call('GET', `/api/api-keys/${theirs.id}`, { key: world.other.key });
    expect(still.body.revoked_at).toBeNull();
  });

  test('[TEN-3] [OPS-4] each is logged with security: true, and counted', async () => {
    const id = randomUUID();
    await world.call('GET', `/api/api-keys/${id}`);
    const line = world.logs.find((one) => one.security === true && JSON.stringify(one).includes(id));
    expect(line).toMatchObject({ kind: 'unknown_id', org: world.org.id, ip: '127.0.0.1' });
    const metrics = await world.call('GET', '/metrics', { key: null });
    expect(metrics.text).toMatch(/cadenza_security_events_total\{kind="unknown_id"\} [1-9]/);
  });

  test('[TEN-1] [TEN-3] in a body, a query or a path, whatever the spelling, an id opens only one’s own', async () => {
    const mine = await world.newKey(world.org, 'viewer');
    expect((await world.call('GET', `/api/api-keys/${mine.id.toUpperCase()}`)).status).toBe(200);
    const body = { name: 'x', organization_id: world.other.id };
    expect((await world.call('PATCH', '/api/organization', { body })).status).toBe(400);
    expect((await world.call('GET', `/api/audit?org_id=${world.other.id}`)).status).toBe(400);
  });

  test('[TEN-1] lists hold one’s own rows only', async () => {
    for (const path of ['/api/api-keys', '/api/audit', '/api/members', '/api/security-events']) {
      const ours = await world.call('GET', `${path}?limit=200`);
      const theirs = await world.call('GET', `${path}?limit=200`, { key: world.other.key });
      const ids = new Set(ours.body.items.map((one: { id: string }) => one.id));
      for (const item of theirs.body.items) expect(ids.has(item.id)).toBe(false);
    }
  });
});

describe('a caller who asks again and again', () => {
  test('[TEN-3] fills neither table nor log: 20 rows a minute, the rest is counted into one', async () => {
    const org = await world.newOrg('Curious');
    const lines: unknown[] = [];
    const logger = { warn: (fields: object) => lines.push(fields), error: () => expect.unreachable() };
    let now = 0;
    const log = createSecurityLog(world.db, logger, () => now);
    const caller = { ...org.caller, actor: { type: 'api_key', id: randomUUID(), name: 'x' } } as const;
    for (let i = 0; i < 1_000; i++) await log.record(caller, 'unknown_id', { i });
    expect(await events('unknown_id', org.key)).toHaveLength(20);
    expect(lines).toHaveLength(20);
    await log.flush();
    expect(await events('unknown_id', org.key)).toHaveLength(20);
    now += 60_000;
    await log.flush();
    const all = await events('unknown_id', org.key);
    expect(all).toHaveLength(21);
    expect(all[0]).toMatchObject({ count: 980, data: { repeated: true } });
    await log.record(caller, 'unknown_id', { again: true });
    expect(await events('unknown_id', org.key)).toHaveLength(22);
  });

  test('[TEN-3] nothing of the count is lost when the process ends', async () => {
    const org = await world.newOrg('Ending');
    const log = createSecurityLog(world.db, { warn: () => undefined, error: () => undefined }, () => 0);
    for (let i = 0; i < 25; i++) await log.record(org.caller, 'forbidden', { i });
    await log.flush(true);
    const counts = (await events('forbidden', org.key)).map((one: { count: number }) => one.count);
    expect(counts.reduce((sum: number, one: number) => sum + one, 0)).toBe(25);
  });

  test('an event that cannot be stored is logged and fails nobody', async () => {
    const errors: object[] = [];
    const broken = createSecurityLog(world.db, {
      warn: () => undefined,
      error: (fields) => errors.push(fields),
    });
    const nowhere = { ...world.org.caller, org: randomUUID() };
    await broken.record(nowhere, 'unknown_id', {});
    expect(errors).toMatchObject([{ security: true, kind: 'unknown_id' }]);
  });
});

describe('other events', () => {
  test('[TEN-7] the use of a revoked key is told to its organization', async () => {
    const { id, key } = await world.newKey(world.org, 'member');
    await world.call('DELETE', `/api/api-keys/${id}`);
    expect((await world.call('GET', '/api/members', { key })).status).toBe(401);
    expect((await events('revoked_credential'))[0]).toMatchObject({ actor_id: id });
  });

  test('[TEN-7] an expired key opens nothing, and is told', async () => {
    const soon = new Date(Date.now() + 300).toISOString();
    const made = await world.call('POST', '/api/api-keys', { body: { name: 'short', expires_at: soon } });
    const use = () => world.call('GET', '/api/members', { key: made.body.key });
    await expect.poll(async () => (await use()).status).toBe(401);
    expect((await events('expired_credential'))[0]).toMatchObject({ actor_id: made.body.id });
  });

  test('[TEN-7] a call beyond a role is refused, named and recorded', async () => {
    const { id, key } = await world.newKey(world.org, 'viewer');
    const reply = await world.call('PATCH', '/api/organization', { key, body: { name: 'Mine' } });
    expect([reply.status, reply.body.code]).toEqual([403, 'forbidden']);
    expect(reply.body.detail).toContain('settings:write');
    expect((await events('forbidden'))[0]).toMatchObject({
      actor_id: id,
      data: { path: '/api/organization' },
    });
  });
});
