import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setup, type World } from './world.ts';

let world: World;
let owner: pg.Client;
beforeAll(async () => {
  world = await setup();
  owner = new pg.Client({ connectionString: world.ownerUrl });
  await owner.connect();
});
afterAll(async () => {
  await owner?.end();
  await world?.close();
});

let people = 0;
const person = () => ({ name: 'Ada', email: `ada${++people}@example.org`, role: 'member' });

function post(body: unknown, key: string, more: { key?: string } = {}) {
  return world.call('POST', '/api/members', { body, headers: { 'idempotency-key': key }, ...more });
}

async function members(email: string): Promise<number> {
  const { rows } = await owner.query('SELECT count(*)::int AS n FROM members WHERE email = $1', [email]);
  return rows[0].n;
}

/** The request under this key has claimed it. */
async function begun(key: string): Promise<void> {
  const claims = () => owner.query('SELECT 1 FROM idempotency_keys WHERE key = $1', [key]);
  await expect.poll(async () => (await claims()).rowCount).toBe(1);
}

describe('Idempotency-Key', () => {
  test('the same request gets the same answer again, and happens once', async () => {
    const [key, body] = [randomUUID(), person()];
    const first = await post(body, key);
    const again = await post({ role: body.role, email: body.email, name: body.name }, key);
    expect(first.status).toBe(201);
    expect([again.status, again.text]).toEqual([201, first.text]);
    expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'));
    expect(first.headers.get('idempotent-replayed')).toBeNull();
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(await members(body.email)).toBe(1);
  });

  test('a refusal is an answer too', async () => {
    const body = person();
    await post(body, randomUUID());
    const key = randomUUID();
    const refused = await post(body, key);
    expect(refused.status).toBe(409);
    await owner.query('DELETE FROM members WHERE email = $1', [body.email]);
    const again = await post(body, key);
    expect([again.status, again.text]).toEqual([409, refused.text]);
    expect(again.headers.get('content-type')).toBe('application/problem+json');
  });

  test('with another body, or on another path, it is refused', async () => {
    const key = randomUUID();
    const made = await post(person(), key);
    expect(await post(person(), key)).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    });
    const headers = { 'idempotency-key': key };
    const elsewhere = await world.call('PATCH', `/api/members/${made.body.id}`, { body: {}, headers });
    expect(elsewhere.body.code).toBe('idempotency_key_reused');
  });

  test('two organizations may use the same key', async () => {
    const key = randomUUID();
    expect((await post(person(), key)).status).toBe(201);
    const theirs = await post(person(), key, { key: world.other.key });
    expect([theirs.status, theirs.headers.get('idempotent-replayed')]).toEqual([201, null]);
  });

  test('twenty at once do it once; the others get the answer or are told to wait', async () => {
    const [key, body] = [randomUUID(), person()];
    const replies = await Promise.all(Array.from({ length: 20 }, () => post(body, key)));
    expect(replies.filter((one) => one.status === 201).length).toBeGreaterThan(0);
    for (const reply of replies)
      if (reply.status !== 201)
        expect([reply.status, reply.body.code]).toEqual([409, 'idempotency_in_progress']);
    expect(new Set(replies.filter((one) => one.status === 201).map((one) => one.body.id)).size).toBe(1);
    expect(await members(body.email)).toBe(1);
  });

  test('while the first request runs, the second is told so; afterwards it gets the answer', async () => {
    const key = randomUUID();
    const headers = { 'idempotency-key': key };
    const patch = () => world.call('PATCH', '/api/organization', { body: { name: 'Renamed' }, headers });
    await owner.query('BEGIN');
    await owner.query('SELECT 1 FROM organizations WHERE org_id = $1 FOR NO KEY UPDATE', [world.org.id]);
    const first = patch();
    await begun(key);
    expect((await patch()).body.code).toBe('idempotency_in_progress');
    await owner.query('COMMIT');
    expect((await first).status).toBe(200);
    expect((await patch()).headers.get('idempotent-replayed')).toBe('true');
  });

  test('a request whose process died is taken over after 60 s, not before', async () => {
    const [key, body] = [randomUUID(), person()];
    await post(body, key);
    const asIfDied = (seconds: number) =>
      owner.query(
        `UPDATE idempotency_keys SET status = NULL, body = NULL, claim = gen_random_uuid(),
           alive_at = clock_timestamp() - $2 * interval '1 second' WHERE key = $1`,
        [key, seconds],
      );
    await owner.query('DELETE FROM members WHERE email = $1', [body.email]);
    await asIfDied(50);
    expect((await post(body, key)).body.code).toBe('idempotency_in_progress');
    await asIfDied(61);
    const after = await post(body, key);
    expect([after.status, after.headers.get('idempotent-replayed')]).toEqual([201, null]);
    expect((await post(body, key)).text).toBe(after.text);
  });

  test('what a taken-over request says late is not kept', async () => {
    const key = randomUUID();
    const headers = { 'idempotency-key': key };
    const patch = () => world.call('PATCH', '/api/organization', { body: { name: 'Late' }, headers });
    await owner.query('BEGIN');
    await owner.query('SELECT 1 FROM organizations WHERE org_id = $1 FOR NO KEY UPDATE', [world.org.id]);
    const late = patch();
    await begun(key);
    const claim = randomUUID();
    await owner.query('UPDATE idempotency_keys SET claim = $2 WHERE key = $1', [key, claim]);
    await owner.query('COMMIT');
    expect((await late).status).toBe(200);
    const { rows } = await owner.query('SELECT claim, status FROM idempotency_keys WHERE key = $1', [key]);
    expect(rows).toEqual([{ claim, status: null }]);
  });

  test('after a failure of ours the same key may try again', async () => {
    const [key, body] = [randomUUID(), person()];
    await owner.query('ALTER TABLE members RENAME TO members_away');
    const failed = await post(body, key);
    await owner.query('ALTER TABLE members_away RENAME TO members');
    expect([failed.status, failed.body.code]).toEqual([500, 'internal']);
    expect(failed.text).not.toContain('relation');
    expect((await post(body, key)).status).toBe(201);
  });

  test('after 24 hours it is free again, and old keys are cleared away', async () => {
    const [key, other] = [randomUUID(), randomUUID()];
    await post(person(), key);
    await post(person(), other);
    await owner.query(
      `UPDATE idempotency_keys SET created_at = created_at - interval '25 hours' WHERE key = ANY ($1)`,
      [[key, other]],
    );
    const fresh = await post(person(), key);
    expect([fresh.status, fresh.headers.get('idempotent-replayed')]).toEqual([201, null]);
    const { rowCount } = await owner.query('SELECT 1 FROM idempotency_keys WHERE key = $1', [other]);
    expect(rowCount).toBe(0);
  });

  test('[TEN-8] a kept answer does not show a key that is shown once', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const body = { name: 'once', role: 'viewer' };
    const made = await world.call('POST', '/api/api-keys', { body, headers });
    const again = await world.call('POST', '/api/api-keys', { body, headers });
    expect(again.body.key).toBe(made.body.key);
    const { rows } = await owner.query('SELECT body FROM idempotency_keys WHERE key = $1', [
      headers['idempotency-key'],
    ]);
    expect(rows[0].body.includes(Buffer.from(made.body.key))).toBe(false);
  });

  test.each(['a b', 'x'.repeat(256), '\u00e4'])('the key %j is refused', async (key) => {
    const reply = await post(person(), key);
    expect([reply.status, reply.body.errors[0].field]).toEqual([400, 'idempotency-key']);
  });
});
