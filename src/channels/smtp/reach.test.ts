/** SMTP servers and the look-up of the built-in inbox are held to what the installation may reach. */
import dns from 'node:dns';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { newId } from '../../kernel/ids.ts';
import type { EmailMessage } from '../../kernel/message.ts';
import type { Adapter } from '../channel.ts';
import { networkOf, within } from '../http/network.ts';
import { sandbox } from '../sandbox/adapter.ts';
import { besideSandbox, runSandbox, type Sandbox } from '../sandbox/run.ts';
import { smtp } from './adapter.ts';

const message: EmailMessage = {
  kind: 'email',
  from: { address: 'ann@example.com' },
  to: { address: 'bob@example.com' },
  subject: 'Hello',
  text: 'Text',
  message_id: 'one@example.com',
  headers: {},
};

async function sendWith(adapter: Adapter, config: Record<string, unknown>) {
  const connection = adapter.connect(config);
  const touch_id = newId();
  const request = { touch_id, idempotency_key: `${touch_id}.1`, message, timeout_ms: 5_000 };
  const outcome = await connection.send(request);
  const found = connection.lookup ? await connection.lookup(request) : null;
  await connection.close();
  return { outcome, found };
}

describe('an SMTP server', () => {
  let server: Server;
  let port: number;
  let hits: number;
  beforeEach(async () => {
    hits = 0;
    server = createServer((socket) => {
      hits++;
      socket.end('421 not now\r\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as { port: number }).port;
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await new Promise((resolve) => server.close(resolve));
  });

  it('[SSRF] that is not public is refused by sight where a sender is saved, in any spelling', () => {
    const guarded = within(networkOf(['10.0.0.5']), smtp);
    for (const host of [
      '127.0.0.1',
      'localhost',
      '::1',
      '10.0.0.6',
      '2130706433',
      '0x7f.1',
      '169.254.169.254',
    ])
      expect(() => guarded.config.parse({ host }), host).toThrow(/not public/);
    for (const host of ['10.0.0.5', 'mail.example.com'])
      expect(guarded.config.parse({ host })).toMatchObject({ host });
    const inbox = within(networkOf([]), sandbox);
    const config = { host: 'mail.example.com', port: 25, lookup_token: 'x' };
    expect(() => inbox.config.parse({ ...config, lookup_url: 'http://169.254.169.254/' })).toThrow(
      /not public/,
    );
  });

  it('[SSRF] whose name resolves to this machine is refused as it connects, and holds its sender', async () => {
    vi.spyOn(dns, 'lookup').mockImplementation(((
      _host: string,
      _options: unknown,
      done: (error: null, found: { address: string; family: number }[]) => void,
    ) => done(null, [{ address: '127.0.0.1', family: 4 }])) as never);
    const config = smtp.config.parse({ host: 'rebound.example.com', port });
    const strict = within(networkOf([]), smtp);
    expect((await sendWith(strict, config)).outcome).toMatchObject({
      kind: 'refused',
      permanence: 'permanent',
      reason: 'sender_rejected',
      response: expect.stringContaining('PRIVATE_HOSTS'),
    });
    expect(await strict.verify(config, { timeout_ms: 5_000, from: 'ann@example.com' })).toMatchObject({
      ok: false,
      detail: expect.stringContaining('may not be reached'),
    });
    expect(hits).toBe(0);
    const open = within(networkOf(['rebound.example.com']), smtp);
    expect((await sendWith(open, config)).outcome).toMatchObject({
      response: expect.stringContaining('421'),
    });
    expect(hits).toBe(1);
  });

  it('[SSRF] that is written as an address in the configuration is refused as it connects', async () => {
    for (const host of ['127.0.0.1', '2130706433', 'localhost'])
      expect(
        (await sendWith(within(networkOf([]), smtp), smtp.config.parse({ host, port }))).outcome,
      ).toMatchObject({
        kind: 'refused',
        reason: 'sender_rejected',
      });
    expect(hits).toBe(0);
  });
});

describe('the built-in inbox', () => {
  let dir: string;
  let running: Sandbox;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'cadenza-reach-'));
    running = await runSandbox(dir, () => undefined);
  });
  afterEach(async () => {
    await running.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('[SSRF] [OPS-1] is reached without a setting by its own provider, and nothing beside it', async () => {
    const ours = within(besideSandbox(networkOf([]), dir), sandbox);
    const sent = await sendWith(ours, ours.config.parse(running.config));
    expect(sent).toMatchObject({ outcome: { kind: 'accepted' }, found: { kind: 'found' } });
    const { port } = running.config;
    expect(() => ours.config.parse({ ...running.config, port: port === 65_535 ? 1 : port + 1 })).toThrow(
      /not public/,
    );
    expect(() => ours.config.parse({ ...running.config, lookup_url: 'http://127.0.0.1:1/' })).toThrow(
      /not public/,
    );
    expect(() => within(networkOf([]), smtp).config.parse({ host: '127.0.0.1', port })).toThrow(/not public/);
    // Where it was before is still told apart from what was never ours.
    await running.stop();
    writeFileSync(
      join(dir, 'sandbox.json'),
      JSON.stringify({ smtp_port: 1, lookup_port: 2, token: 't', former_ports: [port] }),
    );
    running = await runSandbox(dir, () => undefined);
    const before = { ...running.config, port };
    expect(ours.config.parse(before)).toMatchObject({ port });
  });
});
