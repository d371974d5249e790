/** Providers' calls over HTTP, as the sandbox of each provider words and signs them, about messages that were really sent. */
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { ADAPTERS } from '../../src/app.ts';
import type { EventName } from '../../src/channels/sandbox-api/dialect.ts';
import { DIALECTS } from '../../src/channels/sandbox-api/dialects.ts';
import type { Accepted, ProviderName } from '../../src/channels/sandbox-api/message.ts';
import { type ApiSandbox, startApiSandbox } from '../../src/channels/sandbox-api/server.ts';
import { sql } from '../../src/db/sql.ts';
import { deliver } from '../../src/dispatch/deliver.ts';
import { readInbound } from '../../src/inbound/interpret.ts';
import { newId } from '../../src/kernel/ids.ts';
import { reactPending } from '../../src/plan/sequences/react.ts';
import { recordEvents } from '../../src/records/events.ts';
import { setup, type World } from './world.ts';

let world: World;
let sandbox: ApiSandbox;
let dir: string;
const account = (provider: ProviderName) => sandbox.accounts[provider];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cadenza-hooks-'));
  sandbox = await startApiSandbox({ dir });
  world = await setup({ adapters: ADAPTERS });
  // At whatever hour it runs.
  await world.call('PATCH', '/api/organization', { body: { quiet_hours: null } });
});
afterAll(async () => {
  await world?.close();
  await sandbox?.stop();
  await rm(dir, { recursive: true, force: true });
});

/** A sender at the sandbox's account with an address for it to call. */
async function connected(provider: ProviderName, address: string) {
  const channel = provider === 'twilio' || provider === 'telnyx' || provider === 'quo' ? 'sms' : 'email';
  const sender = await world.call('POST', '/api/senders', {
    body: { channel, provider, name: provider, from: { address }, config: sandbox.config(provider) },
  });
  expect(sender.status).toBe(201);
  const secrets = [DIALECTS[provider].webhookSecret(account(provider))];
  const hook = await world.call('POST', '/api/hooks', { body: { sender_id: sender.body.id, secrets } });
  expect(hook.status).toBe(201);
  return { sender: sender.body.id as string, hook: hook.body, path: new URL(hook.body.url).pathname };
}

let people = 0;

/** Somebody the first message of a sequence was really sent to. */
async function sentTo(provider: ProviderName, sender: string, contact: Record<string, unknown>) {
  const channel = contact.phone === undefined ? 'email' : 'sms';
  const step = { channel, body_text: 'Hello', ...(channel === 'email' ? { subject: 'Hello' } : {}) };
  const made = await world.call('POST', '/api/outreach/sequences', {
    body: {
      name: provider,
      sender_ids: [sender],
      steps: [step, { ...step, delay: { amount: 2, unit: 'days' } }],
    },
  });
  expect((await world.call('POST', `/api/outreach/sequences/${made.body.id}/publish`)).status).toBe(200);
  const person = await world.call('POST', '/api/contacts', { body: contact });
  const enrolled = await world.call('POST', '/api/outreach/enrollments', {
    body: { sequence_id: made.body.id, contact_id: person.body.id },
  });
  const touch = enrolled.body.enrollment.live_touch as string;
  const lane = { org: world.org.id, shard: 0, token: newId(), careful: false, suspect: null };
  await deliver(world.deps.engine, lane, { stop: () => false, settled: () => undefined });
  const accepted = account(provider).messages.find((one) => one.touch_id === touch)!;
  return {
    touch,
    accepted,
    contact: person.body.id as string,
    enrollment: enrolled.body.enrollment_id as string,
  };
}

async function call(
  path: string,
  provider: ProviderName,
  sent: Awaited<ReturnType<typeof sentTo>>,
  event: EventName,
) {
  const url = world.url + path;
  const { headers, body } = DIALECTS[provider].signal(
    sent.accepted,
    event,
    account(provider),
    Date.now(),
    url,
  );
  const answer = await fetch(url, { method: 'POST', headers, body });
  return { status: answer.status, text: await answer.text(), headers, body };
}

const statusOf = async (id: string) =>
  (await world.call('GET', `/api/outreach/enrollments/${id}`)).body.status;
const eventsOf = async (contact: string) =>
  (await world.call('GET', `/api/events?contact_id=${contact}`)).body.items as Record<string, unknown>[];

