/** Another program has the sandbox's port at a start: the sandbox moves, the demo's sender with it, and nobody else's. */
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Child, startChild } from '../support/child.ts';
import { until } from '../support/until.ts';

const START_MS = 90_000;
const DEMO = 12;
let dir: string;
let child: Child;
let squatter: Server | undefined;
let url: string;
let key: string;

async function start(): Promise<void> {
  child = startChild('bin/cadenza.mjs', ['up', '--json'], { CADENZA_DATA: dir, PORT: '0', DATABASE_URL: '' });
  const first = await child.line();
  url = String(first['url']);
  key = (first['key'] as string | null) ?? key;
}

async function stop(): Promise<void> {
  child.process.kill('SIGTERM');
  await child.ended;
}

// biome-ignore lint/suspicious/noExplicitAny: answers of our own API, whose shapes its description gives
async function api(path: string, body?: unknown): Promise<any> {
  const response = await fetch(url + path, {
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  });
  return response.json();
}

const sandboxFile = async () => JSON.parse(await readFile(join(dir, 'sandbox.json'), 'utf8'));
const inbox = async () => (await api('/api/sandbox/inbox')).items.length;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cadenza-moved-'));
  await start();
}, START_MS);
afterAll(async () => {
  squatter?.close();
  await stop();
  await rm(dir, { recursive: true, force: true });
});

test(
  '[OPS-4] the demo goes on where the sandbox went; a sender that a person made stays as it is, and is named',
  async () => {
    await until(async () => (await inbox()) === DEMO, 'the first messages', 30_000);
    const before = await sandboxFile();
    const [demo] = (await api('/api/senders')).items;
    const own = await api('/api/senders', {
      channel: 'email',
      provider: 'sandbox',
      name: 'My own',
      from: { address: 'me@demo.example' },
      config: { ...demo.config, lookup_token: before.token },
    });
    const steps = [{ channel: 'email', subject: 'Hello', body_text: 'From me' }];
    const mine = await api('/api/outreach/sequences', { name: 'Mine', sender_ids: [own.id], steps });
    await api(`/api/outreach/sequences/${mine.id}/publish`, {});
    await stop();
    squatter = createServer((socket) => socket.destroy()).listen(before.smtp_port, '127.0.0.1');
    await once(squatter, 'listening');

    await start();
    const now = await sandboxFile();
    expect(now.smtp_port).not.toBe(before.smtp_port);
    const senders = new Map<string, { config: { port: number } }>(
      (await api('/api/senders')).items.map((one: { id: string }) => [one.id, one]),
    );
    expect(senders.get(demo.id)!.config.port).toBe(now.smtp_port);
    expect(senders.get(own.id)!.config.port).toBe(before.smtp_port);

    // Both are used: one arrives, the other is named by the health check and the doctor.
    const contact_ids = (await api('/api/contacts?limit=2')).items.map((one: { id: string }) => one.id);
    const fresh = await api('/api/outreach/sequences', { name: 'Demo again', sender_ids: [demo.id], steps });
    await api(`/api/outreach/sequences/${fresh.id}/publish`, {});
    const sent = await inbox();
    await api('/api/outreach/enrollments', { sequence_id: fresh.id, contact_ids });
    await until(async () => (await inbox()) >= sent + 2, 'messages of the demo’s sender', 30_000);
    expect(await api('/api/health/unreachable-senders')).toMatchObject({ status: 'ok' });
    await api('/api/outreach/enrollments', { sequence_id: mine.id, contact_ids });
    const check = async () => api('/api/health/unreachable-senders');
    await until(async () => (await check()).status === 'fail', 'the health check', 30_000);
    expect(await check()).toMatchObject({ data: { count: 1, senders: [{ id: own.id, name: 'My own' }] } });
    const doctor = startChild('bin/cadenza.mjs', ['doctor', '--json'], {
      CADENZA_DATA: dir,
      DATABASE_URL: '',
    });
    const { checks } = (await doctor.line()) as {
      checks: { name: string; status: string; detail: string }[];
    };
    expect(checks.find((one) => one.name === 'senders')).toMatchObject({
      status: 'fail',
      detail: expect.stringContaining('My own'),
    });
    expect(await doctor.ended).toBe(1);
  },
  START_MS * 2,
);
