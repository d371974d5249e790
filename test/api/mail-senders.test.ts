/** Senders of every e-mail API over the product's own API, against the sandbox. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADAPTERS } from '../../src/app.ts';
import { PROVIDERS, type ProviderName } from '../../src/channels/sandbox-mail/message.ts';
import { type MailSandbox, startMailSandbox } from '../../src/channels/sandbox-mail/server.ts';
import { setup, type World } from './world.ts';

let world: World;
let dir: string;
let sandbox: MailSandbox;
beforeAll(async () => {
  world = await setup({ adapters: ADAPTERS });
  dir = await mkdtemp(join(tmpdir(), 'cadenza-mail-senders-'));
  sandbox = await startMailSandbox({ dir });
});
afterAll(async () => {
  await sandbox?.stop();
  await world?.close();
  await rm(dir, { recursive: true, force: true });
});

const body = (provider: ProviderName, config: Record<string, unknown> = {}) => ({
  channel: 'email',
  provider,
  name: provider,
  from: { name: 'Ada', address: 'ada@example.test' },
  config: { ...sandbox.config(provider), ...config },
});

describe.each(PROVIDERS)('a sender of %s', (provider) => {
  test('[TEN-8] is made and verified, and none of its secrets can be read back', async () => {
    const made = await world.call('POST', '/api/senders', { body: body(provider) });
    expect(made.status, made.text).toBe(201);
    const verified = await world.call('POST', `/api/senders/${made.body.id}/verify`);
    expect(verified.status, verified.text).toBe(200);
    expect(verified.body.sender?.verified_at ?? verified.body.verified_at).toEqual(expect.any(String));
    const read = await world.call('GET', `/api/senders/${made.body.id}`);
    const { key, secret } = sandbox.accounts[provider].secrets;
    for (const hidden of [key, secret]) {
      if (hidden === undefined) continue;
      for (const reply of [made, verified, read]) expect(reply.text).not.toContain(hidden);
    }
  });

  test('a configuration that does not fit is refused by field', async () => {
    const reply = await world.call('POST', '/api/senders', { body: body(provider, { colour: 'blue' }) });
    expect(reply.status).toBe(400);
    expect(reply.body.errors).toContainEqual(expect.objectContaining({ field: 'config' }));
    const http = await world.call('POST', '/api/senders', {
      body: body(provider, { base_url: 'http://api.example.test' }),
    });
    expect(http.body.errors).toContainEqual(expect.objectContaining({ field: 'config.base_url' }));
  });
});