test('[INB-3] [TEN-4] the address of a hook and of a preview’s unsubscribe have the port that is listened on', async () => {
  const { sender, hook } = await connected('resend', 'port@example.com');
  expect(hook.url).toMatch(new RegExp(`^${world.url}/hooks/`));
  const made = await world.call('POST', '/api/outreach/sequences', {
    body: {
      name: 'Port',
      sender_ids: [sender],
      steps: [{ channel: 'email', subject: 'Hi', body_text: '{{ unsubscribe_url }}' }],
    },
  });
  const person = await world.call('POST', '/api/contacts', { body: { email: 'port-reader@example.com' } });
  const shown = await world.call('POST', `/api/outreach/sequences/${made.body.id}/preview`, {
    body: { contact_id: person.body.id },
  });
  expect(shown.text).toContain(`${world.url}/u/preview`);
});

test('[SEQ-1] what Telnyx took for a text stands at the touch, and its preview says what it will cost', async () => {
  const { sender, path } = await connected('telnyx', '+14155550101');
  const config = { webhook_url: `https://example.test${path}` };
  const price = { amount: '0.0040', currency: 'USD', prefixes: { '+49': '0.0750' } };
  const changed = await world.call('PATCH', `/api/senders/${sender}`, { body: { config, price } });
  expect(changed.body).toMatchObject({ price });
  const sent = await sentTo('telnyx', sender, { phone: '+493055540001' });
  const cost = async () => (await world.call('GET', `/api/touches/${sent.touch}`)).body.provider.cost;
  expect(await cost()).toBeNull();
  const url = `${world.url}${path}${new URL(String(sent.accepted.extra.callback)).search}`;
  const signal = DIALECTS.telnyx.signal(sent.accepted, 'delivered', account('telnyx'), Date.now(), url);
  const { headers, body } = signal;
  expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(200);
  expect(await cost()).toEqual({ amount: '0.0051', currency: 'USD' });
  expect((await eventsOf(sent.contact))[0]).toMatchObject({ properties: { cost: { amount: '0.0051' } } });

  const made = await world.call('POST', '/api/outreach/sequences', {
    body: {
      name: 'Priced',
      sender_ids: [sender],
      steps: [
        { channel: 'sms', body_text: 'a'.repeat(161) },
        { channel: 'sms', body_text: '你好' },
      ],
    },
  });
  const preview = async () => {
    const answer = await world.call('POST', `/api/outreach/sequences/${made.body.id}/preview`, {
      body: { contact_id: sent.contact },
    });
    return answer.body.steps.map((step: { sms: unknown }) => step.sms);
  };
  expect(await preview()).toEqual([
    { segments: 2, encoding: 'gsm7', estimated_cost: { amount: '0.1500', currency: 'USD' } },
    { segments: 1, encoding: 'ucs2', estimated_cost: { amount: '0.0750', currency: 'USD' } },
  ]);
  await world.call('PATCH', `/api/senders/${sender}`, { body: { price: null } });
  expect((await preview())[0]).toEqual({ segments: 2, encoding: 'gsm7', estimated_cost: null });
});

test('[SEQ-1] a price is a decimal text of a currency, and of text messages alone', async () => {
  const { sender } = await connected('telnyx', '+14155550101');
  const { sender: mail } = await connected('resend', 'price@example.com');
  const patch = async (id: string, price: unknown) =>
    (await world.call('PATCH', `/api/senders/${id}`, { body: { price } })).status;
  expect(await patch(sender, { amount: '0.0079', currency: 'EUR' })).toBe(200);
  for (const price of [
    { amount: 0.0079, currency: 'EUR' },
    { amount: '1e3', currency: 'EUR' },
    { amount: '-1', currency: 'EUR' },
    { amount: '1', currency: 'euro' },
    { amount: '1', currency: 'EUR', prefixes: { '49': '1' } },
  ])
    expect(await patch(sender, price), JSON.stringify(price)).toBe(400);
  expect(await patch(mail, { amount: '0.0079', currency: 'EUR' })).toBe(400);
});

