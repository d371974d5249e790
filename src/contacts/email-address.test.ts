import { describe, expect, it } from 'vitest';
import { normalizeEmail } from './email-address.ts';

describe('[CON-1] e-mail addresses', () => {
  it('[CON-1] are trimmed, lower-cased and one for both forms of an international domain', () => {
    expect(normalizeEmail('\u00a0 Person@EXAMPLE.com\u200b')).toBe('person@example.com');
    expect(normalizeEmail('info@Bücher.example')).toBe('info@xn--bcher-kva.example');
    expect(normalizeEmail('info@xn--bcher-kva.example')).toBe('info@xn--bcher-kva.example');
    expect(normalizeEmail('jörg@example.com')).toBe('jo\u0308rg@example.com'.normalize('NFC'));
    expect(normalizeEmail("o'brien+news@mail.example.co.uk")).toBe("o'brien+news@mail.example.co.uk");
  });

  it('[CON-1] that cannot be one are refused', () => {
    const none = [
      'a@b@example.com',
      'two@@example.com',
      '@example.com',
      'a@',
      'not-an-email',
      'none',
      'trailing.@example.com',
      'trailing.@',
      '.leading@example.com',
      'two..dots@example.com',
      'spaces in@example.com',
      'a@example',
      'a@-example.com',
      'a@example-.com',
      'a@exa mple.com',
      'a@127.0.0.1',
      'a@[127.0.0.1]',
      'a@example.com.',
      'a,b@example.com',
      'Name <a@example.com>',
      'a\u200bb@example.com',
      'a\r\nBcc: b@example.com',
      `${'x'.repeat(65)}@example.com`,
      `a@${'x'.repeat(64)}.com`,
      '',
    ];
    for (const text of none) expect(normalizeEmail(text), text).toBeNull();
  });
});
