import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { contentHash } from './content-hash.ts';

describe('the content hash', () => {
  it('is the first 16 bytes of SHA-256 over subject, text and HTML of an e-mail', () => {
    const expected = createHash('sha256').update('s\0t é\0<p>h</p>').digest('hex').slice(0, 32);
    expect(contentHash(['s', 't é', '<p>h</p>'])).toBe(expected);
  });

  it('changes with every part and with where a part ends', () => {
    const hashes = [
      ['a', 'b', 'c'],
      ['ab', '', 'c'],
      ['a', 'bc', ''],
      ['a', 'b', 'd'],
    ].map(contentHash);
    expect(new Set(hashes).size).toBe(4);
  });
});
