import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LEDGER_CHECKS } from '../../src/api/checks.ts';
import { smtp } from '../../src/channels/smtp/adapter.ts';
import { sql } from '../../src/db/sql.ts';
import { decryptedConfig } from '../../src/senders/credentials.ts';
import { senderSettings } from '../../src/senders/senders.ts';
import { SecretUnreadable } from '../../src/tenancy/secrets.ts';
import { type Relay, startRelay } from '../support/relay.ts';
import { type Org, setup, type World } from './world.ts';

const PASSWORD = `pw-${randomBytes(18).toString('base64url')}`;

let world: World;
let relay: Relay;
/** Everything that any request of this file was answered. */
const answers: string[] = [];
beforeAll(async () => {
  world = await setup({ adapters: [smtp], checks: LEDGER_CHECKS });
  relay = await startRelay(PASSWORD);
});
afterAll(async () => {
  await relay?.close();
  await world?.close();
});

const call: World['call'] = async (method, path, options) => {
  const reply = await world.call(method, path, options);
  answers.push(reply.text, JSON.stringify([...reply.headers]));
  return reply;
};

function body(more: Record<string, unknown> = {}, config: Record<string, unknown> = {}) {
  return {
    channel: 'email',
    provider: 'smtp',
    name: 'Main',
    from: { name: 'Ann', address: 'ann@example.com' },
    config: { host: '127.0.0.1', port: relay.port, username: 'ann', password: PASSWORD, ...config },
    ...more,
  };
}

async function make(more: Record<string, unknown> = {}, config: Record<string, unknown> = {}) {
  const reply = await call('POST', '/api/senders', { body: body(more, config) });
  expect(reply.status, reply.text).toBe(201);
  return reply.body;
}

async function whole(id: string, org: Org = world.org) {
  const sender = (await senderSettings(world.db, org.id, id))!;
  return { sender, config: decryptedConfig(world.deps.secrets, org.id, sender) };
}

async function publishedSequence(name: string, sender: string, status = 'active') {
  const id = crypto.randomUUID();
  const version = crypto.randomUUID();
  const definition = JSON.stringify({ sender_ids: [sender], reenroll: { policy: 'never' }, steps: [] });
  await world.db.inOrg(world.org.id, async (tx) => {
    await tx.run(sql`
      INSERT INTO sequences (org_id, id, name, status, draft, published_version_id, created_by)
      VALUES (${world.org.id}, ${id}, ${name}, ${status}, ${definition}, ${version}, 'test')`);
    await tx.run(sql`
      INSERT INTO sequence_versions (org_id, id, sequence_id, number, definition, published_by)
      VALUES (${world.org.id}, ${version}, ${id}, 1, ${definition}, 'test')`);
  });
  return id;
}

