/** WhatsApp templates that refresh by themselves, and what becomes of steps whose template is not approved any more. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseCrontab } from 'graphile-worker';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { LEDGER_CHECKS } from '../../src/api/checks.ts';
import { ADAPTERS, type App } from '../../src/app.ts';
import { networkOf, within } from '../../src/channels/http/network.ts';
import { type ApiSandbox, startApiSandbox } from '../../src/channels/sandbox-api/server.ts';
import { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import type { Engine } from '../../src/dispatch/engine.ts';
import type { DueTouch } from '../../src/dispatch/lanes.ts';
import { readTemplates } from '../../src/dispatch/templates.ts';
import { syncTurns } from '../../src/senders/template-turns.ts';
import { CRONTAB, startJobs, tasks } from '../../src/worker/jobs.ts';
import { noonZone } from '../support/channels.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { until } from '../support/until.ts';
import { type Org, setup, type World } from './world.ts';

let world: World;
let owner: Database;
let dir: string;
let sandbox: ApiSandbox;
let states: Map<string, string | null>;
beforeAll(async () => {
  const adapters = ADAPTERS.map((adapter) => within(networkOf(['127.0.0.1']), adapter));
  world = await setup({ adapters, checks: LEDGER_CHECKS });
  owner = new Database({ url: world.ownerUrl, max: 2 });
  dir = await mkdtemp(join(tmpdir(), 'cadenza-refresh-'));
  sandbox = await startApiSandbox({ dir });
  states = sandbox.accounts.whatsapp_cloud.template_states;
});
afterAll(async () => {
  await sandbox?.stop();
  await owner?.close();
  await world?.close();
  await rm(dir, { recursive: true, force: true });
});
beforeEach(async () => {
  states.clear();
  // Senders of other tests have had their turn.
  await owner.call(sql`UPDATE senders SET templates_due_at = now() + interval '1 hour'`);
});

async function makeSender(org: Org = world.org, config: Record<string, unknown> = {}): Promise<string> {
  const made = await world.call('POST', '/api/senders', {
    key: org.key,
    body: {
      channel: 'whatsapp',
      provider: 'whatsapp_cloud',
      name: 'Cloud',
      from: { address: '+14155550100' },
      config: { ...sandbox.config('whatsapp_cloud'), ...config },
    },
  });
  expect(made.status, made.text).toBe(201);
  return made.body.id;
}

const turns = () => syncTurns(world.deps, undefined, 2_000);
const dueNow = (id: string) =>
  owner.call(sql`UPDATE senders SET templates_due_at = now() WHERE id = ${id}::uuid`);
const shown = async (id: string, org: Org = world.org) =>
  (await world.call('GET', `/api/senders/${id}/templates`, { key: org.key })).body;
const statusOf = async (id: string, name: string, org?: Org) =>
  (await shown(id, org)).items.find((one: { name: string }) => one.name === name)?.status ?? null;
const changesOf = async (id: string) => {
  const rows = await owner.call(
    sql`SELECT data FROM audit_log WHERE subject_id = ${id} AND action = 'sender.sync_templates' ORDER BY id`,
  );
  return rows.map((row) => row.data.changed);
};

describe('the templates of a sender', () => {
  test('[EXE-11] are fetched by the job, of every organization, and a status changed at WhatsApp is seen after it', async () => {
    const ours = await makeSender();
    const theirs = await makeSender(world.other);
    expect(await turns()).toBe(2);
    expect(await statusOf(ours, 'welcome')).toBe('APPROVED');
    expect(await statusOf(theirs, 'welcome', world.other)).toBe('APPROVED');
    expect(await shown(ours)).toMatchObject({ synced_at: expect.any(String), error: null });
    expect(await turns()).toBe(0);
    states.set('welcome', 'PAUSED').set('brochure', null);
    await dueNow(ours);
    expect(await turns()).toBe(1);
    expect(await statusOf(ours, 'welcome')).toBe('PAUSED');
    expect(await statusOf(ours, 'brochure')).toBeNull();
    expect(await statusOf(theirs, 'welcome', world.other)).toBe('APPROVED');
    // Nothing has changed: nothing is written in the trail.
    await dueNow(ours);
    await turns();
    expect(await changesOf(ours)).toEqual([4, 2]);
  });

  test('[EXE-11] one that cannot be reached keeps what was known, says why, and nobody else waits for it', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const base_url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    try {
      const [dead, wrong, good] = [
        await makeSender(world.org, { base_url }),
        await makeSender(world.org, { access_token: 'wrongwrongwrong' }),
        await makeSender(),
      ];
      await world.call('POST', `/api/senders/${good}/templates/sync`);
      await dueNow(good);
      expect(await syncTurns(world.deps, undefined, 300)).toBe(3);
      expect((await shown(dead)).error).toMatchObject({ detail: expect.stringContaining('does not answer') });
      const refused = (await shown(wrong)).error;
      expect(refused).toEqual({ detail: expect.stringContaining('190'), since: expect.any(String) });
      expect(refused.detail).not.toContain('wrongwrongwrong');
      expect(await shown(good)).toMatchObject({ error: null, items: { length: 4 } });
      // It goes on: since the first time; and the list that was known stays.
      await owner.call(sql`
        UPDATE senders SET templates_error = 'x', templates_error_since = '2026-01-01' WHERE id = ${good}::uuid`);
      sandbox.plan({ lookup_fails: true });
      await dueNow(good);
      await turns();
      sandbox.plan({});
      const after = await shown(good);
      expect(after.items).toHaveLength(4);
      expect(after.error).toEqual({
        detail: expect.stringContaining('Meta answered'),
        since: '2026-01-01T00:00:00.000Z',
      });
      const health = await world.call('GET', '/api/health/whatsapp-templates');
      expect(health.body).toMatchObject({ status: 'warn' });
      expect(health.body.data.failing.map((one: { id: string }) => one.id)).toEqual(
        expect.arrayContaining([dead, wrong]),
      );
      await world.call('PATCH', `/api/senders/${wrong}`, {
        body: { config: sandbox.config('whatsapp_cloud') },
      });
      expect(await turns()).toBe(1);
      expect((await shown(wrong)).error).toBeNull();
    } finally {
      silent.closeAllConnections();
      await new Promise((resolve) => silent.close(resolve));
      await owner.call(
        sql`UPDATE senders SET status = 'archived' WHERE config ->> 'base_url' = ${base_url} OR templates_error IS NOT NULL`,
      );
    }
  });

  test('[EXE-11] turns are about an hour apart and spread over it, whenever they began; no two processes take one', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 24; i++) ids.push(await makeSender());
    const paused = ids.pop()!;
    await owner.call(sql`UPDATE senders SET status = 'paused' WHERE id = ${paused}::uuid`);
    const take = () =>
      world.db.call<{ id: string }>(sql`SELECT id FROM template_turns_take('{whatsapp_cloud}', 12)`);
    const taken = (await Promise.all([take(), take(), take()])).flat().map(({ id }) => id);
    expect(taken.sort()).toEqual([...ids].sort());
    const rows = await owner.call(
      sql`SELECT extract(epoch FROM templates_due_at - now())::float8 / 60 AS minutes FROM senders WHERE id = ANY (${ids}::uuid[])`,
    );
    const minutes = rows.map((row) => row.minutes as number);
    expect(Math.min(...minutes)).toBeGreaterThan(29);
    expect(Math.max(...minutes)).toBeLessThan(91);
    expect(new Set(minutes.map((minute) => Math.floor(minute / 15))).size).toBeGreaterThan(2);
    // From the second turn on: exactly an hour.
    const [{ again }] = (await owner.call(sql`
      WITH due AS (SELECT id, templates_due_at AS at FROM senders WHERE id = ${ids[0]!}::uuid)
      SELECT due.at AS again FROM due`)) as [{ again: Date }];
    await owner.call(
      sql`SELECT FROM template_turns_take('{whatsapp_cloud}', 100, ${new Date(again.getTime() + 1_000)})`,
    );
    const [next] = await owner.call(
      sql`SELECT templates_due_at AS at FROM senders WHERE id = ${ids[0]!}::uuid`,
    );
    expect((next!.at as Date).getTime() - again.getTime()).toBe(3_600_000);
  });

  test('[EXE-11] the housekeeping queue has the job, every minute', async () => {
    expect(parseCrontab(CRONTAB).map(({ task }) => task)).toEqual(['sync_templates']);
    expect(tasks(world.deps as unknown as App)).toHaveProperty('sync_templates');
    const id = await makeSender();
    const jobs = await startJobs({ ...world.deps, engine: { worker: 'test:1' } } as unknown as App);
    try {
      const known = () =>
        owner.call(
          sql`SELECT FROM graphile_worker._private_known_crontabs WHERE identifier = 'sync_templates'`,
        );
      await until(async () => (await known()).length === 1, 'the crontab');
      await world.db.call(sql`SELECT graphile_worker.add_job('sync_templates')`);
      await until(async () => (await shown(id)).synced_at !== null, 'the templates');
    } finally {
      await jobs.stop();
    }
  });
});

describe('a step whose template is not approved any more', () => {
  let sender: string;
  let number = 3_000;
  const engine = () => world.deps.engine;
  const work = () =>
    deliverNow({ org: world.org.id, owner } as unknown as EngineWorld, engine()).then(() => undefined);
  const TEMPLATE = {
    name: 'appointment',
    language: 'en',
    body: { first_name: '{{ contact.first_name }}', day: 'Monday' },
  };

  beforeEach(async () => {
    sender = await makeSender();
    await turns();
  });

  async function published(step: Record<string, unknown> = {}): Promise<string> {
    const made = await world.call('POST', '/api/outreach/sequences', {
      body: {
        name: `Reminders ${++number}`,
        sender_ids: [sender],
        steps: [{ channel: 'whatsapp', template: TEMPLATE, ...step }],
      },
    });
    expect(made.status, made.text).toBe(201);
    const done = await world.call('POST', `/api/outreach/sequences/${made.body.id}/publish`);
    expect(done.status, done.text).toBe(200);
    return made.body.id;
  }

  async function enrolled(
    sequence_id: string,
  ): Promise<{ touch: string; enrollment: string; contact: string }> {
    const contact = await world.call('POST', '/api/contacts', {
      body: { first_name: 'Ada', whatsapp: `+1415555${++number}`, time_zone: noonZone() },
    });
    expect(contact.status, contact.text).toBe(201);
    const contact_id = contact.body.id;
    const made = await world.call('POST', '/api/outreach/enrollments', { body: { sequence_id, contact_id } });
    expect(made.status, made.text).toBe(201);
    const enrollment = made.body.enrollment.id;
    const [row] = await owner.call(sql`SELECT live_touch FROM enrollments WHERE id = ${enrollment}::uuid`);
    return { touch: row!.live_touch, enrollment, contact: contact_id };
  }

  async function now(name: string, status: string | null): Promise<void> {
    states.set(name, status);
    await dueNow(sender);
    await turns();
  }

  const why = async (touch: string) => (await world.call('GET', `/api/touches/${touch}`)).body;
  const sent = () => sandbox.accounts.whatsapp_cloud.messages.length;

  test.each([
    ['PAUSED', 'template_paused'],
    ['PENDING', 'template_paused'],
    ['REJECTED', 'template_unavailable'],
    ['DISABLED', 'template_unavailable'],
    [null, 'template_unavailable'],
  ])(
    '[EXE-10] [EXE-11] %s: it waits with %s, is explained, and goes once it is approved again',
    async (status, reason) => {
      const sequence = await published();
      const before = sent();
      const { touch, enrollment, contact } = await enrolled(sequence);
      await now('appointment', status);
      const preview = await world.call('POST', `/api/outreach/sequences/${sequence}/preview`, {
        body: { contact_id: contact },
      });
      expect(preview.body.steps[0].problem?.code).toBe(reason);
      await work();
      expect(sent()).toBe(before);
      const told = await why(touch);
      expect(told.state).toMatchObject({ state: 'planned', reason });
      expect(told.state.says).toContain(`appointment (en) is ${status ?? 'not there'}`);
      expect(told.state.says).toContain('approved');
      const waits = new Date(told.touch.due_at).getTime() - Date.now();
      expect(waits).toBeGreaterThan(59 * 60_000);
      expect(waits).toBeLessThan(61 * 60_000);
      const [row] = await owner.call(sql`SELECT status FROM enrollments WHERE id = ${enrollment}::uuid`);
      expect(row!.status).toBe('active');
      const health = await world.call('GET', '/api/health/whatsapp-templates');
      expect(health.body.status).toBe('warn');
      expect(health.body.data.steps).toContainEqual({
        sequence: { id: sequence, name: expect.any(String) },
        step_no: 0,
        sender: { id: sender, name: 'Cloud' },
        ...{ name: 'appointment', language: 'en', status },
      });
      await now('appointment', 'APPROVED');
      await owner.call(sql`UPDATE touches SET wake_at = now(), not_before = now() WHERE id = ${touch}::uuid`);
      await work();
      expect((await why(touch)).state).toMatchObject({ state: 'sent' });
      expect(sent()).toBe(before + 1);
      const well = await world.call('GET', '/api/health/whatsapp-templates');
      const names = well.body.data.steps.filter(
        (one: { sender: { id: string } }) => one.sender.id === sender,
      );
      expect(names).toEqual([]);
    },
  );

  test('[EXE-10] [EXE-11] paused since it was fetched last: the provider says so, and it waits as well', async () => {
    const { touch } = await enrolled(await published());
    states.set('appointment', 'PAUSED');
    await work();
    const told = await why(touch);
    expect(told.state).toMatchObject({ state: 'planned', reason: 'template_paused' });
    expect(new Date(told.touch.due_at).getTime() - Date.now()).toBeGreaterThan(59 * 60_000);
  });

  test('[EXE-11] only the arm that names it waits', async () => {
    const other = {
      name: 'welcome',
      language: 'en',
      header: { type: 'text', values: ['x'] },
      body: ['x', 'y'],
      buttons: [{ index: 0, type: 'url', value: 'z' }],
    };
    const sequence = await published({
      variants: [
        { key: 'a', weight: 1 },
        { key: 'b', weight: 1, template: other },
      ],
    });
    await now('welcome', 'PAUSED');
    const touches: string[] = [];
    for (let i = 0; i < 20; i++) touches.push((await enrolled(sequence)).touch);
    await work();
    const found = new Set<string>();
    for (const touch of touches) {
      const { state } = await why(touch);
      found.add(`${state.state} ${state.reason ?? ''}`.trim());
    }
    expect([...found].sort()).toEqual(['planned template_paused', 'sent']);
  });

  test('[DUE-1] [EXE-11] a person is told before and when they try', async () => {
    const { touch } = await enrolled(await published({ mode: 'human' }));
    await now('appointment', 'DISABLED');
    const due = `/api/outreach/due-steps/${touch}`;
    expect((await world.call('GET', due)).body.blocked).toBe('template_unavailable');
    const tried = await world.call('POST', `${due}/execute`, { body: {} });
    expect(tried).toMatchObject({
      status: 409,
      body: { code: 'step_refused', reason: 'template_unavailable' },
    });
    await now('appointment', 'APPROVED');
    expect((await world.call('GET', due)).body.blocked).toBeNull();
    expect((await world.call('POST', `${due}/execute`, { body: {} })).status).toBe(200);
  });

  test('[EXE-11] nothing is read where a batch names none', async () => {
    const db = { inOrg: () => Promise.reject(new Error('read')) } as unknown as Engine['db'];
    const versions = new Map([
      [
        'one',
        {
          definition: {
            steps: [
              { channel: 'whatsapp', body_text: 'x' },
              { channel: 'whatsapp', template: TEMPLATE },
            ],
          },
        },
      ],
    ]) as never;
    const at = (channel: string, step_no: number) =>
      [{ channel, step_no, version_id: 'one', sender_id: sender }] as unknown as DueTouch[];
    expect(
      await readTemplates(db, world.org.id, [...at('email', 1), ...at('whatsapp', 0)], versions),
    ).toBeNull();
    await expect(readTemplates(db, world.org.id, at('whatsapp', 1), versions)).rejects.toThrow('read');
  });
});
