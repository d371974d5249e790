import { appendFile, mkdtemp, readFile, rm, stat, truncate } from 'node:fs/promises';
import { connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { request } from '../../../test/conformance/email-target.ts';
import { until } from '../../../test/support/until.ts';
import type { Connection } from '../channel.ts';
import { smtp } from '../smtp/adapter.ts';
import type { SinkEntry } from './entry.ts';
import type { FaultInput } from './faults.ts';
import { startSinkHttp } from './http.ts';
import { JOURNAL_FILE, RAW_FILE } from './record.ts';
import { type Sink, startSink } from './sink.ts';

let dir: string;
let sink: Sink;
let connection: Connection;

async function start(): Promise<void> {
  sink = await startSink({ dir });
  connection = smtp.connect(smtp.config.parse({ host: '127.0.0.1', port: sink.port }));
}
async function stop(): Promise<void> {
  await connection.close();
  await sink.stop();
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cadenza-sink-'));
  await start();
});
afterEach(async () => {
  await stop();
  await rm(dir, { recursive: true, force: true });
});

const send = (to: string, timeout_ms = 5_000) => connection.send(request(to, {}, timeout_ms));

describe('the record', () => {
  it('keeps what was accepted, source and all, and finds it by recipient, Message-ID, touch and key', async () => {
    const message = request('Bob@Example.test', {
      subject: 'Grüße',
      headers: { 'List-Id': '<l.example.test>' },
    });
    await send('other@example.test');
    expect(await connection.send(message)).toMatchObject({ kind: 'accepted', provider_id: '2' });
    const expected = {
      seq: 2,
      envelope: { from: 'ada@example.test', to: ['Bob@example.test'] },
      message_id: message.message.message_id,
      from: 'ada@example.test',
      to: ['Bob@example.test'],
      subject: 'Grüße',
      touch_id: message.touch_id,
      idempotency_key: message.idempotency_key,
      headers: { 'list-id': '<l.example.test>' },
    };
    const { touch_id, idempotency_key } = message;
    for (const filter of [
      { to: 'bob@example.test' },
      { message_id: message.message.message_id },
      { touch_id },
      { idempotency_key },
      { after: 1 },
      { newest_first: true, limit: 1 },
    ]) {
      expect(await sink.list(filter)).toMatchObject([expected]);
    }
    expect(await sink.list({ touch_id, to: 'other@example.test' })).toEqual([]);
    expect((await sink.raw(2))?.toString()).toContain(`Message-ID: <${message.message.message_id}>\r\n`);
    expect((await sink.get(2))?.email.text?.trim()).toBe('Hello there.');
    expect(await sink.get(3)).toBeNull();
  });

  it('tells each message once, after it is on disk', async () => {
    const told: SinkEntry[] = [];
    const onDisk: boolean[] = [];
    const off = sink.onMessage((entry) => told.push(entry));
    sink.onMessage(() => {
      void stat(join(dir, JOURNAL_FILE)).then(({ size }) => onDisk.push(size > 0));
    });
    await send('bob@example.test');
    off();
    await send('bob@example.test');
    expect(told.map(({ seq }) => seq)).toEqual([1]);
    await until(() => onDisk.length === 2, 'both calls');
    expect(onDisk).toEqual([true, true]);
  });

  it('survives a restart, and forgets what a crash left half-written', async () => {
    for (const to of ['a@example.test', 'b@example.test', 'c@example.test']) await send(to);
    await stop();
    await appendFile(join(dir, JOURNAL_FILE), '{"seq":4,"at":"2026-');
    await appendFile(join(dir, RAW_FILE), 'From: half');
    await start();
    expect((await sink.list()).map(({ envelope }) => envelope.to[0])).toEqual([
      'a@example.test',
      'b@example.test',
      'c@example.test',
    ]);
    expect(await send('d@example.test')).toMatchObject({ kind: 'accepted', provider_id: '4' });
    expect((await sink.raw(4))?.toString()).toMatch(/^X-Cadenza-Touch/);
    const lines = (await readFile(join(dir, JOURNAL_FILE), 'utf8')).trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as SinkEntry).seq)).toEqual([1, 2, 3, 4]);
  });

  it('a journal line whose source did not reach the disk was never acknowledged and is dropped', async () => {
    for (const to of ['a@example.test', 'b@example.test']) await send(to);
    await stop();
    await truncate(join(dir, RAW_FILE), (await stat(join(dir, RAW_FILE))).size - 1);
    await start();
    expect(sink.count()).toBe(1);
    expect(await send('c@example.test')).toMatchObject({ kind: 'accepted', provider_id: '2' });
    expect((await sink.list()).map(({ envelope }) => envelope.to[0])).toEqual([
      'a@example.test',
      'c@example.test',
    ]);
  });

  it('bursts over many connections are recorded whole, and their bodies do not stay in memory', async () => {
    const connections = 20;
    const each = 40;
    const body = `Subject: burst\r\n\r\n${'x'.repeat(50_000)}\r\n.\r\n`;
    const resident: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      const clients = Array.from({ length: connections }, (_, n) => `r${n}@example.test`);
      await Promise.all(clients.map((to) => burst(sink.port, to, each, body)));
      resident.push(process.memoryUsage().rss / 1e6);
    }
    const total = 4 * connections * each;
    expect(sink.count()).toBe(total);
    expect(await sink.list({ to: 'r7@example.test', limit: 1_000 })).toHaveLength(4 * each);
    expect((await stat(join(dir, RAW_FILE))).size).toBeGreaterThan(total * 50_000);
    // 120 MB went through after the first round.
    expect(resident.at(-1)! - resident[0]!).toBeLessThan(60);
  });
});

