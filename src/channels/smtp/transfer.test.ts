import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFaultProxy } from '../../../test/support/fault-proxy.ts';
import { until } from '../../../test/support/until.ts';
import { type Sink, startSink } from '../sandbox/sink.ts';
import { SmtpConfigSchema } from './config.ts';
import { openSession } from './session.ts';
import { type Transferred, transfer } from './transfer.ts';

/** More than the buffers of two sockets can hold (4 and 6 MB). */
const LARGE = Buffer.from(
  `Subject: large\r\n\r\n${'All work and no play makes Jack a dull boy.\r\n'.repeat(280_000)}`,
);
const SMALL = Buffer.from('Subject: small\r\n\r\nHello.\r\n');

async function send(
  port: number,
  raw: Buffer,
  timeout_ms: number,
): Promise<Transferred['outcome'] & { connected: boolean }> {
  const opened = await openSession(SmtpConfigSchema.parse({ host: '127.0.0.1', port }), Date.now() + 5_000);
  if (!opened.ok) throw new Error(JSON.stringify(opened.outcome));
  const address = (at: string) => ({ address: at, needs_smtputf8: false });
  const envelope = { from: address('ada@example.test'), to: address('bob@example.test') };
  const sent = await transfer(opened.session, { ok: true, envelope, raw }, Date.now() + timeout_ms);
  const connected = !opened.session.connection.destroyed;
  opened.session.connection.close();
  return { ...sent.outcome, connected };
}

describe('a message on its way', () => {
  let dir: string;
  let sink: Sink;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cadenza-sink-'));
    sink = await startSink({ dir });
  });
  afterAll(async () => {
    await sink.stop();
    await rm(dir, { recursive: true, force: true });
  });

  for (const stage of ['data', 'mid_body'] as const) {
    it(`[EXE-5] that meets silence at ${stage} is refused for now, and its end never gets out`, async () => {
      const proxy = await startFaultProxy({ port: sink.port });
      proxy.plan({ stage, how: 'stall', after_bytes: 20_000 });
      const outcome = await send(proxy.port, LARGE, 500);
      expect(outcome).toMatchObject({ kind: 'refused', permanence: 'transient', connected: false });
      await proxy.stop();
      await until(() => sink.active() === 0, 'the sink to be idle');
      expect(sink.count()).toBe(0);
    });
  }

  const replies: [string, string, Transferred['outcome']['kind']][] = [
    ['an accepting reply', '250 2.0.0 Ok\r\n', 'accepted'],
    ['another accepting reply', '251 will forward\r\n', 'accepted'],
    ['a refusal for now', '451 4.3.0 later\r\n', 'refused'],
    ['a refusal for good', '554 5.6.0 no\r\n', 'refused'],
    ['a farewell', '421 4.4.2 timeout\r\n', 'refused'],
    ['a question', '354 go on\r\n', 'ambiguous'],
    ['nonsense', 'yes of course\r\n', 'ambiguous'],
    ['an unfinished reply', '250-2.0.0 Ok\r\n', 'ambiguous'],
    ['a reply without its end', '250 2.0.0 O', 'ambiguous'],
    ['a code cut in two', '55', 'ambiguous'],
    ['nothing', '', 'ambiguous'],
  ];
  for (const [name, reply, kind] of replies) {
    it(`answered with ${name} is ${kind}`, async () => {
      const server = await scripted(reply);
      const outcome = await send(server.port, SMALL, 5_000);
      expect(outcome.kind).toBe(kind);
      if (kind === 'ambiguous') expect(outcome.connected).toBe(false);
      await server.stop();
    });
  }

  it('larger than the server announced is refused without asking', async () => {
    const server = await scripted('250 Ok\r\n', '250-x\r\n250 SIZE 10\r\n');
    expect(await send(server.port, SMALL, 5_000)).toMatchObject({
      permanence: 'permanent',
      reason: 'content_rejected',
    });
    await server.stop();
  });
});

/** A server that says this after the final dot and closes: no real one says such things on demand. */
async function scripted(reply: string, ehlo = '250 x\r\n'): Promise<{ port: number; stop(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.write('220 x\r\n');
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
      if (text.endsWith('\r\n.\r\n')) return socket.end(reply);
      if (!text.endsWith('\r\n') || text.includes('DATA\r\nSubject')) return;
      const last = text.trimEnd().split('\r\n').at(-1)!;
      socket.write(last.startsWith('EHLO') ? ehlo : last === 'DATA' ? '354 go\r\n' : '250 ok\r\n');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
