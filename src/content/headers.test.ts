import { describe, expect, it } from 'vitest';
import { emailHeaders, followUpSubject, oneLine } from './headers.ts';

describe('e-mail headers', () => {
  it('[CON-5] carry one-click unsubscribing as RFC 8058 wants it', () => {
    const headers = emailHeaders({
      unsubscribe_url: 'https://example.com/u/abc',
      unsubscribe_mailto: 'mailto:stop@example.com?subject=stop',
      feedback_id: 'seq1:org1:sequence:cadenza',
    });
    expect(headers).toEqual({
      'List-Unsubscribe': '<https://example.com/u/abc>, <mailto:stop@example.com?subject=stop>',
      'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
      'Feedback-ID': 'seq1:org1:sequence:cadenza',
    });
  });

  it('cannot be ended early by what is put into them', () => {
    const headers = emailHeaders({
      unsubscribe_url: 'https://example.com/u/a>\r\nBcc: x@example.com',
      feedback_id: 'a\r\nBcc: y@example.com',
    });
    const all = Object.values(headers).join('');
    for (const character of ['\r', '\n', '\u0000', '\u2028']) expect(all).not.toContain(character);
    expect(headers['List-Unsubscribe']).toBe('<https://example.com/u/aBcc:x@example.com>');
    expect(headers['Feedback-ID']).toBe('a Bcc: y@example.com');
    expect(oneLine(' a\r\n\tb ')).toBe('a b');
  });

  it('do not double the Re: of a follow-up', () => {
    expect(followUpSubject('Hello')).toBe('Re: Hello');
    expect(followUpSubject('Re: Hello')).toBe('Re: Hello');
    expect(followUpSubject('RE : Hello')).toBe('RE : Hello');
    expect(followUpSubject('Regarding Hello\r\n')).toBe('Re: Regarding Hello');
  });
});