describe('faults', () => {
  const outcomes: [string, FaultInput, Record<string, unknown>, boolean][] = [
    [
      'refuse at connect',
      { refuse: { code: 421, text: 'Busy', at: 'connect' } },
      { permanence: 'throttled' },
      false,
    ],
    [
      'refuse at mail',
      { refuse: { code: 550, text: '5.7.1 no', at: 'mail' } },
      { reason: 'sender_rejected' },
      false,
    ],
    ['refuse at rcpt', { refuse: { code: 550, text: '5.1.1 no' } }, { reason: 'mailbox_unknown' }, false],
    [
      'refuse the message',
      { refuse: { code: 554, text: '5.6.0 no', at: 'data' } },
      { reason: 'content_rejected' },
      false,
    ],
    ['cut at connect', { cut: 'connect' }, { kind: 'not_started' }, false],
    ['cut at helo', { cut: 'helo' }, { kind: 'not_started' }, false],
    ['cut at mail', { cut: 'mail' }, { kind: 'refused', permanence: 'transient' }, false],
    ['cut at rcpt', { cut: 'rcpt' }, { kind: 'refused', permanence: 'transient' }, false],
    ['cut at data', { cut: 'data' }, { kind: 'refused', permanence: 'transient' }, false],
    ['cut before the dot', { cut: 'before_dot' }, { kind: 'ambiguous' }, false],
    ['cut after the dot, lost', { cut: 'after_dot_lost' }, { kind: 'ambiguous' }, false],
    ['cut after the dot', { cut: 'after_dot' }, { kind: 'ambiguous' }, true],
    ['a late reply', { delay_ms: 60_000 }, { kind: 'ambiguous' }, true],
    [
      'a late RCPT',
      { delay_ms: 60_000, delay_at: 'rcpt' },
      { kind: 'refused', permanence: 'transient' },
      false,
    ],
  ];
  for (const [name, fault, expected, recorded] of outcomes) {
    it(`${name}: ${JSON.stringify(expected)}, recorded: ${recorded}`, async () => {
      sink.faults.set(fault);
      expect(await send('bob@example.test', 'delay_ms' in fault ? 500 : 5_000)).toMatchObject(expected);
      if (recorded) await until(() => sink.count() === 1, 'the record');
      else expect(sink.count()).toBe(0);
    });
  }

  it('act on the recipients they match, so many times, until cleared', async () => {
    sink.faults.set([
      { match: '^a@', times: 2, refuse: { code: 451, text: '4.3.0 later' } },
      { match: '^b@', refuse: { code: 550, text: '5.1.1 no' } },
    ]);
    const kinds = async (...to: string[]) => {
      const all: string[] = [];
      for (const name of to) all.push((await send(`${name}@example.test`)).kind);
      return all;
    };
    expect(await kinds('a', 'c', 'a', 'a', 'b', 'b')).toEqual([
      'refused',
      'accepted',
      'refused',
      'accepted',
      'refused',
      'refused',
    ]);
    sink.faults.clear();
    expect(await kinds('b')).toEqual(['accepted']);
  });

  it('nonsense is refused', () => {
    const broken: unknown[] = [
      {},
      { cut: 'nowhere' },
      { cut: 'mail', match: 'bob' },
      { cut: 'mail', refuse: { code: 550, text: 'x' } },
      { refuse: { code: 250, text: 'x' } },
      { refuse: { code: 550, text: 'x\r\n250 ok' } },
      { match: '(', cut: 'rcpt' },
    ];
    for (const fault of broken) expect(() => sink.faults.set(fault as FaultInput)).toThrow();
  });
});

