import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sizeOfSms } from './sms-segments.ts';

const GSM = [
  ...'@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà\n',
];
const EXTENDED = [...'^{}\\[~]|€'];

/** Segments as a phone would put them together: characters into parts until one does not fit. */
function parts(costs: number[], alone: number, each: number): number {
  const total = costs.reduce((a, b) => a + b, 0);
  if (total <= alone) return 1;
  const filled = [0];
  for (const cost of costs) {
    if (filled.at(-1)! + cost <= each) filled[filled.length - 1]! += cost;
    else filled.push(cost);
  }
  return filled.length;
}

describe('[SEQ-1] the size of a text message', () => {
  it.each([
    ['', 'gsm7', 0, 1],
    ['a'.repeat(160), 'gsm7', 160, 1],
    ['a'.repeat(161), 'gsm7', 161, 2],
    ['a'.repeat(306), 'gsm7', 306, 2],
    ['a'.repeat(307), 'gsm7', 307, 3],
    ['€'.repeat(80), 'gsm7', 160, 1],
    ['€'.repeat(81), 'gsm7', 162, 2],
    // 152 septets and an escape pair: the pair moves to the next part as a whole.
    [`${'a'.repeat(152)}€${'a'.repeat(152)}`, 'gsm7', 306, 3],
    ['ж'.repeat(70), 'ucs2', 70, 1],
    ['ж'.repeat(71), 'ucs2', 71, 2],
    ['😀'.repeat(35), 'ucs2', 70, 1],
    // 67 units hold 33 pairs and one unit that stays empty.
    ['😀'.repeat(67), 'ucs2', 134, 3],
    ['à la carte', 'gsm7', 10, 1],
    ['â la carte', 'ucs2', 10, 1],
    ['it’s', 'ucs2', 4, 1],
    ['`', 'ucs2', 1, 1],
  ] as const)('%j', (text, encoding, units, segments) => {
    expect(sizeOfSms(text)).toEqual({ encoding, units, segments });
  });

  it('of the 7-bit alphabet is what filling its parts by hand gives', () => {
    const character = fc.constantFrom(...GSM, ...EXTENDED);
    fc.assert(
      fc.property(fc.array(character, { maxLength: 700 }), (characters) => {
        const size = sizeOfSms(characters.join(''));
        const costs = characters.map((one) => (EXTENDED.includes(one) ? 2 : 1));
        expect(size.encoding).toBe('gsm7');
        expect(size.segments).toBe(parts(costs, 160, 153));
      }),
    );
  });

  it('of anything else is counted in UTF-16, and never parts a pair', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const size = sizeOfSms(`${text}ж`);
        expect(size.encoding).toBe('ucs2');
        expect(size.units).toBe(text.length + 1);
        expect(size.segments).toBe(
          parts(
            [...`${text}ж`].map((one) => one.length),
            70,
            67,
          ),
        );
      }),
    );
  });

  it('grows with its text, and by one segment at most a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), fc.constantFrom(...GSM), (text, more) => {
        const before = sizeOfSms(text);
        const after = sizeOfSms(text + more);
        expect(after.segments - before.segments).toBeGreaterThanOrEqual(0);
        expect(after.segments - before.segments).toBeLessThanOrEqual(1);
      }),
    );
  });
});
