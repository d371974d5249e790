/** What never leaves, and how much may leave at once. */
import { expect, it } from 'vitest';
import type { EmailMessage } from '../../src/kernel/message.ts';
import { request, type World } from './email-target.ts';

const INJECTION = 'x\r\nBcc: everyone@example.test';

export function limits(world: () => World): void {
  const injected: [string, Partial<EmailMessage>][] = [
    ['the subject', { subject: INJECTION }],
    ['a name', { from: { name: INJECTION, address: 'ada@example.test' } }],
    ['the recipient', { to: { address: `bob@example.test${INJECTION}` } }],
    ['a message id', { message_id: `a@b>${INJECTION}` }],
    ['a reference', { references: [INJECTION] }],
    ['a header value', { headers: { 'Feedback-ID': INJECTION } }],
    ['a header name', { headers: { 'X-A: b\r\nBcc': 'everyone@example.test' } }],
    ['a bare line feed', { headers: { 'Feedback-ID': 'a\nBcc: everyone@example.test' } }],
    ['a second Subject', { headers: { subject: 'Another' } }],
  ];
  for (const [where, flaw] of injected) {
    it(`a header smuggled in through ${where} is refused before anything is sent`, async () => {
      const { target, proxy, connect } = world();
      const before = proxy.connections.total;
      const message = request(target.recipient('ok'), flaw);
      expect(await connect().send(message)).toMatchObject({
        kind: 'refused',
        permanence: 'permanent',
      });
      expect(proxy.connections.total).toBe(before);
    });
  }

  it('never starts more than its capacity, and says so without touching the server', async () => {
    const { target, proxy, connect } = world();
    const connection = connect({ max_connections: 3 });
    expect(connection.capacity()).toBe(3);
    proxy.delay(50);
    await target.settled();
    proxy.connections.peak = proxy.connections.open;
    const sends = [1, 2, 3].map(() => connection.send(request(target.recipient('ok'))));
    expect(connection.capacity()).toBe(0);
    expect((await connection.send(request(target.recipient('ok')))).kind).toBe('not_started');
    expect((await Promise.all(sends)).map(({ kind }) => kind)).toEqual(['accepted', 'accepted', 'accepted']);
    expect(connection.capacity()).toBe(3);
    expect(proxy.connections.peak).toBe(3);
  });

  it('a rate bounds how many may start', async () => {
    const { target, connect } = world();
    const connection = connect({ max_connections: 5, rate_per_second: 2 });
    expect(connection.capacity()).toBe(2);
    const first = await Promise.all([1, 2, 3].map(() => connection.send(request(target.recipient('ok')))));
    expect(first.map(({ kind }) => kind).sort()).toEqual(['accepted', 'accepted', 'not_started']);
  });

  it('closing lets a message in progress end', async () => {
    const { target, proxy, connect } = world();
    const connection = connect();
    proxy.delay(50);
    let ended: string | undefined;
    void connection.send(request(target.recipient('ok'))).then(({ kind }) => {
      ended = kind;
    });
    await connection.close();
    expect(ended).toBe('accepted');
    expect(connection.capacity()).toBe(0);
    expect((await connection.send(request(target.recipient('ok')))).kind).toBe('not_started');
  });
}