describe('over HTTP', () => {
  it('answers whoever has the token, and nobody else', async () => {
    const token: string = crypto.randomUUID();
    const http = await startSinkHttp(sink, { token });
    const call = (path: string, init: RequestInit = {}, bearer = token) =>
      fetch(`${http.url}${path}`, { ...init, headers: { authorization: `Bearer ${bearer}` } });
    const message = request('bob@example.test');
    await connection.send(message);

    const found = await (await call(`/messages?idempotency_key=${message.idempotency_key}`)).json();
    expect(found).toMatchObject({ items: [{ seq: 1, touch_id: message.touch_id }], next_after: 1, count: 1 });
    expect(await (await call('/messages/1')).json()).toMatchObject({ seq: 1, text: 'Hello there.\n' });
    const raw = await call('/messages/1/raw');
    expect(raw.headers.get('content-type')).toBe('message/rfc822');
    expect(await raw.text()).toContain(message.message.message_id);

    const put = await call('/faults', { method: 'PUT', body: JSON.stringify({ cut: 'rcpt' }) });
    expect(put.status).toBe(200);
    expect((await send('bob@example.test')).kind).toBe('refused');
    expect((await call('/faults', { method: 'DELETE' })).status).toBe(200);
    expect((await send('bob@example.test')).kind).toBe('accepted');

    const status = async (path: string, init?: RequestInit, bearer?: string) =>
      (await call(path, init, bearer)).status;
    expect(await status('/messages', {}, 'wrong')).toBe(401);
    expect(await status('/faults', { method: 'DELETE' }, '')).toBe(401);
    expect(await status('/messages?limit=0')).toBe(400);
    expect(await status('/messages?nonsense=1')).toBe(400);
    expect(await status('/messages/99')).toBe(404);
    expect(await status('/elsewhere')).toBe(404);
    expect(await status('/messages', { method: 'POST' })).toBe(405);
    expect(await status('/faults', { method: 'PUT', body: '{' })).toBe(400);
    expect(await status('/faults', { method: 'PUT', body: JSON.stringify({ cut: 'x' }) })).toBe(400);
    await http.stop();
  });
});

/** A client that does nothing but send, so that the sink is what is measured. */
function burst(port: number, to: string, messages: number, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = dial(port, '127.0.0.1');
    let text = '';
    let left = messages;
    const next = () => socket.write(`MAIL FROM:<ada@example.test>\r\nRCPT TO:<${to}>\r\nDATA\r\n`);
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      text += chunk.toString();
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        if (line.startsWith('220')) socket.write('EHLO burst.example.test\r\n');
        else if (line.startsWith('250 SIZE')) next();
        else if (line.startsWith('354')) socket.write(body);
        else if (line.includes('queued as')) {
          left -= 1;
          if (left > 0) next();
          else socket.end(resolve);
        } else if (/^[45]/.test(line)) reject(new Error(line));
      }
    });
  });
}
