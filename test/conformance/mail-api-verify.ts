/** Trying an account: each check is named, nothing is sent, no secret is in what is said. */
import { expect, it } from 'vitest';
import { inOrder, verifier, wrongKey } from './api-suite.ts';
import type { MailApiTarget } from './api-target.ts';
import type { Traits } from './mail-api-sends.ts';

export function verifying(world: () => MailApiTarget, { wrong_key }: Traits): void {
  const verify = verifier(world, () => 'ada@example.test');
  inOrder(world, verify, ['connect', 'sign_in']);
  wrongKey(verify, wrong_key);

  it('an address where nothing listens, and one that is not the API, each have their own sentence', async () => {
    const nobody = await verify({ base_url: 'http://127.0.0.1:1' });
    expect(nobody).toMatchObject({ ok: false, detail: expect.stringContaining('Nothing listens at') });
    const { sandbox } = world();
    const elsewhere = await verify({ base_url: `http://127.0.0.1:${sandbox.port}/elsewhere` });
    expect(elsewhere.ok).toBe(false);
  });

  it('a sender whose domain the account does not have is named, where the provider can be asked', async () => {
    if (!['resend', 'brevo', 'ses'].includes(world().provider)) return;
    const result = await verify({}, 'ada@unknown.example.net');
    expect(result.checks.at(-1)).toMatchObject({ name: 'sender', ok: false });
    expect(result.detail).toContain('unknown.example.net');
  });

  it('a key in the clear is not sent to another machine', () => {
    const { adapter, sandbox, provider } = world();
    const config = { ...sandbox.config(provider), base_url: 'http://api.example.test' };
    expect(() => adapter.config.parse(config)).toThrow(/https/);
  });
}
