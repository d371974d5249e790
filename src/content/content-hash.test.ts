import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { contentHash } from './content-hash.ts';

describe('the content hash', () => {
  it('is the first 16 bytes of SHA-256 over subject, text and HTML', () => {
    const expected = createHash('sha256').update('s\0t é\0<p>h</p>').digest('hex').slice(0, 32);
    expect(contentHash({ subject: 's', text: 't é', html: '<p>h</p>' })).toBe(expected);
    expect(contentHash({ subject: 's', text: 't', html: null })).toBe(
      contentHash({ subject: 's', text: 't' }),
    );
  });

  it('changes with every part and with where a part ends', () => {
    const hashes = [
      { subject: 'a', text: 'b', html: 'c' },
      { subject: 'ab', text: '', html: 'c' },
      { subject: 'a', text: 'bc', html: '' },
      { subject: 'a', text: 'b', html: 'd' },
    ].map(contentHash);
    expect(new Set(hashes).size).toBe(4);
  });
});
