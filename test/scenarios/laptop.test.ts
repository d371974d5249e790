/**
 * A whole sequence over every channel on one machine, without one account: senders made over the API, the sandboxes of their
 * providers, one contact who gets all of it in order.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ADAPTERS } from '../../src/app.ts';
import { networkOf, within } from '../../src/channels/http/network.ts';
import { DIALECTS } from '../../src/channels/sandbox-api/dialects.ts';
import { type Accepted, PROVIDERS, type ProviderName } from '../../src/channels/sandbox-api/message.ts';
import { type ApiSandbox, startApiSandbox } from '../../src/channels/sandbox-api/server.ts';
import { deliver } from '../../src/dispatch/deliver.ts';
import { readInbound } from '../../src/inbound/interpret.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { setup, type World } from '../api/world.ts';
import { noonZone } from '../support/channels.ts';

let world: World;
let dir: string;
let sandbox: ApiSandbox;
beforeAll(async () => {
  const network = networkOf(['127.0.0.1']);
  world = await setup({
    adapters: ADAPTERS.map((adapter) => within(network, adapter)),
    config: { private_hosts: ['127.0.0.1'] },
  });
  dir = await mkdtemp(join(tmpdir(), 'cadenza-laptop-'));
  sandbox = await startApiSandbox({ dir });
});
afterAll(async () => {
  await sandbox?.stop();
  await world?.close();
  await rm(dir, { recursive: true, force: true });
});

const HI = 'Hi {{ contact.first_name }}';
const TEMPLATE = {
  name: 'appointment',
  language: 'en',
  body: { first_name: '{{ contact.first_name }}', day: 'Monday' },
};

/** In the order of the steps. */
const PLAN: [ProviderName, () => string, () => Record<string, unknown>][] = [
  ['resend', () => 'ada@example.test', () => ({ subject: 'Hello', body_text: HI })],
  ['twilio', () => '+14155550100', () => ({ body_text: HI })],
  ['whatsapp_cloud', () => '+14155550100', () => ({ template: TEMPLATE })],
  ['waha', () => '+14155550100', () => ({ body_text: HI })],
  ['telegram_bot', () => sandbox.accounts.telegram_bot.secrets.secret!, () => ({ body_text: HI })],
  ['webhook', () => 'Cadenza', () => ({ url: `${sandbox.address('webhook')}/hook`, payload: { text: HI } })],
];

async function must(method: string, path: string, body?: unknown) {
  const reply = await world.call(method, path, body === undefined ? {} : { body });
  expect(reply.status, `${method} ${path} ${reply.text}`).toBeLessThan(300);
  return reply.body;
}

/** Somebody writes first, as the provider's own call tells it: so WhatsApp Lite may answer. */
async function written(provider: ProviderName, sender_id: string, to: string) {
  const account = sandbox.accounts[provider];
  const secrets = [DIALECTS[provider].webhookSecret(account)];
  const hook = await must('POST', '/api/hooks', { sender_id, secrets });
  const url = world.url + new URL(hook.url).pathname;
  const about = { id: 'wamid.x', to, touch_id: null, extra: {} } as unknown as Accepted;
  const { headers, body } = DIALECTS[provider].signal(about, 'received', account, Date.now(), url);
  expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(200);
  await readInbound(world.deps.engine, world.org.id as Uuid);
}

it('[SEQ-5] goes out over all of them, step by step, and nothing goes twice', async () => {
  const sender_ids: string[] = [];
  const steps: Record<string, unknown>[] = [];
  for (const [provider, address, content] of PLAN) {
    const { channel } = ADAPTERS.find((adapter) => adapter.provider === provider)!;
    const config = sandbox.config(provider);
    const from = { address: address() };
    const { id } = await must('POST', '/api/senders', { channel, provider, name: provider, from, config });
    await must('POST', `/api/senders/${id}/verify`);
    if (provider === 'whatsapp_cloud') await must('POST', `/api/senders/${id}/templates/sync`);
    sender_ids.push(id);
    steps.push({ channel, ...content() });
  }
  const sequence = await must('POST', '/api/outreach/sequences', { name: 'All', sender_ids, steps });
  await must('POST', `/api/outreach/sequences/${sequence.id}/publish`);
  const contact = await must('POST', '/api/contacts', {
    email: 'bob@example.test',
    first_name: 'Bob',
    phone: '+14155552001',
    whatsapp: '+14155552001',
    telegram: '7700001',
    time_zone: noonZone(),
  });
  await written('whatsapp_cloud', sender_ids[2]!, '+14155552001');
  await must('POST', '/api/outreach/enrollments', { sequence_id: sequence.id, contact_id: contact.id });
  const lane = { org: world.org.id as Uuid, shard: 0, token: newId(), careful: false, suspect: null };
  await deliver(world.deps.engine, lane, { stop: () => false, settled: () => undefined });
  const played = new Set<ProviderName>(PLAN.map(([provider]) => provider));
  const taken = PROVIDERS.flatMap((name) => sandbox.accounts[name].messages);
  const inOrder = taken.toSorted((one, other) => one.at.localeCompare(other.at));
  expect(inOrder.map(({ provider }) => provider)).toEqual(PLAN.map(([provider]) => provider));
  expect(new Set(inOrder.map(({ provider }) => provider))).toEqual(played);
  for (const message of inOrder) expect(`${message.text}`).toContain('Bob');
  const touches = await must('GET', '/api/touches?limit=50');
  expect(touches.items.map(({ state }: { state: string }) => state)).toEqual(PLAN.map(() => 'sent'));
});
