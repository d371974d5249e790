import { expect, it } from 'vitest';
import { textDecoder, Utf8Check } from './encoding.ts';

const VALID = ['', 'plain', 'Jürgen, 山田 😀\r\n', '\ufeffwith a mark', 'é', '😀😀', 'a\0b'].map((text) =>
  Buffer.from(text),
);
const INVALID = [
  [0xff],
  [0x61, 0xc3],
  [0xe5, 0xb1],
  [0xf0, 0x9f, 0x98],
  [0x80],
  [0x61, 0x80, 0x80, 0x80, 0x80],
  [0xc0, 0xaf],
  [0xed, 0xa0, 0x80],
  [0xf8, 0x88, 0x80, 0x80, 0x80],
  [0xc3, 0xc3, 0xa9],
  [0xf0, 0x9f, 0x61, 0x61],
].map((bytes) => Buffer.from(bytes));

/** In every size of pieces, so that characters are cut wherever they can be. */
function* cuts(bytes: Buffer): Generator<Buffer[]> {
  for (let size = 1; size <= Math.max(1, bytes.length); size++) {
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
    yield pieces;
  }
}

function isValid(pieces: Buffer[]): boolean {
  const check = new Utf8Check();
  for (const piece of pieces) check.add(piece);
  return check.end();
}

it('[CON-1] valid UTF-8 is known wherever its characters are cut', () => {
  for (const bytes of VALID) for (const pieces of cuts(bytes)) expect(isValid(pieces)).toBe(true);
});

it('[CON-1] invalid UTF-8 is known wherever it is cut, and after much that was valid', () => {
  for (const bytes of INVALID) {
    expect(() => new TextDecoder('utf-8', { fatal: true }).decode(bytes)).toThrow();
    for (const pieces of cuts(bytes)) {
      expect(isValid(pieces)).toBe(false);
      expect(isValid([...VALID, ...pieces])).toBe(false);
    }
  }
});

it('[CON-1] text comes out the same wherever its bytes are cut, marks and all', () => {
  for (const bytes of VALID) {
    for (const pieces of cuts(bytes)) {
      const decode = textDecoder('utf-8');
      expect(pieces.map((piece) => decode(piece)).join('') + decode()).toBe(bytes.toString());
    }
  }
  const wide = Buffer.from('\ufeffJürgen 😀', 'utf16le');
  for (const pieces of cuts(wide)) {
    const decode = textDecoder('utf-16le');
    expect(pieces.map((piece) => decode(piece)).join('') + decode()).toBe('\ufeffJürgen 😀');
  }
});
