import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROLES, type Role } from '../../src/tenancy/context.ts';
import { scopesOf } from '../../src/tenancy/roles.ts';
import { setup, type World } from './world.ts';

let world: World;
const keys = {} as Record<Role, string>;
beforeAll(async () => {
  world = await setup();
  for (const role of ROLES) keys[role] = (await world.newKey(world.org, role)).key;
});
afterAll(() => world?.close());

const SOME_ID = '01900000-0000-7000-8000-000000000000';

/** Every described call with the scope it names. */
async function calls() {
  const { body } = await world.call('GET', '/api/openapi.json', { key: null });
  return Object.entries<Record<string, { 'x-scope'?: string }>>(body.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path: path.replace(/\{\w+\}/g, SOME_ID),
      scope: operation['x-scope'],
    })),
  );
}

describe('roles', () => {
  test('[TEN-7] [TEN-6] every call is open to exactly the roles that have its scope, and to nobody else', async () => {
    const all = (await calls()).filter((one) => one.scope !== undefined);
    expect(all.length).toBeGreaterThan(10);
    for (const { method, path, scope } of all) {
      expect((await world.call(method, path, { key: null })).status, `${method} ${path}`).toBe(401);
      for (const role of ROLES) {
        const { status } = await world
          .call(method, path, { key: keys[role], raw: '{"no such field":1}' })
          .catch(() => world.call(method, path, { key: keys[role] }));
        const may = scopesOf(role, []).some((one) => one === scope);
        expect(status === 403, `${role}: ${method} ${path} ${status}`).toBe(!may);
      }
    }
  });

  test('[TEN-7] viewers read, members also reach out, admins also deal with senders, settings and keys', () => {
    expect(scopesOf('viewer', []).every((scope) => scope.endsWith(':read'))).toBe(true);
    expect(scopesOf('member', []).filter((scope) => scope.endsWith(':write'))).toEqual([
      'contacts:write',
      'outreach:write',
    ]);
    for (const scope of ['senders:write', 'settings:write', 'keys:write'])
      expect(scopesOf('admin', [])).toContain(scope);
  });

  test('[TEN-7] a key can be narrowed to some scopes, not widened', async () => {
    const { key } = await world.newKey(world.org, 'admin', ['audit:read']);
    expect((await world.call('GET', '/api/audit', { key })).status).toBe(200);
    expect((await world.call('GET', '/api/members', { key })).status).toBe(403);
    const wide = await world.call('POST', '/api/api-keys', {
      body: { name: 'x', role: 'viewer', scopes: ['keys:write'] },
    });
    expect([wide.status, wide.body.errors[0].field]).toEqual([400, 'scopes']);
  });

  test('[TEN-7] nobody hands out more than they have', async () => {
    const post = (key: string, body: object) => world.call('POST', '/api/api-keys', { key, body });
    expect((await post(keys.admin, { name: 'x', role: 'owner' })).status).toBe(403);
    expect((await post(keys.admin, { name: 'x', role: 'admin' })).status).toBe(201);
    const narrow = await world.newKey(world.org, 'admin', ['keys:write', 'keys:read']);
    expect((await post(narrow.key, { name: 'x', role: 'admin' })).status).toBe(403);
    expect((await post(narrow.key, { name: 'x', role: 'admin', scopes: ['keys:read'] })).status).toBe(201);
    const owners = await world.newKey(world.org, 'owner');
    const revoke = await world.call('DELETE', `/api/api-keys/${owners.id}`, { key: keys.admin });
    expect(revoke.status).toBe(403);
    const owner = { name: 'O', email: 'o@example.org', role: 'owner' };
    expect((await world.call('POST', '/api/members', { key: keys.admin, body: owner })).status).toBe(403);
  });
});

describe('members', () => {
  test('an organization keeps its last owner', async () => {
    const org = await world.newOrg('Owned');
    const add = (email: string) =>
      world.call('POST', '/api/members', { key: org.key, body: { name: email, email, role: 'owner' } });
    const change = (id: string, body: object) =>
      world.call('PATCH', `/api/members/${id}`, { key: org.key, body });
    const [a, b] = [(await add('A@example.org')).body, (await add('b@example.org')).body];
    expect(a.email).toBe('a@example.org');
    const both = await Promise.all([change(a.id, { role: 'member' }), change(b.id, { disabled: true })]);
    expect(both.map((one) => one.status).sort()).toEqual([200, 409]);
    const { body } = await world.call('GET', '/api/members', { key: org.key });
    const owners = body.items.filter(
      (one: { role: string; disabled_at: null }) => one.role === 'owner' && !one.disabled_at,
    );
    expect(owners).toHaveLength(1);
    const back = await change(b.id, { disabled: false, role: 'viewer', name: 'Bea' });
    expect(back.status === 200 ? back.body : back.body.code).toEqual(
      owners[0].id === b.id
        ? 'conflict'
        : expect.objectContaining({ role: 'viewer', name: 'Bea', disabled_at: null }),
    );
  });
});

describe('the audit trail', () => {
  test('[TEN-5] says who changed what, from what to what, under which request', async () => {
    const headers = { 'x-request-id': 'audit-1' };
    await world.call('PATCH', '/api/organization', { body: { time_zone: 'Europe/Berlin' }, headers });
    await world.call('PATCH', '/api/organization', { body: { time_zone: 'Europe/Berlin' } });
    const { body } = await world.call(
      'GET',
      `/api/audit?subject_type=organization&subject_id=${world.org.id}`,
    );
    expect(body.items).toHaveLength(2);
    expect(body.items[0]).toMatchObject({
      action: 'organization.update',
      actor_type: 'api_key',
      actor_name: 'owner',
      request_id: 'audit-1',
      data: { changed: { time_zone: { from: 'UTC', to: 'Europe/Berlin' } } },
    });
  });

  test('[TEN-5] can only grow, for the application', async () => {
    const app = new pg.Client({ connectionString: world.db.url });
    await app.connect();
    for (const statement of [
      "UPDATE audit_log SET action = 'x'",
      'DELETE FROM audit_log',
      'TRUNCATE audit_log',
      "UPDATE security_events SET kind = 'forbidden'",
      'DELETE FROM security_events',
    ])
      await expect(app.query(statement), statement).rejects.toMatchObject({ code: '42501' });
    await app.end();
  });

  test('settings that change raise the policy version, so that composed messages are composed again', async () => {
    const before = (await world.call('GET', '/api/organization')).body;
    const after = await world.call('PATCH', '/api/organization', { body: { contact_daily_cap: 3 } });
    expect(after.body).toMatchObject({ contact_daily_cap: 3, policy_version: before.policy_version + 1 });
    const same = await world.call('PATCH', '/api/organization', { body: { contact_daily_cap: 3 } });
    expect(same.body.policy_version).toBe(before.policy_version + 1);
    const cleared = await world.call('PATCH', '/api/organization', { body: { contact_daily_cap: null } });
    expect(cleared.body.contact_daily_cap).toBeNull();
    const bad = await world.call('PATCH', '/api/organization', { body: { time_zone: 'Mars/Olympus' } });
    expect(bad.body.errors[0]).toMatchObject({ field: 'time_zone', code: 'invalid_value' });
  });
});
