/** Trying an account: each check is named, nothing is sent, no secret is in what is said. */
import { expect, it } from 'vitest';
import type { MailApiTarget } from './api-target.ts';
import type { Traits } from './mail-api-sends.ts';

const OPTIONS = { timeout_ms: 5_000, from: 'ada@example.test' };

export function verifying(world: () => MailApiTarget, { wrong_key }: Traits): void {
  const verify = (more: Record<string, unknown> = {}, options = OPTIONS) => {
    const { adapter, sandbox, provider } = world();
    return adapter.verify(adapter.config.parse({ ...sandbox.config(provider), ...more }), options);
  };

  it('an account that is in order passes every check, and nothing is sent', async () => {
    const { sandbox, provider } = world();
    const before = sandbox.accounts[provider].messages.length;
    const result = await verify();
    expect(result).toMatchObject({ ok: true, detail: expect.stringContaining('ready to send') });
    expect(result.checks.map(({ name }) => name)).toEqual(expect.arrayContaining(['connect', 'sign_in']));
    expect(result.checks.every(({ ok }) => ok)).toBe(true);
    expect(sandbox.accounts[provider].messages).toHaveLength(before);
  });

  it('a wrong key is said in words, and is not in them', async () => {
    const result = await verify(wrong_key);
    expect(result.ok).toBe(false);
    expect(result.checks.at(-1)).toMatchObject({ name: 'sign_in', ok: false });
    for (const secret of Object.values(wrong_key)) expect(JSON.stringify(result)).not.toContain(secret);
  });

  it('an address where nothing listens, and one that is not the API, each have their own sentence', async () => {
    const nobody = await verify({ base_url: 'http://127.0.0.1:1' });
    expect(nobody).toMatchObject({ ok: false, detail: expect.stringContaining('Nothing listens at') });
    const { sandbox } = world();
    const elsewhere = await verify({ base_url: `http://127.0.0.1:${sandbox.port}/elsewhere` });
    expect(elsewhere.ok).toBe(false);
  });

  it('a sender whose domain the account does not have is named, where the provider can be asked', async () => {
    if (!['resend', 'brevo', 'ses'].includes(world().provider)) return;
    const result = await verify({}, { ...OPTIONS, from: 'ada@unknown.example.net' });
    expect(result.checks.at(-1)).toMatchObject({ name: 'sender', ok: false });
    expect(result.detail).toContain('unknown.example.net');
  });

  it('a key in the clear is not sent to another machine', () => {
    const { adapter, sandbox, provider } = world();
    const config = { ...sandbox.config(provider), base_url: 'http://api.example.test' };
    expect(() => adapter.config.parse(config)).toThrow(/https/);
  });
}
