/** The adapter against the recording provider in each class, against every fault, and against raw sockets. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Adapter, Connection, SendOutcome, SendRequest } from '../../src/channels/channel.ts';
import { sandboxHttp, sandboxHttpSms, sandboxHttpWhatsapp } from '../../src/channels/sandbox-http/adapter.ts';
import { SEND_FAULTS, type SendFault } from '../../src/channels/sandbox-http/faults.ts';
import { type Provider, startProvider } from '../../src/channels/sandbox-http/recorder.ts';
import { newId } from '../../src/kernel/ids.ts';
import type { EmailMessage, Message } from '../../src/kernel/message.ts';

const TIMEOUT_MS = 2_000;
const SHORT_MS = 300;

let dir: string;
let provider: Provider;
const open: Connection[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cadenza-provider-'));
  provider = await startProvider({ dir });
});
afterEach(async () => {
  provider.plan({});
  await Promise.all(open.splice(0).map((connection) => connection.close()));
});
afterAll(async () => {
  await provider.stop();
  await rm(dir, { recursive: true, force: true });
});

function connect(
  kind: 'K' | 'L' | 'N',
  more: Record<string, unknown> = {},
  adapter: Adapter = sandboxHttp,
): Connection {
  const url = `http://127.0.0.1:${provider.port}`;
  const connection = adapter.connect(adapter.config.parse({ url, account: 'one', class: kind, ...more }));
  open.push(connection);
  return connection;
}

function request(timeout_ms = TIMEOUT_MS): SendRequest<EmailMessage> {
  const touch_id = newId();
  return {
    touch_id,
    idempotency_key: `${touch_id}.1`,
    timeout_ms,
    message: {
      kind: 'email',
      from: { address: 'ada@example.test' },
      to: { address: 'bob@example.test' },
      subject: 'Hello',
      text: 'Hello there.\n',
      message_id: `${touch_id}.1@example.test`,
      headers: {},
    },
  };
}

interface Line {
  event: string;
  touch_id: string;
  recipient?: string;
  mono: string;
  body_hash?: string;
}

async function recorded(touch: string, event: string): Promise<Line[]> {
  const text = await readFile(provider.journal, 'utf8');
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line): Line => JSON.parse(line));
  return lines.filter((line) => line.touch_id === touch && line.event === event);
}

const ACCEPTS: ReadonlySet<SendFault> = new Set([
  'slow',
  'lost_reply',
  'bad_gateway',
  'garbled',
  'hang_after',
  'late',
]);
const OUTCOMES: Record<SendFault, Partial<Record<string, string>>> = {
  slow: { kind: 'accepted' },
  throttled: { kind: 'refused', permanence: 'throttled' },
  refused: { kind: 'refused', permanence: 'permanent' },
  unavailable: { kind: 'refused', permanence: 'transient' },
  error_before: { kind: 'ambiguous' },
  reset_before: { kind: 'ambiguous' },
  hang_before: { kind: 'ambiguous' },
  lost_reply: { kind: 'ambiguous' },
  bad_gateway: { kind: 'ambiguous' },
  garbled: { kind: 'ambiguous' },
  hang_after: { kind: 'ambiguous' },
  late: { kind: 'ambiguous' },
};

describe('sandbox_http against the recording provider', () => {
  it('[EXE-6] an accepted message is accepted, and on the record before the answer', async () => {
    const message = request();
    expect(await connect('L').send(message)).toMatchObject({ kind: 'accepted', provider_id: 'L-one-1' });
    const [begun] = await recorded(message.touch_id, 'begun');
    const [accepted] = await recorded(message.touch_id, 'accepted');
    expect(begun).toMatchObject({ recipient: 'bob@example.test', key: message.idempotency_key });
    expect(BigInt(begun!.mono) < BigInt(accepted!.mono)).toBe(true);
    expect(BigInt(accepted!.mono) < process.hrtime.bigint()).toBe(true);
  });

  for (const fault of SEND_FAULTS) {
    it(`${fault}: the outcome never says more than is so`, async () => {
      provider.plan({ rates: { [fault]: 1 }, slow_ms: 20, late_ms: SHORT_MS + 100 });
      const message = request(fault.startsWith('hang') || fault === 'late' ? SHORT_MS : TIMEOUT_MS);
      const outcome = await connect('L').send(message);
      expect(outcome).toMatchObject(OUTCOMES[fault]);
      if (outcome.kind === 'refused' && outcome.permanence !== 'permanent')
        expect(outcome.retry_after_ms).toBe(1_000);
      const wanted = ACCEPTS.has(fault) ? 1 : 0;
      await expect.poll(() => recorded(message.touch_id, 'accepted')).toHaveLength(wanted);
    });
  }

  it('K: the same bytes under the same key are accepted once, other bytes are a conflict', async () => {
    const connection = connect('K');
    const message = request();
    const first = await connection.send(message);
    expect(await connection.send(message)).toEqual(first);
    expect(await recorded(message.touch_id, 'accepted')).toHaveLength(1);
    expect(await recorded(message.touch_id, 'duplicate')).toHaveLength(1);
    const other = { ...message, message: { ...message.message, text: 'Other' } };
    expect(await connection.send(other)).toMatchObject({ kind: 'ambiguous', reason: 'key_conflict' });
    expect(connection.lookup).toBeUndefined();
  });

  it('K: a call that comes in the life of its key is not taken again, though its provider is late', async () => {
    const life = 5 * SHORT_MS;
    provider.plan({ key_life_ms: life });
    const connection = connect('K');
    const message = request();
    const first = await connection.send(message);
    provider.plan({ key_life_ms: life, rates: { late: 1 }, late_ms: 2 * life });
    expect(await connection.send(message)).toEqual(first);
    expect(await recorded(message.touch_id, 'accepted')).toHaveLength(1);
  });

  it('K: a key is forgotten after its life', async () => {
    provider.plan({ key_life_ms: 1 });
    const connection = connect('K');
    const message = request();
    await connection.send(message);
    await expect
      .poll(async () => {
        await connection.send(message);
        return (await recorded(message.touch_id, 'accepted')).length;
      })
      .toBeGreaterThan(1);
  });

  it('L: finds what was accepted under the key and nothing else', async () => {
    const connection = connect('L');
    const message = request();
    const ask = (key: string) =>
      connection.lookup!({ touch_id: message.touch_id, idempotency_key: key, timeout_ms: TIMEOUT_MS });
    expect(await ask(message.idempotency_key)).toEqual({ kind: 'not_found' });
    provider.plan({ rates: { lost_reply: 1 } });
    expect((await connection.send(message)).kind).toBe('ambiguous');
    expect(await ask(message.idempotency_key)).toMatchObject({ kind: 'found', at: expect.any(Date) });
    expect(await ask(`${message.touch_id}.2`)).toEqual({ kind: 'not_found' });
    provider.plan({ lookup_error: 1 });
    expect(await ask(message.idempotency_key)).toMatchObject({ kind: 'unclear' });
  });

  it('N: neither key nor look-up', async () => {
    const connection = connect('N');
    const message = request();
    await connection.send(message);
    await connection.send(message);
    expect(await recorded(message.touch_id, 'accepted')).toHaveLength(2);
    expect(connection.lookup).toBeUndefined();
  });

  for (const [adapter, message, written] of [
    [
      sandboxHttpSms,
      {
        kind: 'sms',
        from: '+4915550000001',
        to: '+4915550000002',
        text: 'Hello. No more: http://127.0.0.1:3000/u/v1.abc_D-9',
        encoding: 'gsm7',
        segments: 1,
      },
      { unsubscribe: 'http://127.0.0.1:3000/u/v1.abc_D-9' },
    ],
    [
      sandboxHttpWhatsapp,
      {
        kind: 'whatsapp_template',
        from: '+4915550000001',
        to: '+4915550000002',
        template: { name: 'hello', language: 'en', body: ['Bob'], buttons: [] },
      },
      { unsubscribe: null },
    ],
  ] as const satisfies [Adapter, Message, object][]) {
    it(`${adapter.channel}: recorded with the number it goes to, in each class`, async () => {
      for (const kind of ['K', 'L', 'N'] as const) {
        const connection: Connection = connect(kind, {}, adapter);
        const { touch_id, ...rest } = request();
        expect(await connection.send({ ...rest, touch_id, message })).toMatchObject({ kind: 'accepted' });
        const [line] = await recorded(touch_id, 'accepted');
        expect(line).toMatchObject({
          kind: message.kind,
          recipient: message.to,
          sender: message.from,
          ...written,
        });
        expect(connection.lookup !== undefined).toBe(kind === 'L');
      }
    });
  }

  it('the same seed brings the same faults in any order', async () => {
    const keys = Array.from({ length: 40 }, () => request());
    const run = async (order: SendRequest<EmailMessage>[]) => {
      const own = await mkdtemp(join(tmpdir(), 'cadenza-provider-'));
      const again = await startProvider({ dir: own });
      again.plan({ seed: 7, rates: { refused: 0.3, throttled: 0.3 } });
      const url = `http://127.0.0.1:${again.port}`;
      const connection = sandboxHttp.connect({ url, account: 'one', class: 'N' });
      const outcomes = new Map<string, SendOutcome['kind'] | string>();
      for (const one of order) {
        const outcome = await connection.send(one);
        outcomes.set(one.touch_id, outcome.kind === 'refused' ? outcome.reason : outcome.kind);
      }
      await connection.close();
      await again.stop();
      await rm(own, { recursive: true, force: true });
      return keys.map((one) => outcomes.get(one.touch_id));
    };
    const outcomes = await run(keys);
    expect(await run([...keys].reverse())).toEqual(outcomes);
    expect(new Set(outcomes).size).toBeGreaterThan(2);
  });

  it('a provider that refuses connections is not_started, and is back after', async () => {
    const connection = connect('L');
    await provider.refuse(300);
    expect(await connection.send(request())).toMatchObject({ kind: 'not_started', reason: 'ECONNREFUSED' });
    await expect.poll(async () => (await connection.send(request())).kind).toBe('accepted');
  });

  it('never starts more than its capacity, and closing lets a message in progress end', async () => {
    provider.plan({ rates: { slow: 1 }, slow_ms: 50 });
    const connection = connect('L', { max_connections: 2 });
    const sends = [1, 2].map(() => connection.send(request()));
    expect(connection.capacity()).toBe(0);
    expect((await connection.send(request())).kind).toBe('not_started');
    await connection.close();
    expect((await Promise.all(sends)).map(({ kind }) => kind)).toEqual(['accepted', 'accepted']);
    expect(connection.capacity()).toBe(0);
  });

  it('verify says whether the account answers', async () => {
    const config = { url: `http://127.0.0.1:${provider.port}`, account: 'one', class: 'L' };
    const options = { timeout_ms: TIMEOUT_MS, from: 'ada@example.test' };
    expect(await sandboxHttp.verify(config, options)).toMatchObject({ ok: true });
    expect(await sandboxHttp.verify({ ...config, url: 'http://127.0.0.1:1' }, options)).toMatchObject({
      ok: false,
    });
  });
});

describe('sandbox_http against raw sockets', () => {
  async function against(serve: (socket: Socket) => void, timeout = TIMEOUT_MS): Promise<SendOutcome> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      serve(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const connection = sandboxHttp.connect({ url, account: 'one', class: 'N' });
    try {
      return await connection.send(request(timeout));
    } finally {
      await connection.close();
      server.close();
    }
  }
  const answering = (text: string, then: 'end' | 'reset' | 'open' = 'end') =>
    against((socket) => {
      socket.once('data', () => {
        socket.write(text, () => {
          if (then === 'end') socket.end();
          if (then === 'reset') socket.resetAndDestroy();
        });
      });
    }, SHORT_MS);

  const cases: [string, string, 'end' | 'reset' | 'open', Partial<Record<string, unknown>>][] = [
    ['an end without an answer', '', 'end', { kind: 'ambiguous' }],
    ['no HTTP at all', 'hello\r\n\r\n', 'end', { kind: 'ambiguous' }],
    [
      'a 200 cut in its body',
      'HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{"id": "1"}',
      'reset',
      { kind: 'ambiguous' },
    ],
    [
      'a 200 that stalls',
      'HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{"id"',
      'open',
      { kind: 'ambiguous' },
    ],
    ['a 200 without an id', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}', 'end', { kind: 'ambiguous' }],
    ['a 504', 'HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n', 'end', { kind: 'ambiguous' }],
    ['a 408', 'HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n', 'end', { kind: 'ambiguous' }],
    [
      'a 429 with a date',
      `HTTP/1.1 429 Slow\r\nretry-after: ${new Date(Date.now() + 60_000).toUTCString()}\r\ncontent-length: 0\r\n\r\n`,
      'end',
      { kind: 'refused', permanence: 'throttled' },
    ],
    [
      'a redirect',
      'HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n',
      'end',
      { kind: 'refused', reason: 'sender_rejected' },
    ],
    [
      'a 401',
      'HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n',
      'end',
      { kind: 'refused', reason: 'bad_credentials' },
    ],
    [
      'a 422 cut in its body',
      'HTTP/1.1 422 No\r\ncontent-length: 50\r\n\r\n{',
      'reset',
      { kind: 'refused', permanence: 'permanent' },
    ],
  ];
  for (const [what, text, then, expected] of cases) {
    it(`${what} is ${Object.values(expected).join(', ')}`, async () => {
      expect(await answering(text, then)).toMatchObject(expected);
    });
  }

  it('a cut before any byte was written is not_started', async () => {
    const server = createServer((socket) => socket.resetAndDestroy());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise<void>((resolve) => server.close(() => resolve()));
    const connection = sandboxHttp.connect({ url: `http://127.0.0.1:${port}`, account: 'one', class: 'N' });
    expect((await connection.send(request())).kind).toBe('not_started');
    await connection.close();
  });

  it('a silent server is ambiguous after the time-out, not later', async () => {
    const begun = performance.now();
    expect(await against(() => undefined, SHORT_MS)).toEqual({ kind: 'ambiguous', reason: 'timeout' });
    expect(performance.now() - begun).toBeLessThan(SHORT_MS + 500);
  });
});
