import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { smtp } from './adapter.ts';
import { SmtpConfigSchema } from './config.ts';

const base = { host: 'mail.example.com', port: 587 };

describe('an SMTP configuration', () => {
  it('has defaults for all but the host', () => {
    expect(SmtpConfigSchema.parse({ host: 'mail.example.com' })).toMatchObject({
      port: 587,
      secure: false,
      max_connections: 5,
      require_tls: false,
    });
  });

  it('a password never travels in the clear unless the server is on this machine or the owner says so', () => {
    const signed = { ...base, username: 'a', password: 'b' };
    expect(SmtpConfigSchema.parse(signed).require_tls).toBe(true);
    expect(SmtpConfigSchema.parse({ ...signed, host: '127.0.0.1' }).require_tls).toBe(false);
    expect(SmtpConfigSchema.parse({ ...signed, host: 'localhost' }).require_tls).toBe(false);
    expect(SmtpConfigSchema.parse({ ...signed, host: '127.0.0.1.example.com' }).require_tls).toBe(true);
    expect(SmtpConfigSchema.parse({ ...signed, require_tls: false }).require_tls).toBe(false);
  });

  it('nonsense is refused by name', () => {
    const ed25519 = generateKeyPairSync('ed25519')
      .privateKey.export({ type: 'pkcs8', format: 'pem' })
      .toString();
    const dkim = { domain: 'example.com', selector: 's', private_key: 'no key' };
    const broken: [string, Record<string, unknown>][] = [
      ['host', { host: 'mail.example.com\r\nX' }],
      ['port', { port: 70_000 }],
      ['password', { username: 'a' }],
      ['username', { password: 'a' }],
      ['max_connections', { max_connections: 0 }],
      ['rate_per_second', { rate_per_second: 0 }],
      ['ehlo', { ehlo: 'x y' }],
      ['dkim.private_key', { dkim }],
      ['dkim.private_key', { dkim: { ...dkim, private_key: ed25519 } }],
    ];
    for (const [path, part] of broken) {
      const result = SmtpConfigSchema.safeParse({ ...base, ...part });
      expect(
        result.error?.issues.map((issue) => issue.path.join('.')),
        path,
      ).toContain(path);
    }
    expect(SmtpConfigSchema.safeParse({ ...base, unknown: 1 }).success).toBe(false);
  });

  it('names its secrets', () => {
    expect(smtp.secret_fields).toEqual(['password', 'dkim.private_key']);
  });
});