test('[INB-3] Meta’s trial of an address is answered to who knows the verify token alone, and stores nothing', async () => {
  const token = randomBytes(16).toString('hex');
  const made = await world.call('POST', '/api/senders', {
    body: {
      channel: 'whatsapp',
      provider: 'whatsapp_cloud',
      name: 'WhatsApp',
      from: { address: '+14155550100' },
      config: { ...sandbox.config('whatsapp_cloud'), webhook_verify_token: token },
    },
  });
  expect(made.status).toBe(201);
  expect(made.text).not.toContain(token);
  const address = async (sender_id: string) =>
    new URL((await world.call('POST', '/api/hooks', { body: { sender_id } })).body.url).pathname;
  const path = await address(made.body.id);
  const attempt = async (more: Record<string, string>, where = path) => {
    const asked = {
      'hub.mode': 'subscribe',
      'hub.verify_token': token,
      'hub.challenge': '1158201444',
      ...more,
    };
    const answer = await fetch(`${world.url}${where}?${new URLSearchParams(asked)}`);
    return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() };
  };
  const stored = async () =>
    (await world.db.inOrg(world.org.id, (tx) => tx.one(sql`SELECT count(*)::int AS n FROM inbound_calls`))).n;
  const before = await stored();
  expect(await attempt({})).toEqual({ status: 200, type: 'text/plain; charset=utf-8', text: '1158201444' });
  for (const wrong of [
    { 'hub.verify_token': `${token}x` },
    { 'hub.verify_token': '' },
    { 'hub.mode': 'unsubscribe' },
    { 'hub.challenge': '<script>' },
  ])
    expect(await attempt(wrong)).toMatchObject({ status: 403 });
  expect(await attempt({}, '/hooks/nothing')).toMatchObject({ status: 404 });
  expect(await attempt({}, (await connected('telnyx', '+14155550101')).path)).toMatchObject({ status: 404 });
  await world.call('PATCH', `/api/senders/${made.body.id}`, {
    body: { config: { webhook_verify_token: null } },
  });
  expect(await attempt({})).toMatchObject({ status: 403 });
  expect(await attempt({ 'hub.verify_token': '' })).toMatchObject({ status: 403 });
  expect(await stored()).toBe(before);
});

