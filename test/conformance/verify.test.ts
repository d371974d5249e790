import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { smtp } from '../../src/channels/smtp/adapter.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { describePostfix, type Postfix, startPostfix } from '../support/postfix.ts';
import { request } from './email-target.ts';
import { newSecret, type SinkTarget, startSinkTarget } from './sink-target.ts';

const OPTIONS = { timeout_ms: 5_000, from: 'ada@example.test' };
const verify = (config: Record<string, unknown>, options = OPTIONS) =>
  smtp.verify(smtp.config.parse({ host: '127.0.0.1', ...config }), options);

describe('verifying a sender', () => {
  const password = newSecret();
  let target: SinkTarget;
  beforeAll(async () => {
    target = await startSinkTarget({ users: { ada: password } });
  });
  afterAll(() => target.common.stop());

  it('names each check and sends nothing', async () => {
    const result = await verify({ port: target.sink.port, username: 'ada', password });
    expect(result).toMatchObject({ ok: true, detail: `127.0.0.1:${target.sink.port} is ready to send.` });
    expect(result.checks.map(({ name, ok }) => [name, ok])).toEqual([
      ['connect', true],
      ['encrypt', true],
      ['sign_in', true],
      ['sender', true],
    ]);
    expect(target.sink.count()).toBe(0);
  });

  it('a wrong password is said in words, and is not in them', async () => {
    const wrong = newSecret();
    const result = await verify({ port: target.sink.port, username: 'ada', password: wrong });
    expect(result).toMatchObject({ ok: false, detail: expect.stringContaining('535 5.7.8') });
    expect(result.checks.at(-1)).toMatchObject({ name: 'sign_in', ok: false });
    expect(JSON.stringify(result)).not.toContain(wrong);
  });

  it('a password is not offered to a server that does not ask for one', async () => {
    const open = await startSinkTarget();
    const result = await verify({ port: open.sink.port, username: 'ada', password });
    await open.common.stop();
    expect(result.checks.at(-1)).toMatchObject({ name: 'sign_in', ok: false });
    expect(result.detail).toMatch(/does not offer to sign in/);
  });

  it('a closed port, a silent server and TLS where there is none each have their own sentence', async () => {
    const proxy = await startFaultProxy({ port: target.sink.port });
    proxy.plan({ stage: 'connect', how: 'stall' });
    const silent = await verify({ port: proxy.port }, { ...OPTIONS, timeout_ms: 300 });
    await proxy.stop();
    const closed = await verify({ port: proxy.port });
    const plain = await verify({ port: target.sink.port, secure: true });
    const needed = await verify({ port: target.sink.port, require_tls: true });
    expect(silent.detail).toMatch(/did not answer in time/);
    expect(closed.detail).toMatch(/Nothing listens on/);
    expect(plain.detail).toMatch(/secure: false/);
    expect(needed.checks.at(-1)).toMatchObject({ name: 'encrypt', ok: false });
  });

  it('a sender address that is none, or that the server refuses, fails the last check', async () => {
    const config = { port: target.sink.port, username: 'ada', password };
    expect((await verify(config, { ...OPTIONS, from: 'nobody' })).detail).toMatch(/not an e-mail address/);
    target.sink.faults.set({ refuse: { code: 553, text: '5.7.1 not yours', at: 'mail' }, times: 1 });
    const refused = await verify(config);
    expect(refused.checks.at(-1)).toMatchObject({ name: 'sender', ok: false });
    expect(refused.detail).toContain('553 5.7.1 not yours');
  });
});

describePostfix('STARTTLS with a real Postfix', () => {
  let postfix: Postfix;
  beforeAll(async () => {
    postfix = await startPostfix({ tls: true });
  });
  afterAll(() => postfix.stop());
  const trusting = { tls: { reject_unauthorized: false }, require_tls: true };

  it('a certificate nobody vouches for is refused unless told otherwise', async () => {
    const refused = await verify({ port: postfix.port });
    expect(refused.checks.at(-1)).toMatchObject({ name: 'encrypt', ok: false });
    expect(refused.detail).toMatch(/not trusted.*reject_unauthorized/);
    expect(await verify({ port: postfix.port, ...trusting })).toMatchObject({ ok: true });
  });

  it('messages go out over the encrypted connection, to domains beyond ASCII too', async () => {
    const config = { host: '127.0.0.1', port: postfix.port, ...trusting };
    const connection = smtp.connect(smtp.config.parse(config));
    const message = request('bob@münchen.example');
    expect(await connection.send(message)).toMatchObject({ kind: 'accepted' });
    await connection.close();
    await postfix.settled();
    expect(await postfix.accepted(message.message.message_id)).toBe(true);
    expect(await postfix.logged(/disconnect from .* starttls=1 /)).toBeGreaterThan(0);
  });

  it('a server that does not take the sender says so before any message', async () => {
    const result = await verify(
      { port: postfix.port, ...trusting },
      { ...OPTIONS, from: 'refused@example.test' },
    );
    expect(result.detail).toContain('not owned by you');
  });
});
