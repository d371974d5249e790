import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Called, call, newAgent } from './call.ts';

const TIMEOUT_MS = 5_000;
const SHORT_MS = 200;
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function against(serve: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    closing.push(() => socket.destroy());
    serve(socket);
  });
  closing.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

async function ask(
  url: string,
  timeout_ms = TIMEOUT_MS,
  headers: Record<string, string> = {},
): Promise<Called> {
  const agent = newAgent(1, undefined);
  closing.push(() => agent.destroy());
  return call(agent, { method: 'POST', url, headers, body: 'x'.repeat(1_000), timeout_ms });
}

const answering = (text: string, then: 'end' | 'reset' | 'open') => (socket: Socket) =>
  socket.once('data', () => {
    socket.write(text, () => {
      if (then === 'end') socket.end();
      if (then === 'reset') socket.resetAndDestroy();
    });
  });

describe('one HTTP call', () => {
  it('tells a whole answer from one that broke off', async () => {
    const whole = await against(answering('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}', 'end'));
    expect(await ask(whole)).toMatchObject({
      kind: 'answered',
      answer: { status: 200, body: '{}', complete: true },
    });
    const cut = await against(answering('HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{}', 'reset'));
    expect(await ask(cut)).toMatchObject({ kind: 'answered', answer: { status: 200, complete: false } });
    const endless = `HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n${'x'.repeat(100_000)}`;
    expect(await ask(await against(answering(endless, 'end')))).toMatchObject({
      answer: { complete: false },
    });
  });

  it('what was written and not answered is silent; what could not be written never started', async () => {
    expect(await ask(await against(answering('', 'end')))).toMatchObject({ kind: 'silent' });
    expect(await ask(await against(answering('nonsense\r\n\r\n', 'end')))).toMatchObject({ kind: 'silent' });
    expect(await ask(await against(() => undefined), SHORT_MS)).toEqual({
      kind: 'silent',
      reason: 'timeout',
    });
    expect(await ask('http://127.0.0.1:1/')).toEqual({ kind: 'not_started', reason: 'ECONNREFUSED' });
    expect(await ask('http://127.0.0.1:1/', TIMEOUT_MS, { 'x-a': 'a\r\nb' })).toMatchObject({
      kind: 'not_started',
    });
  });

  it('a redirect is an answer, and is not followed', async () => {
    const url = await against(
      answering('HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n', 'end'),
    );
    expect(await ask(url)).toMatchObject({ kind: 'answered', answer: { status: 307 } });
  });

  it('the connection is kept for the next call', async () => {
    let connections = 0;
    const url = await against((socket) => {
      connections++;
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'));
    });
    const agent = newAgent(1, undefined);
    closing.push(() => agent.destroy());
    for (let n = 0; n < 3; n++)
      expect(await call(agent, { method: 'GET', url, headers: {}, timeout_ms: TIMEOUT_MS })).toMatchObject({
        kind: 'answered',
      });
    expect(connections).toBe(1);
  });
});
