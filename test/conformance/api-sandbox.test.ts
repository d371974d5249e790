/** The sandbox of provider APIs itself: strict like the true ones, inspectable, and it remembers. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { brevo } from '../../src/channels/brevo/adapter.ts';
import { resend } from '../../src/channels/resend/adapter.ts';
import { type Control, startControl } from '../../src/channels/sandbox-api/control.ts';
import { PROVIDERS } from '../../src/channels/sandbox-api/message.ts';
import { type ApiSandbox, startApiSandbox } from '../../src/channels/sandbox-api/server.ts';
import { signed } from '../../src/channels/ses/sign.ts';
import { request } from './email-target.ts';

let dir: string;
let sandbox: ApiSandbox;
let control: Control;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cadenza-mail-sandbox-'));
  sandbox = await startApiSandbox({ dir });
  control = await startControl(sandbox);
});
afterEach(async () => {
  await control.stop();
  await sandbox.stop();
  await rm(dir, { recursive: true, force: true });
});

async function ask(method: string, path: string, body?: unknown) {
  const response = await fetch(`http://127.0.0.1:${control.port}${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever JSON they expect
  const answer: any = await response.json();
  return { status: response.status, body: answer };
}

async function post(path: string, headers: Record<string, string>, body: unknown) {
  const response = await fetch(`http://127.0.0.1:${sandbox.port}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

async function sendOne() {
  const connection = resend.connect(resend.config.parse(sandbox.config('resend')));
  const message = request('bob@example.test');
  const outcome = await connection.send(message);
  await connection.close();
  if (outcome.kind !== 'accepted') throw new Error(JSON.stringify(outcome));
  return { message, id: outcome.provider_id! };
}

describe('the control port', () => {
  it('gives the configuration of a sender for each provider, and what was accepted', async () => {
    const { body: accounts } = await ask('GET', '/accounts');
    expect(Object.keys(accounts)).toEqual([...PROVIDERS]);
    expect(resend.config.parse(accounts.resend.config)).toMatchObject({
      base_url: `http://127.0.0.1:${sandbox.port}/resend`,
    });
    const { message, id } = await sendOne();
    const { body } = await ask('GET', `/messages?provider=resend&touch_id=${message.touch_id}`);
    expect(body.items).toMatchObject([
      { id, to: 'bob@example.test', subject: 'Hello', text: 'Hello there.\n' },
    ]);
    expect((await ask('GET', '/messages?to=nobody@example.test')).body.items).toEqual([]);
    expect((await ask('GET', '/messages?color=blue')).status).toBe(400);
    expect((await ask('GET', '/nothing')).status).toBe(404);
  });

  it('arms faults, by provider and recipient, so many times', async () => {
    await ask('PUT', '/plan', { faults: [{ fault: 'address', provider: 'brevo' }] });
    await sendOne();
    await ask('PUT', '/plan', { faults: [{ fault: 'unavailable', match: '^bob@', times: 1 }] });
    await expect(sendOne()).rejects.toThrow(/unavailable/);
    await sendOne();
    expect((await ask('PUT', '/plan', { faults: [{ fault: 'no such' }] })).status).toBe(400);
  });

  it('makes a signed webhook call, and delivers it where it is told', async () => {
    const { message, id } = await sendOne();
    const received: { headers: Record<string, unknown>; body: Buffer }[] = [];
    const hook = createServer(async (incoming, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk);
      received.push({ headers: incoming.headers, body: Buffer.concat(chunks) });
      response.writeHead(204).end();
    });
    await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/hooks/x`;
    const { body } = await ask('POST', '/webhooks', { provider: 'resend', id, event: 'delivered', url });
    expect(body.status).toBe(204);
    const { body: accounts } = await ask('GET', '/accounts');
    const [call] = received as [Parameters<NonNullable<typeof resend.webhook>['receive']>[0]];
    const trust = { secrets: [accounts.resend.webhook_secret], now: Date.now() };
    expect(resend.webhook!.receive(call, trust)).toMatchObject({
      kind: 'events',
      events: [{ type: 'delivered', provider_id: id, touch_id: message.touch_id }],
    });
    expect((await ask('POST', '/webhooks', { provider: 'resend', id: 'no', event: 'opened' })).status).toBe(
      400,
    );
    await new Promise((resolve) => hook.close(resolve));
  });
});

describe('after a restart', () => {
  async function restart(): Promise<void> {
    await control.stop();
    await sandbox.stop();
    sandbox = await startApiSandbox({ dir });
    control = await startControl(sandbox);
  }

  it('accounts, messages and keys are as they were; secrets are readable by their owner alone', async () => {
    const { id } = await sendOne();
    const key = sandbox.config('resend').api_key;
    await restart();
    expect(sandbox.config('resend').api_key).toBe(key);
    expect(sandbox.accounts.resend.messages).toMatchObject([{ id }]);
    expect((await stat(join(dir, 'accounts.json'))).mode & 0o077).toBe(0);
    const again = sandbox.accounts.resend.messages[0]!;
    expect(sandbox.accounts.resend.remembered(again, Date.now(), 60_000)).toMatchObject({ id });
  });

  it('a line that a kill cut short is no message', async () => {
    await sendOne();
    const journal = await readFile(sandbox.journal, 'utf8');
    await control.stop();
    await sandbox.stop();
    await writeFile(sandbox.journal, `${journal}{"event":"accepted","message":{"id":"cut`);
    sandbox = await startApiSandbox({ dir });
    control = await startControl(sandbox);
    expect(sandbox.accounts.resend.messages).toHaveLength(1);
  });

  it('keys are forgotten after their life', async () => {
    sandbox.plan({ key_life_ms: 1 });
    const connection = brevo.connect(brevo.config.parse(sandbox.config('brevo')));
    const message = request('bob@example.test');
    await connection.send(message);
    await expect
      .poll(async () => {
        await connection.send(message);
        return sandbox.accounts.brevo.messages.length;
      })
      .toBeGreaterThan(1);
    await connection.close();
  });
});

describe('requests that the true API would refuse', () => {
  const auth = () => ({ authorization: `Bearer ${sandbox.accounts.resend.secrets.key}` });
  const email = { from: 'ada@example.test', to: ['bob@example.test'], subject: 'x', text: 'y' };

  it.each([
    ['a field nobody documents', { ...email, touch: 'x' }, 422],
    ['no subject', { ...email, subject: undefined }, 422],
    ['no body', { ...email, text: undefined }, 422],
    ['a tag with a dot', { ...email, tags: [{ name: 'a.b', value: 'x' }] }, 422],
    ['no address', { ...email, to: ['bob'] }, 422],
    ['a domain that is not verified', { ...email, from: 'ada@example.net' }, 403],
  ])('resend: %s', async (_what, body, status) => {
    expect((await post('/resend/emails', auth(), body)).status).toBe(status);
    expect(sandbox.accounts.resend.messages).toEqual([]);
  });

  it('resend: no key, another path, another method', async () => {
    expect((await post('/resend/emails', {}, email)).status).toBe(401);
    expect((await post('/resend/mails', auth(), email)).status).toBe(404);
    expect((await post('/elsewhere/emails', auth(), email)).status).toBe(404);
  });

  it('postmark: metadata that is too long, a stream that does not exist', async () => {
    const headers = { 'x-postmark-server-token': sandbox.accounts.postmark.secrets.key };
    const mail = { From: 'ada@example.test', To: 'bob@example.test', Subject: 'x', TextBody: 'y' };
    const long = await post('/postmark/email', headers, { ...mail, Metadata: { ['k'.repeat(21)]: 'v' } });
    expect(long.status).toBe(422);
    const stream = await post('/postmark/email', headers, { ...mail, MessageStream: 'nowhere' });
    expect(JSON.parse(stream.text)).toMatchObject({ ErrorCode: 1235 });
  });

  it('brevo: a key that is no UUID, plain text alone', async () => {
    const headers = { 'api-key': sandbox.accounts.brevo.secrets.key };
    const mail = { sender: { email: 'ada@example.test' }, to: [{ email: 'bob@example.test' }], subject: 'x' };
    const html = '<p>Hello there</p>';
    const odd = { ...mail, htmlContent: html, headers: { idempotencyKey: 'touch.1' } };
    expect((await post('/brevo/v3/smtp/email', headers, odd)).text).toContain('UUID');
    expect((await post('/brevo/v3/smtp/email', headers, { ...mail, textContent: 'y' })).status).toBe(400);
  });

  it('ses: a request signed long ago, with another secret, or changed after', async () => {
    const { key, secret } = sandbox.accounts.ses.secrets;
    const url = `http://127.0.0.1:${sandbox.port}/ses/v2/email/account`;
    const call = { method: 'GET', url, headers: { accept: 'application/json' } };
    const status = async (at: Date, secret_access_key: string, ask = url) => {
      const credentials = { access_key_id: key, secret_access_key, region: 'eu-west-1', service: 'ses' };
      return (await fetch(ask, { headers: signed(call, credentials, at) })).status;
    };
    expect(await status(new Date(), secret!)).toBe(200);
    expect(await status(new Date(Date.now() - 600_000), secret!)).toBe(403);
    expect(await status(new Date(), 'another')).toBe(403);
    expect(await status(new Date(), secret!, `${url}?x=1`)).toBe(403);
  });
});