describe('senders', () => {
  test('[EXE-7] a sender is made, read, listed and changed, with what it has used of its day', async () => {
    const made = await make({
      daily_limit: 200,
      hourly_limit: 20,
      min_gap_s: 60,
      max_gap_s: 120,
      time_zone: 'Pacific/Auckland',
      window: { days: ['mon', 'tue'], from: '09:00', to: '17:00' },
      reply_to: 'replies@example.com',
    });
    const day = new Intl.DateTimeFormat('en-CA', { timeZone: 'Pacific/Auckland' });
    expect(made).toMatchObject({
      status: 'active',
      version: 1,
      has_secret: true,
      from: { name: 'Ann', address: 'ann@example.com' },
      reply_to: 'replies@example.com',
      window: { days: ['mon', 'tue'], from: '09:00', to: '17:00' },
      usage: { time_zone: 'Pacific/Auckland', used_today: 0, daily_limit: 200, used_this_hour: 0 },
    });
    await world.db.inOrg(world.org.id, (tx) =>
      tx.run(sql`
        INSERT INTO sender_usage (org_id, sender_id, period, used) VALUES (${world.org.id}, ${made.id}, ${`d${made.usage.day}`}, 7)`),
    );
    const read = await call('GET', `/api/senders/${made.id}`);
    expect(read.body.usage.used_today).toBe(7);
    expect([day.format(new Date()), day.format(Date.now() - 5_000)]).toContain(read.body.usage.day);
    const next = Date.parse(read.body.usage.next_day_at);
    expect(next).toBeGreaterThan(Date.now() - 5_000);
    expect(day.format(next)).not.toBe(day.format(next - 1_000));
    const listed = await call('GET', '/api/senders?status=active&limit=200');
    expect(listed.body.items).toContainEqual(read.body);

    const patched = await call('PATCH', `/api/senders/${made.id}`, {
      body: { daily_limit: null, from: { address: 'ann@example.net' } },
    });
    expect(patched.body).toMatchObject({
      version: 2,
      daily_limit: null,
      hourly_limit: 20,
      from: { name: null, address: 'ann@example.net' },
    });
    const again = await call('PATCH', `/api/senders/${made.id}`, { body: { hourly_limit: 20 } });
    expect(again.body.version).toBe(2);
  });

  test('[SEQ-16] everything wrong with a sender is named at once, and nothing is written', async () => {
    const count = async () => (await call('GET', '/api/senders?limit=200')).body.items.length;
    const before = await count();
    const wrong = await call('POST', '/api/senders', {
      body: body(
        {
          min_gap_s: 10,
          max_gap_s: 5,
          window: { days: ['mon'], from: '09:00', to: '09:00', time_zone: 'Mars/Olympus' },
        },
        { port: 'x', colour: 'red' },
      ),
    });
    expect(wrong.status).toBe(400);
    expect(wrong.body.errors.map((error: { field: string }) => error.field).sort()).toEqual([
      'config',
      'config.port',
      'max_gap_s',
      'window',
    ]);
    const unknown = await call('POST', '/api/senders', { body: body({ provider: 'pigeon' }) });
    expect(unknown.body.errors).toEqual([
      { field: 'provider', code: 'unknown_provider', message: 'One of: smtp' },
    ]);
    expect(await count()).toBe(before);
  });

  test('[TEN-8] a patch without the password keeps it, raises the version, and null takes it away', async () => {
    const made = await make();
    const patched = await call('PATCH', `/api/senders/${made.id}`, { body: { config: { port: 2525 } } });
    expect(patched.body).toMatchObject({ version: 2, config: { port: 2525 }, has_secret: true });
    expect((await whole(made.id)).config).toEqual({
      host: '127.0.0.1',
      port: 2525,
      username: 'ann',
      password: PASSWORD,
    });
    const half = await call('PATCH', `/api/senders/${made.id}`, { body: { config: { username: null } } });
    expect(half.status).toBe(400);
    expect(half.body.errors[0].field).toBe('config.username');
    const bare = await call('PATCH', `/api/senders/${made.id}`, {
      body: { config: { username: null, password: null } },
    });
    expect(bare.body).toMatchObject({ version: 3, has_secret: false });
    expect((await whole(made.id)).config).toEqual({ host: '127.0.0.1', port: 2525 });
  });

  test('[TEN-8] credentials lie encrypted, bound to their row', async () => {
    const [one, two] = [await make(), await make()];
    const { sender, config } = await whole(one.id);
    expect(config.password).toBe(PASSWORD);
    expect(sender.config).not.toHaveProperty('password');
    expect(sender.secret!.includes(PASSWORD)).toBe(false);
    const moved = { ...sender, id: two.id };
    expect(() => decryptedConfig(world.deps.secrets, world.org.id, moved)).toThrow(SecretUnreadable);
    expect(() => decryptedConfig(world.deps.secrets, world.other.id, sender)).toThrow(SecretUnreadable);
  });

  test('[TEN-8] verify signs in, outside any transaction, and remembers when', async () => {
    const made = await make({}, {});
    let open: unknown = null;
    relay.onLogin = async () => {
      const [row] = await world.db.call(sql`
        SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()`);
      open = row!.n;
    };
    const verified = await call('POST', `/api/senders/${made.id}/verify`);
    relay.onLogin = async () => undefined;
    expect(verified.status, verified.text).toBe(200);
    expect(
      verified.body.checks.map((check: { name: string; ok: boolean }) => [check.name, check.ok]),
    ).toEqual([
      ['connect', true],
      ['encrypt', true],
      ['sign_in', true],
      ['sender', true],
    ]);
    expect(open).toBe(0);
    expect(relay.logins.at(-1)).toEqual({ username: 'ann', password: PASSWORD });
    expect(verified.body.sender.verified_at).not.toBeNull();
    const renamed = await call('PATCH', `/api/senders/${made.id}`, { body: { name: 'Renamed' } });
    expect(renamed.body.verified_at).toBe(verified.body.sender.verified_at);
    const moved = await call('PATCH', `/api/senders/${made.id}`, {
      body: { config: { ehlo: 'mx.example.com' } },
    });
    expect(moved.body.verified_at).toBeNull();
  });

  test('[TEN-8] a sender that cannot sign in is refused with the checks made, and no word of the password', async () => {
    const wrong = `${PASSWORD}-but-wrong`;
    const made = await make({}, { password: wrong });
    const verified = await call('POST', `/api/senders/${made.id}/verify`);
    expect(verified.status).toBe(422);
    expect(verified.body.code).toBe('sender_verification_failed');
    expect(verified.body.checks.at(-1)).toMatchObject({ name: 'sign_in', ok: false });
    expect(verified.body.checks.at(-1).detail).toContain('[secret]');
    expect((await call('GET', `/api/senders/${made.id}`)).body.verified_at).toBeNull();
    const closed = await make({}, { port: 1 });
    const nobody = await call('POST', `/api/senders/${closed.id}/verify`);
    expect(nobody.body.checks).toMatchObject([{ name: 'connect', ok: false }]);
    const health = (await call('GET', '/api/health/unreachable-senders')).body;
    expect(health.status).toBe('fail');
    expect(health.data.senders.map((one: { id: string }) => one.id)).toContain(closed.id);
    expect(JSON.stringify(health)).not.toContain(wrong);
    // What was tried was the account as it was.
    const port = (await make()).config.port;
    await call('PATCH', `/api/senders/${closed.id}`, { body: { config: { port } } });
    const after = (await call('GET', '/api/health/unreachable-senders')).body;
    expect(after.data.senders.map((one: { id: string }) => one.id)).not.toContain(closed.id);
  });

  test('[EXE-15] pausing a sender gives a receipt, and repeating it changes nothing', async () => {
    const made = await make();
    const paused = await call('POST', `/api/senders/${made.id}/pause?wait=1s`, {
      body: { reason: 'warming up' },
    });
    expect(paused.body).toMatchObject({
      sender: { status: 'paused', status_reason: 'warming up', epoch: 1 },
      receipt: { subject_type: 'sender', subject_id: made.id, status: 'paused', epoch: 1, drained: true },
    });
    const again = await call('POST', `/api/senders/${made.id}/pause`);
    expect(again.body.receipt.epoch).toBe(1);
    const resumed = await call('POST', `/api/senders/${made.id}/resume`);
    expect(resumed.body).toMatchObject({
      sender: { status: 'active', epoch: 2 },
      receipt: { status: 'active' },
    });
    expect((await call('POST', `/api/senders/${made.id}/pause?wait=2h`)).status).toBe(400);
  });

  test('[SEQ-1] a sender of live sequences is not archived, and they are named', async () => {
    const made = await make();
    const live = await publishedSequence('Spring', made.id);
    await publishedSequence('Old', made.id, 'archived');
    for (const [method, path] of [
      ['DELETE', `/api/senders/${made.id}`],
      ['POST', `/api/senders/${made.id}/archive`],
    ] as const) {
      const refused = await call(method, path);
      expect(refused.status).toBe(409);
      expect(refused.body).toMatchObject({
        code: 'sender_in_use',
        sequences: [{ id: live, name: 'Spring' }],
      });
    }
    await world.db.inOrg(world.org.id, (tx) =>
      tx.run(sql`UPDATE sequences SET status = 'archived' WHERE org_id = ${world.org.id} AND id = ${live}`),
    );
    const archived = await call('DELETE', `/api/senders/${made.id}`);
    expect(archived.body.status).toBe('archived');
    expect((await call('POST', `/api/senders/${made.id}/archive`)).body.epoch).toBe(archived.body.epoch);
    for (const [method, path] of [
      ['PATCH', ''],
      ['POST', '/pause'],
      ['POST', '/verify'],
    ] as const) {
      expect((await call(method, `/api/senders/${made.id}${path}`, { body: {} })).status).toBe(409);
    }
  });

  test("[TEN-3] another organization's sender is not there, for any call", async () => {
    const made = await make();
    const { key } = world.other;
    for (const [method, path, given] of [
      ['GET', '', undefined],
      ['PATCH', '', { name: 'Mine' }],
      ['DELETE', '', undefined],
      ['POST', '/archive', undefined],
      ['POST', '/verify', undefined],
      ['POST', '/pause', undefined],
      ['POST', '/resume', undefined],
    ] as const) {
      const options = given === undefined ? { key } : { key, body: given };
      const theirs = await call(method, `/api/senders/${made.id}${path}`, options);
      const nobodys = await call(method, `/api/senders/${crypto.randomUUID()}${path}`, options);
      expect([method, path, theirs.status, theirs.body.detail]).toEqual([
        method,
        path,
        404,
        nobodys.body.detail,
      ]);
    }
    expect((await call('GET', '/api/senders', { key })).body.items).toEqual([]);
    const events = await world.call('GET', '/api/security-events', { key });
    if (events.status === 200) expect(events.text).toContain(made.id);
    expect(
      world.logs.some((entry) => entry.security === true && JSON.stringify(entry).includes(made.id)),
    ).toBe(true);
  });

  test('[TEN-5] who made, changed, verified, paused and archived a sender is in the audit trail', async () => {
    const made = await make();
    await call('PATCH', `/api/senders/${made.id}`, {
      body: { daily_limit: 5, config: { password: PASSWORD } },
    });
    await call('POST', `/api/senders/${made.id}/verify`);
    await call('POST', `/api/senders/${made.id}/pause`);
    await call('DELETE', `/api/senders/${made.id}`);
    const trail = await call('GET', `/api/audit?subject_type=sender&subject_id=${made.id}`);
    expect(trail.body.items.map((entry: { action: string }) => entry.action)).toEqual([
      'sender.archive',
      'sender.pause',
      'sender.verify',
      'sender.update',
      'sender.create',
    ]);
    expect(trail.body.items[3].data).toEqual({ changed: { daily_limit: { from: null, to: 5 } } });
  });

  test('[TEN-8] no answer and no log line of all the above holds the password', () => {
    expect(answers.length).toBeGreaterThan(80);
    expect(relay.logins.length).toBeGreaterThan(1);
    expect(answers.filter((text) => text.includes(PASSWORD))).toEqual([]);
    expect(world.logs.length).toBeGreaterThan(40);
    expect(world.logs.filter((entry) => JSON.stringify(entry).includes(PASSWORD))).toEqual([]);
  });
});