describe('Resend', () => {
  let at: Awaited<ReturnType<typeof connected>>;
  beforeAll(async () => {
    at = await connected('resend', 'us@example.com');
  });
  let sent: Awaited<ReturnType<typeof sentTo>>;
  beforeEach(async () => {
    sent = await sentTo('resend', at.sender, { email: `person${++people}@example.com` });
  });

  it('[INB-3] [INB-4] what it tells stands at the touch, once, in any order and however often', async () => {
    for (const event of ['opened', 'delivered', 'opened', 'clicked', 'delivered'] as const)
      expect(await call(at.path, 'resend', sent, event)).toMatchObject({ status: 200, text: '' });
    const events = await eventsOf(sent.contact);
    expect(events.map((one) => one.name).sort()).toEqual(['clicked', 'delivered', 'opened']);
    for (const one of events)
      expect(one).toMatchObject({
        touch_id: sent.touch,
        source: `resend:${at.sender}`,
        properties: { channel: 'email' },
      });
    const { body } = await world.call('GET', `/api/touches/${sent.touch}`);
    const types = body.events.map((one: { type: string }) => one.type);
    expect(types.filter((type: string) => ['clicked', 'delivered', 'opened'].includes(type)).sort()).toEqual([
      'clicked',
      'delivered',
      'opened',
    ]);
    expect(await statusOf(sent.enrollment)).toBe('active');
  });

  it('[INB-4] a hard bounce ends the enrollment and suppresses; a complaint unsubscribes', async () => {
    await call(at.path, 'resend', sent, 'bounced_hard');
    expect(await statusOf(sent.enrollment)).toBe('bounced');
    const other = await sentTo('resend', at.sender, { email: `person${++people}@example.com` });
    await call(at.path, 'resend', other, 'complained');
    expect(await statusOf(other.enrollment)).toBe('unsubscribed');
    const { body } = await world.call('GET', '/api/suppressions?q=person');
    const reasons = Object.fromEntries(
      body.items.map((one: { contact_id: string; reason: string }) => [one.contact_id, one.reason]),
    );
    expect([reasons[sent.contact], reasons[other.contact]]).toEqual(['hard_bounce', 'complaint']);
  });

  it('[INB-3] what it did not sign, or signed differently, is refused and not stored', async () => {
    const count = async () =>
      (await world.db.inOrg(world.org.id, (tx) => tx.one(sql`SELECT count(*)::int AS n FROM inbound_calls`)))
        .n;
    const before = await count();
    const good = DIALECTS.resend.signal(sent.accepted, 'complained', account('resend'), Date.now());
    const old = DIALECTS.resend.signal(
      sent.accepted,
      'complained',
      account('resend'),
      Date.now() - 3_600_000,
    );
    const attempts: [Record<string, string>, string][] = [
      [{}, good.body],
      [good.headers, good.body.replace('complained', 'delivered')],
      [old.headers, old.body],
    ];
    for (const [headers, body] of attempts) {
      const answer = await fetch(world.url + at.path, { method: 'POST', headers, body });
      expect([403, 400]).toContain(answer.status);
    }
    expect(await count()).toBe(before);
    expect(await statusOf(sent.enrollment)).toBe('active');
  });

  it('[INB-1] it is acknowledged when it is stored, also when nothing can be made of it at once', async () => {
    const { versions } = world.deps;
    const get = versions.get;
    versions.get = () => Promise.reject(new Error('planted'));
    try {
      expect((await call(at.path, 'resend', sent, 'bounced_hard')).status).toBe(200);
      expect(await statusOf(sent.enrollment)).toBe('active');
    } finally {
      versions.get = get;
    }
    expect((await eventsOf(sent.contact))[0]).toMatchObject({ name: 'bounced', reacted_at: null });
    const { tasks } = await import('../../src/worker/jobs.ts');
    const list = tasks({ ...world.deps, config: world.deps.config } as never);
    const queued = await world.db.call<{ identifier: string; payload: unknown }>(sql`
      SELECT t.identifier, j.payload FROM graphile_worker._private_jobs j JOIN graphile_worker._private_tasks t ON t.id = j.task_id
       WHERE j.key = ${`react_to_events:${world.org.id}`}`);
    expect(queued).toHaveLength(1);
    await list[queued[0]!.identifier]!(queued[0]!.payload, {} as never);
    expect(await statusOf(sent.enrollment)).toBe('bounced');
  });

  it('[INB-3] what only names the provider’s id, before its answer was written, waits for the touch', async () => {
    const { accepted } = sent;
    const nameless = { ...accepted, extra: {} };
    const { headers, body } = DIALECTS.resend.signal(nameless, 'delivered', account('resend'), Date.now());
    await world.db.inOrg(world.org.id, (tx) =>
      tx.run(
        sql`UPDATE touches SET provider_id = NULL WHERE org_id = ${world.org.id} AND id = ${sent.touch}`,
      ),
    );
    const answer = await fetch(world.url + at.path, { method: 'POST', headers, body });
    expect(answer.status).toBe(200);
    expect(await eventsOf(sent.contact)).toEqual([]);
    await world.db.inOrg(world.org.id, (tx) =>
      tx.run(
        sql`UPDATE touches SET provider_id = ${accepted.id} WHERE org_id = ${world.org.id} AND id = ${sent.touch}`,
      ),
    );
    await readInbound({ ...world.deps, log: world.deps.logger }, world.org.id);
    expect(await eventsOf(sent.contact)).toMatchObject([{ name: 'delivered', touch_id: sent.touch }]);
  });

  it('text that cannot be stored does not keep the call from being stored', async () => {
    const odd = { ...sent.accepted, subject: 'a\0b\ud800 c\\u0000 d' };
    const { headers, body } = DIALECTS.resend.signal(odd, 'delivered', account('resend'), Date.now());
    const answer = await fetch(`${world.url}${at.path}?x=%00`, { method: 'POST', headers, body });
    expect(answer.status).toBe(200);
    expect(await eventsOf(sent.contact)).toMatchObject([{ name: 'delivered' }]);
  });
});

