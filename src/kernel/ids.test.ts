import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isUuid, newId, touchId } from './ids.ts';

const SOURCE = '01934f5e-6a00-7abc-9def-0123456789ab';

describe('new ids', () => {
  it('are UUIDv7: the milliseconds first, then version and variant, and no two alike', () => {
    const ids = Array.from({ length: 2000 }, () => newId(0x0193_4f5e_6a00));
    for (const id of ids) expect(id).toMatch(/^01934f5e-6a00-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every(isUuid)).toBe(true);
  });

  it('grow with time', () => {
    expect(newId(1_700_000_000_000) < newId(1_700_000_000_001)).toBe(true);
  });
});

describe('touch ids', () => {
  it('[EXE-4] are the same for the same plan key, in every process and every version', () => {
    // Pinned: a change of these would plan every waiting touch a second time.
    expect(touchId(SOURCE, '1.step.1')).toBe('01934f5e-6a00-7c58-9a51-519e231b6ef6');
    expect(touchId(SOURCE, 'ada@example.com')).toBe('01934f5e-6a00-747e-a7e4-ec498067d7ae');
  });

  it("carry the source's time and 74 bits of the hash over source and key", () => {
    const digest = createHash('sha256').update(`${SOURCE}.1.step.1`).digest('hex');
    const bits = (BigInt(`0x${digest.slice(0, 20)}`) & ~(0xfn << 76n)) | (0x7n << 76n);
    const expected = (bits & ~(0x3n << 62n)) | (0x2n << 62n);
    expect(touchId(SOURCE, '1.step.1').replaceAll('-', '')).toBe(
      `01934f5e6a00${expected.toString(16).padStart(20, '0')}`,
    );
  });

  it('differ with the key and with the source', () => {
    const other = '01934f5e-6a00-7abc-9def-0123456789ac';
    const ids = [touchId(SOURCE, '1.a.1'), touchId(SOURCE, '1.a.2'), touchId(other, '1.a.1')];
    expect(new Set(ids).size).toBe(3);
    expect(ids.every(isUuid)).toBe(true);
  });
});
