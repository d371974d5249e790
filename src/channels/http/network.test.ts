import dns from 'node:dns';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { newId } from '../../kernel/ids.ts';
import type { Network } from '../channel.ts';
import { resend } from '../resend/adapter.ts';
import { waha } from '../waha/adapter.ts';
import { webhook } from '../webhook/adapter.ts';
import { call, newAgent } from './call.ts';
import { networkOf, within } from './network.ts';

const refuses = (network: Network, url: string, address: string) => network.refuses(new URL(url), address);

describe('what may be reached', () => {
  const strict = networkOf([]);

  it.each([
    '127.0.0.1',
    '127.9.9.9',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '192.0.2.1',
    '::1',
    '::',
    'fe80::1',
    'fc00::1',
    'fd12:3456::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'not an address',
  ])('[SSRF] %s is not public', (address) => {
    expect(refuses(strict, 'https://example.com/', address)).toEqual(expect.any(String));
  });

  it('what is public is reached over https alone', () => {
    for (const address of ['93.184.216.34', '2606:2800:220:1:248:1893:25c8:1946']) {
      expect(refuses(strict, 'https://example.com/', address)).toBeNull();
      expect(refuses(strict, 'http://example.com/', address)).toContain('https alone');
    }
  });

  it('what the installation names is reached over both: an address, a network, a name', () => {
    const open = networkOf(['127.0.0.1', '10.0.0.0/8', 'Waha.Internal', 'fd00::/8']);
    expect(refuses(open, 'http://127.0.0.1:3000/', '127.0.0.1')).toBeNull();
    expect(refuses(open, 'http://x.test/', '10.9.9.9')).toBeNull();
    expect(refuses(open, 'http://waha.internal/', '192.168.0.9')).toBeNull();
    expect(refuses(open, 'https://x.test/', 'fd00::7')).toBeNull();
    expect(refuses(open, 'http://other.internal/', '192.168.0.9')).not.toBeNull();
    expect(refuses(open, 'http://localhost/', '127.0.0.2')).not.toBeNull();
  });
});

describe('at the moment of connecting', () => {
  let server: Server;
  let port: number;
  let hits: number;
  beforeEach(async () => {
    hits = 0;
    server = createServer((_request, response) => {
      hits++;
      response.end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  async function ask(host: string, allowed: string[]) {
    const agent = newAgent(1, networkOf(allowed));
    const url = `http://${host}:${port}/`;
    const called = await call(agent, { method: 'POST', url, headers: {}, body: '{}', timeout_ms: 5_000 });
    agent.destroy();
    return called.kind;
  }

  it('[SSRF] an address in any spelling, and a name that resolves to one, are refused before a byte is sent', async () => {
    const spellings = [
      '127.0.0.1',
      '2130706433',
      '0x7f.1',
      '0177.0.0.1',
      '127.1',
      '[::ffff:127.0.0.1]',
      'localhost',
    ];
    for (const host of spellings) expect(await ask(host, []), host).toBe('forbidden');
    expect(hits).toBe(0);
    expect(await ask('127.0.0.1', ['127.0.0.1'])).toBe('answered');
    expect(await ask('localhost', ['127.0.0.0/8', '::1'])).toBe('answered');
    expect(hits).toBe(2);
  });

  it('[SSRF] a name that was public when it was checked is looked at again', async () => {
    const lookup = vi
      .spyOn(dns, 'lookup')
      .mockImplementation(((
        _host: string,
        _options: unknown,
        done: (error: null, found: { address: string; family: number }[]) => void,
      ) => done(null, [{ address: '127.0.0.1', family: 4 }])) as never);
    expect(await ask('rebound.example.com', [])).toBe('forbidden');
    expect(await ask('rebound.example.com', ['rebound.example.com'])).toBe('answered');
    expect(lookup).toHaveBeenCalledTimes(2);
    expect(hits).toBe(1);
  });

  it('[SSRF] a webhook step is refused for good and says so; a sender whose base_url it is, is at fault itself', async () => {
    const touch_id = newId();
    const request = { touch_id, idempotency_key: `${touch_id}.1`, timeout_ms: 5_000 };
    const url = `http://127.0.0.1:${port}/`;
    const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    const hook = within(networkOf([]), webhook);
    const step = hook.connect(hook.config.parse({ signing_secret: secret }));
    expect(
      await step.send({ ...request, message: { kind: 'webhook', from: 'x', url, body: '{}' } }),
    ).toMatchObject({
      kind: 'refused',
      permanence: 'permanent',
      reason: 'destination_forbidden',
      response: expect.stringContaining('PRIVATE_HOSTS'),
    });
    const gateway = within(networkOf([]), waha);
    const config = waha.config.parse({ base_url: url, api_key: 'k', accept_ban_risk: true });
    const lite = gateway.connect(config);
    const message = { kind: 'whatsapp_text' as const, from: '+14155550100', to: '+14155550101', text: 'Hi' };
    expect(await lite.send({ ...request, message })).toMatchObject({
      kind: 'refused',
      permanence: 'permanent',
      reason: 'sender_rejected',
    });
    expect(await gateway.verify(config, { timeout_ms: 5_000, from: '+14155550100' })).toMatchObject({
      ok: false,
      detail: expect.stringContaining('may not be reached'),
    });
    await Promise.all([step.close(), lite.close()]);
    expect(hits).toBe(0);
  });

  it('a configuration is refused where its address can be told by sight', () => {
    const guarded = within(networkOf(['10.0.0.5']), resend);
    const parse = (base_url: string) => guarded.config.parse({ api_key: 're_x', base_url });
    for (const host of [
      'https://127.0.0.1',
      'https://[::1]',
      'https://169.254.169.254',
      'http://localhost:9',
    ])
      expect(() => parse(host), host).toThrow(/not public/);
    expect(parse('https://10.0.0.5')).toMatchObject({ base_url: 'https://10.0.0.5' });
    expect(parse('https://api.resend.com')).toMatchObject({ base_url: 'https://api.resend.com' });
  });
});