describe('Twilio', () => {
  it('[CON-8] [INB-4] STOP suppresses the number and takes its owner off the channel', async () => {
    const at = await connected('twilio', account('twilio').numbers[0]!);
    // Who answers STOP need not have been written to first: at night they are not.
    const planned = await sentTo('twilio', at.sender, { phone: '+14155550188', email: 'stop@example.com' });
    const accepted = {
      id: 'SM1',
      from: account('twilio').numbers[0]!,
      to: '+14155550188',
      extra: {},
    } as Accepted;
    const sent = { ...planned, accepted };
    expect(await call(at.path, 'twilio', sent, 'unsubscribed')).toMatchObject({ status: 200, text: '' });
    expect(await statusOf(sent.enrollment)).toBe('unsubscribed');
    const { body } = await world.call('GET', '/api/suppressions?kind=phone');
    expect(body.items).toMatchObject([{ address: '+14155550188', reason: 'unsubscribe' }]);
    // Nobody here has this number; it is not to be written to all the same.
    await call(
      at.path,
      'twilio',
      { ...sent, accepted: { ...sent.accepted, to: '+14155550199' } },
      'unsubscribed',
    );
    const after = await world.call('GET', '/api/suppressions?kind=phone&q=%2B14155550199');
    expect(after.body.items).toMatchObject([{ reason: 'unsubscribe' }]);
  });
});

describe('WhatsApp', () => {
  it('[INB-2] what somebody writes is a reply of theirs, which pauses what they are on the way through', async () => {
    const sender = await world.call('POST', '/api/senders', {
      body: {
        channel: 'whatsapp',
        provider: 'whatsapp_cloud',
        name: 'WhatsApp',
        from: { address: '+14155550100' },
        config: { phone_number_id: '1234567890', access_token: randomBytes(24).toString('hex') },
      },
    });
    expect(sender.status).toBe(201);
    const secret = randomBytes(16).toString('hex');
    const hook = await world.call('POST', '/api/hooks', {
      body: { sender_id: sender.body.id, secrets: [secret] },
    });
    const mail = await connected('resend', 'us@example.com');
    const email = `person${++people}@example.com`;
    const sent = await sentTo('resend', mail.sender, { email, whatsapp: '+14155550177' });
    const message = {
      from: '14155550177',
      id: 'wamid.1',
      timestamp: `${Math.ceil(Date.now() / 1_000) + 1}`,
      type: 'text',
      text: { body: 'Yes!' },
    };
    const body = JSON.stringify({
      object: 'whatsapp_business_account',
      entry: [
        {
          id: '1',
          changes: [{ field: 'messages', value: { messaging_product: 'whatsapp', messages: [message] } }],
        },
      ],
    });
    const signature = createHmac('sha256', secret).update(body).digest('hex');
    for (let i = 0; i < 2; i++) {
      const answer = await fetch(world.url + new URL(hook.body.url).pathname, {
        method: 'POST',
        headers: { 'x-hub-signature-256': `sha256=${signature}` },
        body,
      });
      expect(answer.status).toBe(200);
    }
    expect(await eventsOf(sent.contact)).toMatchObject([
      { name: 'message_received', properties: { channel: 'whatsapp', text: 'Yes!' }, touch_id: sent.touch },
    ]);
    expect(await statusOf(sent.enrollment)).toBe('paused');
  });
});

