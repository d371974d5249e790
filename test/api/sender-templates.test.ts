/** Templates of a WhatsApp sender over the API, what publishing makes of them, and what a sender may be told to reach. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADAPTERS } from '../../src/app.ts';
import { networkOf, within } from '../../src/channels/http/network.ts';
import { type ApiSandbox, startApiSandbox } from '../../src/channels/sandbox-api/server.ts';
import { setup, type World } from './world.ts';

let world: World;
let strict: World;
let dir: string;
let sandbox: ApiSandbox;
beforeAll(async () => {
  const adapters = (allowed: string[]) => ADAPTERS.map((adapter) => within(networkOf(allowed), adapter));
  world = await setup({ adapters: adapters(['127.0.0.1']) });
  strict = await setup({ adapters: adapters([]) });
  dir = await mkdtemp(join(tmpdir(), 'cadenza-templates-'));
  sandbox = await startApiSandbox({ dir });
});
afterAll(async () => {
  await sandbox?.stop();
  await world?.close();
  await strict?.close();
  await rm(dir, { recursive: true, force: true });
});

const cloud = (config: Record<string, unknown> = {}) => ({
  channel: 'whatsapp',
  provider: 'whatsapp_cloud',
  name: 'Cloud',
  from: { address: '+14155550100' },
  config: { ...sandbox.config('whatsapp_cloud'), ...config },
});

async function makeSender(body: Record<string, unknown> = cloud()): Promise<string> {
  const made = await world.call('POST', '/api/senders', { body });
  expect(made.status, made.text).toBe(201);
  return made.body.id;
}

async function publish(sender: string, template: Record<string, unknown>) {
  const sequence = await world.call('POST', '/api/outreach/sequences', {
    body: {
      name: 'WhatsApp',
      sender_ids: [sender],
      steps: [{ channel: 'whatsapp', template: { language: 'en', ...template } }],
    },
  });
  expect(sequence.status, sequence.text).toBe(201);
  return world.call('POST', `/api/outreach/sequences/${sequence.body.id}/publish`);
}

const WELCOME = {
  name: 'welcome',
  header: { type: 'text', values: ['{{ contact.first_name }}'] },
  body: ['{{ contact.first_name }}', 'boats'],
  buttons: [{ index: 0, type: 'url', value: 'boats' }],
};

describe('/api/senders/:id/templates', () => {
  test('[EXE-11] are fetched, listed, and replaced by what the account has', async () => {
    const id = await makeSender();
    const before = await world.call('GET', `/api/senders/${id}/templates`);
    expect(before.body).toEqual({ synced_at: null, error: null, items: [] });
    const synced = await world.call('POST', `/api/senders/${id}/templates/sync`);
    expect(synced.status, synced.text).toBe(200);
    expect(synced.body.items.map(({ name, status }: Record<string, string>) => `${name} ${status}`)).toEqual([
      'appointment APPROVED',
      'brochure APPROVED',
      'spring_sale PENDING',
      'welcome APPROVED',
    ]);
    const again = await world.call('POST', `/api/senders/${id}/templates/sync`);
    expect(again.body.items).toEqual(synced.body.items);
    const read = await world.call('GET', `/api/senders/${id}/templates`);
    expect(read.body.items).toEqual(synced.body.items);
    expect(read.body.synced_at).toEqual(expect.any(String));
    const stranger = await world.call('GET', `/api/senders/${id}/templates`, { key: world.other.key });
    expect(stranger.status).toBe(404);
    // Another account's: what is known says nothing about it.
    await world.call('PATCH', `/api/senders/${id}`, { body: { config: { waba_id: '123456' } } });
    expect((await world.call('GET', `/api/senders/${id}/templates`)).body.synced_at).toBeNull();
  });

  test('a sender without any, a wrong key and a missing account say so; the key is not in it', async () => {
    const wrong = await makeSender(cloud({ access_token: 'wrongwrongwrong' }));
    const refused = await world.call('POST', `/api/senders/${wrong}/templates/sync`);
    expect(refused.status).toBe(422);
    expect(refused.body).toMatchObject({
      code: 'templates_unavailable',
      detail: expect.stringContaining('190'),
    });
    expect(refused.text).not.toContain('wrongwrongwrong');
    const { waba_id: _none, ...rest } = sandbox.config('whatsapp_cloud');
    const nobody = await makeSender({ ...cloud(), config: rest });
    const missing = await world.call('POST', `/api/senders/${nobody}/templates/sync`);
    expect(missing.body.detail).toContain('waba_id');
    const other = await makeSender({
      channel: 'telegram',
      provider: 'telegram_bot',
      name: 'Bot',
      from: { address: sandbox.accounts.telegram_bot.secrets.secret },
      config: sandbox.config('telegram_bot'),
    });
    expect((await world.call('POST', `/api/senders/${other}/templates/sync`)).status).toBe(409);
  });
});

describe('publishing a WhatsApp step', () => {
  test('[EXE-11] is not checked against templates that nobody fetched', async () => {
    expect((await publish(await makeSender(), { name: 'anything' })).status).toBe(200);
  });

  describe('with templates', () => {
    let sender: string;
    beforeAll(async () => {
      sender = await makeSender();
      expect((await world.call('POST', `/api/senders/${sender}/templates/sync`)).status).toBe(200);
    });

    test.each([
      ['positional', WELCOME],
      ['named', { name: 'appointment', body: { first_name: '{{ contact.first_name }}', day: 'Monday' } }],
      [
        'a document',
        { name: 'brochure', language: 'de', header: { type: 'document', link: 'https://example.com/a.pdf' } },
      ],
    ])('[EXE-11] %s passes when it fills what the template has', async (_what, template) => {
      const published = await publish(sender, template);
      expect(published.status, published.text).toBe(200);
    });

    test.each([
      ['unknown_template', 'name', { name: 'nothing' }],
      ['unknown_language', 'language', { ...WELCOME, language: 'de' }],
      ['template_not_approved', 'name', { name: 'spring_sale', body: ['x'] }],
      ['wrong_parameters', 'body', { ...WELCOME, body: ['x'] }],
      ['wrong_parameters', 'body', { ...WELCOME, body: ['x', 'y', 'z'] }],
      ['wrong_parameters', 'body', { ...WELCOME, header: undefined, body: { one: 'x', two: 'y' } }],
      ['wrong_parameters', 'body', { name: 'appointment', body: ['x', 'y'] }],
      ['wrong_parameters', 'body', { name: 'appointment', body: { first_name: 'x', hour: 'y' } }],
      ['wrong_parameters', 'header.values', { ...WELCOME, header: undefined }],
      ['wrong_header', 'header', { name: 'brochure', language: 'de' }],
      [
        'wrong_header',
        'header',
        { ...WELCOME, header: { type: 'image', link: 'https://example.com/a.png' } },
      ],
      ['missing_button', 'buttons', { ...WELCOME, buttons: [] }],
      [
        'wrong_button',
        'buttons[0].type',
        { ...WELCOME, buttons: [{ index: 0, type: 'copy_code', value: 'x' }] },
      ],
      [
        'unknown_button',
        'buttons[1].index',
        { ...WELCOME, buttons: [...WELCOME.buttons, { index: 5, type: 'url', value: 'x' }] },
      ],
    ])('[EXE-11] [SEQ-16] %s is told at %s', async (code, field, template) => {
      const refused = await publish(sender, template);
      expect(refused.status, refused.text).toBe(422);
      expect(refused.body.errors).toContainEqual(
        expect.objectContaining({ field: `steps[0].template.${field}`, code, message: expect.any(String) }),
      );
    });
  });
});

describe('a sender', () => {
  test('of WhatsApp Lite is made only by who accepts what it risks, and says so', async () => {
    const lite = {
      channel: 'whatsapp_lite',
      provider: 'waha',
      name: 'Lite',
      from: { address: '+14155550100' },
      config: sandbox.config('waha'),
    };
    const { accept_ban_risk: _none, ...rest } = sandbox.config('waha');
    const refused = await world.call('POST', '/api/senders', { body: { ...lite, config: rest } });
    expect(refused.status).toBe(400);
    expect(refused.body.errors).toContainEqual(
      expect.objectContaining({ field: 'config.accept_ban_risk', message: expect.stringContaining('bans') }),
    );
    const made = await world.call('POST', '/api/senders', { body: lite });
    expect(made.body).toMatchObject({
      daily_limit: 200,
      min_gap_s: 60,
      max_gap_s: 1_140,
      warning: expect.stringContaining('bans'),
    });
  });

  test.each([
    'https://127.0.0.1:8080',
    'http://localhost:8080',
    'https://169.254.169.254',
    'https://[fd00::1]',
  ])('[SSRF] that would reach %s is refused when it is made and when it is changed', async (base_url) => {
    const made = await strict.call('POST', '/api/senders', { body: cloud({ base_url }) });
    expect(made.status).toBe(400);
    const wanted = expect.objectContaining({
      field: 'config.base_url',
      code: 'destination_forbidden',
      message: expect.stringContaining('PRIVATE_HOSTS'),
    });
    expect(made.body.errors).toContainEqual(wanted);
    const good = await strict.call('POST', '/api/senders', {
      body: cloud({ base_url: 'https://graph.facebook.com' }),
    });
    expect(good.status, good.text).toBe(201);
    const changed = await strict.call('PATCH', `/api/senders/${good.body.id}`, {
      body: { config: { base_url } },
    });
    expect(changed.body.errors).toContainEqual(wanted);
  });
});
