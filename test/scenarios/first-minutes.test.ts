/**
 * What somebody sees who starts it for the first time: the built program on an empty directory, with its own database, its
 * own inbox and real SMTP between; a pause; a SIGKILL, and the next start.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Child, startChild } from '../support/child.ts';
import { until } from '../support/until.ts';

const DEMO = 12;
const START_MS = 90_000;
let dir: string;
let child: Child;
let url: string;
let key: string;

interface Mail {
  seq: number;
  to: string[];
  subject: string;
  touch_id: string;
}

const program = (args: string[]) =>
  startChild('bin/cadenza.mjs', [...args, '--json'], { CADENZA_DATA: dir, PORT: '0', DATABASE_URL: '' });

async function start(): Promise<Record<string, unknown>> {
  child = program(['up']);
  return child.line();
}

interface Reply {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers of our own API, whose shapes its description gives
  body: any;
}

async function api(path: string, change?: unknown, as = key): Promise<Reply> {
  const response = await fetch(url + path, {
    ...(change === undefined ? {} : { method: 'PATCH', body: JSON.stringify(change) }),
    headers: { authorization: `Bearer ${as}`, 'content-type': 'application/json' },
  });
  return { status: response.status, body: await response.json() };
}

async function inbox(query = ''): Promise<Mail[]> {
  return (await api(`/api/sandbox/inbox${query}`)).body.items;
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cadenza-first-'));
  const first = await start();
  url = first['url'] as string;
  key = first['key'] as string;
}, START_MS);

afterAll(async () => {
  child.process.kill('SIGTERM');
  await child.ended;
  await rm(dir, { recursive: true, force: true });
});

test(
  '[EXE-1] [SEQ-6] first messages arrive, a pause stops one person, and a SIGKILL loses and repeats nothing',
  async () => {
    await until(async () => (await inbox()).length >= DEMO, 'the first messages', 30_000);
    const mails = await inbox();
    expect(mails).toHaveLength(DEMO);
    expect(new Set(mails.map((mail) => mail.to[0])).size).toBe(DEMO);

    const { body: page } = await api('/api/outreach/enrollments?status=active&limit=100');
    const [paused, again] = page.items;
    const answer = await api(`/api/outreach/enrollments/${paused.id}`, { action: 'pause' });
    expect(answer.body.enrollment.status).toBe('paused');
    expect(answer.body.receipt).toMatchObject({ not_started: 1, in_flight: [] });
    expect((await api(`/api/outreach/enrollments/${paused.id}`, { action: 'advance' })).status).toBe(409);
    expect((await api(`/api/outreach/enrollments/${again.id}`, { action: 'restart' })).status).toBe(200);
    await until(async () => (await inbox()).length === DEMO + 1, 'the first message of a restart', 30_000);

    child.process.kill('SIGKILL');
    await child.ended;
    const restarted = await start();
    url = restarted['url'] as string;
    expect(restarted['key']).toBeNull();
    expect(await inbox()).toHaveLength(DEMO + 1);
    const { body: seen } = await api(`/api/outreach/enrollments/${paused.id}`);
    expect(seen.status).toBe('paused');
  },
  START_MS * 2,
);

test(
  '[TEN-2] the inbox goes page by page, by recipient, with each source, and shows nothing to another organization',
  async () => {
    const [first, second, third] = await inbox();
    const page = await api('/api/sandbox/inbox?limit=2');
    expect(page.body.items.map((mail: Mail) => mail.seq)).toEqual([first!.seq, second!.seq]);
    const next = await inbox(`?limit=1&after=${page.body.next_after}`);
    expect(next.map((mail) => mail.seq)).toEqual([third!.seq]);
    expect(
      (await inbox(`?to=${encodeURIComponent(third!.to[0]!)}`)).every((mail) => mail.to[0] === third!.to[0]),
    ).toBe(true);
    const raw = await fetch(`${url}/api/sandbox/inbox/${first!.seq}/raw`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(await raw.text()).toContain(`Message-ID: <${first!.touch_id}`);

    const org = await program(['orgs', 'create', '--name', 'Other']).line();
    const made = await program(['keys', 'create', '--name', 'other', '--org', String(org['id'])]).line();
    const other = String(made['key']);
    expect((await api('/api/sandbox/inbox', undefined, other)).body.items).toEqual([]);
    expect((await api(`/api/sandbox/inbox/${first!.seq}/raw`, undefined, other)).status).toBe(404);
  },
  START_MS,
);