describe('bounces that are told later', () => {
  const breaker = { min_sends: 5, bounce_percent: 30, failure_percent: 100 };

  it('[EXE-7] [INB-4] count for the circuit breaker of the sender, once a message, on the day it went', async () => {
    const at = await connected('resend', 'breaker@example.com');
    expect((await world.call('PATCH', `/api/senders/${at.sender}`, { body: { breaker } })).status).toBe(200);
    const all: Awaited<ReturnType<typeof sentTo>>[] = [];
    for (let i = 0; i < 6; i++)
      all.push(await sentTo('resend', at.sender, { email: `later${++people}@example.com` }));
    const shown = async () => (await world.call('GET', `/api/senders/${at.sender}`)).body;
    const bounce = (sent: (typeof all)[number]) => call(at.path, 'resend', sent, 'bounced_hard');

    // Soft ones do not count; one that is told again, under whatever id, counts once.
    await call(at.path, 'resend', all[0]!, 'bounced_soft');
    expect((await shown()).usage.record).toMatchObject({ sends: 6, failed: 0, bounced: 0 });
    await bounce(all[0]!);
    await bounce(all[0]!);
    const again = {
      contact_id: all[0]!.contact,
      touch_id: all[0]!.touch,
      name: 'bounced',
      at: new Date(),
      external_id: 'told again',
      properties: { permanence: 'hard', channel: 'email' },
    };
    await world.db.inOrg(world.org.id, (tx) => recordEvents(tx, world.org.caller, 'resend', [again]));
    await reactPending({ ...world.deps, log: world.deps.engine.log }, world.org.id);
    expect((await shown()).usage.record).toMatchObject({ sends: 6, failed: 1, bounced: 1 });
    expect((await shown()).status).toBe('active');

    // What went three days ago says nothing about today.
    await world.db.inOrg(world.org.id, async (tx) => {
      await tx.run(
        sql`UPDATE touches SET gated_at = gated_at - interval '3 days' WHERE org_id = ${world.org.id} AND id = ${all[1]!.touch}`,
      );
      await tx.run(sql`
        INSERT INTO sender_usage (org_id, sender_id, period, used)
        SELECT org_id, sender_id, 'd' || (substr(period, 2)::date - 3), 1 FROM sender_usage
         WHERE org_id = ${world.org.id} AND sender_id = ${at.sender} AND period LIKE 'd%'`);
    });
    await bounce(all[1]!);
    expect(await statusOf(all[1]!.enrollment)).toBe('bounced');
    expect((await shown()).usage.record).toMatchObject({ bounced: 1 });

    await bounce(all[2]!);
    const paused = await shown();
    expect(paused.status).toBe('paused');
    expect(paused.status_reason).toMatch(
      /^circuit_breaker: 2 of 6 messages since .* bounced, more than 30 %$/,
    );
    const { body } = await world.call(
      'GET',
      `/api/audit?subject_type=sender&subject_id=${at.sender}&limit=1`,
    );
    expect(body.items[0]).toMatchObject({ action: 'sender.pause', data: { reason: paused.status_reason } });
    // What comes back while it is paused belongs to what it tripped over.
    await bounce(all[3]!);
    expect((await shown()).usage.record).toMatchObject({ sends: 6, failed: 2, bounced: 2 });
    expect((await world.call('POST', `/api/senders/${at.sender}/resume`)).status).toBeLessThan(300);
    await bounce(all[4]!);
    expect(await shown()).toMatchObject({
      status: 'active',
      usage: { record: { sends: 0, failed: 0, bounced: 0 } },
    });
  });
});

describe('addresses', () => {
  it('[TEN-3] unknown and closed ones answer alike; each belongs to its organization alone', async () => {
    const { hook, path } = await connected('postmark', 'us@example.com');
    expect(hook).not.toHaveProperty('secrets');
    expect(JSON.stringify(hook)).not.toContain(account('postmark').secrets.webhook);
    const post = async (to: string) => {
      const answer = await fetch(world.url + to, { method: 'POST', body: '{}' });
      return [answer.status, ((await answer.json()) as { detail: string }).detail];
    };
    const unknown = await post(`/hooks/${'x'.repeat(43)}`);
    expect(unknown[0]).toBe(404);
    expect((await post(path))[0]).toBe(403);
    const api = `/api/hooks/${hook.id}`;
    expect((await world.call('PATCH', api, { key: world.other.key, body: { secrets: [] } })).status).toBe(
      404,
    );
    expect((await world.call('DELETE', api, { key: world.other.key })).status).toBe(404);
    expect((await world.call('PATCH', api, { body: { secrets: ['a', 'b'] } })).body.secret_count).toBe(2);
    const list = await world.call('GET', `/api/hooks?sender_id=${hook.sender_id}`);
    expect(list.body.items).toMatchObject([{ id: hook.id, secret_count: 2 }]);
    expect(list.text).not.toContain('/hooks/');
    expect((await world.call('DELETE', api)).status).toBe(204);
    expect(await post(path)).toEqual(unknown);
    expect(world.logs.map((line) => JSON.stringify(line)).join()).not.toContain(path.slice('/hooks/'.length));
  });

  it('a provider that calls nobody gets none', async () => {
    const sender = await world.call('POST', '/api/senders', {
      body: {
        channel: 'email',
        provider: 'smtp',
        name: 'Own',
        from: { address: 'us@example.com' },
        config: { host: '127.0.0.1', port: 2525, secure: false },
      },
    });
    const made = await world.call('POST', '/api/hooks', { body: { sender_id: sender.body.id } });
    expect([made.status, made.body.errors[0].code]).toEqual([400, 'no_webhook']);
  });
});
