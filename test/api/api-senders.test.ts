/** Senders of every provider's API over the product's own API, against the sandbox. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADAPTERS } from '../../src/app.ts';
import { ownedBy, PROVIDERS, type ProviderName } from '../../src/channels/sandbox-api/message.ts';
import { type ApiSandbox, startApiSandbox } from '../../src/channels/sandbox-api/server.ts';
import { setup, type World } from './world.ts';

let world: World;
let dir: string;
let sandbox: ApiSandbox;
beforeAll(async () => {
  world = await setup({ adapters: ADAPTERS });
  dir = await mkdtemp(join(tmpdir(), 'cadenza-api-senders-'));
  sandbox = await startApiSandbox({ dir });
});
afterAll(async () => {
  await sandbox?.stop();
  await world?.close();
  await rm(dir, { recursive: true, force: true });
});

const ADDRESS = {
  domains: () => 'ada@example.test',
  numbers: () => '+14155550100',
  bot: () => sandbox.accounts.telegram_bot.secrets.secret,
  nothing: () => 'Cadenza',
};
const body = (provider: ProviderName, config: Record<string, unknown> = {}) => ({
  channel: ADAPTERS.find((adapter) => adapter.provider === provider)!.channel,
  from: { name: 'Ada', address: ADDRESS[ownedBy(provider)]() },
  provider,
  name: provider,
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
    const { secret_fields } = ADAPTERS.find((adapter) => adapter.provider === provider)!;
    expect(secret_fields.length).toBeGreaterThan(0);
    const config = sandbox.config(provider);
    for (const field of secret_fields)
      for (const reply of [made, verified, read])
        if (config[field] !== undefined) expect(reply.text).not.toContain(String(config[field]));
  });

  test('a configuration that does not fit is refused by field', async () => {
    const reply = await world.call('POST', '/api/senders', { body: body(provider, { colour: 'blue' }) });
    expect(reply.status).toBe(400);
    expect(reply.body.errors).toContainEqual(expect.objectContaining({ field: 'config' }));
    // A webhook step names its own address; a gateway may lie in a network that the installation allows over http.
    if (provider === 'webhook' || provider === 'waha') return;
    const http = await world.call('POST', '/api/senders', {
      body: body(provider, { base_url: 'http://api.example.test' }),
    });
    expect(http.body.errors).toContainEqual(expect.objectContaining({ field: 'config.base_url' }));
  });
});
