import fc from 'fast-check';
import { getCountries, getExampleNumber } from 'libphonenumber-js';
import examples from 'libphonenumber-js/mobile/examples';
import { describe, expect, it } from 'vitest';
import { fastPhone, normalizePhone, numberingPlan, slowPhone } from './phone-number.ts';

const codes = [...new Set(getCountries().map((country) => numberingPlan(country).callingCode()))];

/** Where the fast path answers, the library must give the same. */
function expectSame(text: string): boolean {
  const fast = fastPhone(text);
  if (fast !== null) expect(fast, text).toBe(slowPhone(text));
  return fast !== null;
}

describe('[CON-1] phone numbers', () => {
  it('[CON-1] are read the same by the fast path as by the library, in every calling code', () => {
    let answered = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...codes),
        fc.stringMatching(/^[0-9]{3,14}$/),
        fc.constantFrom('', ' ', '-', '.', ') ', ' ('),
        fc.integer({ min: 1, max: 6 }),
        (code, national, separator, at) => {
          const text = `+${code}${separator}${national.slice(0, at)}${separator}${national.slice(at)}`;
          if (expectSame(text)) answered += 1;
        },
      ),
      { numRuns: 30_000 },
    );
    // Or the test would say nothing.
    expect(answered).toBeGreaterThan(3_000);
  });

  it('[CON-1] of every country are read by the fast path when written internationally', () => {
    let answered = 0;
    for (const country of getCountries()) {
      const example = getExampleNumber(country, examples);
      if (example === undefined) continue;
      if (expectSame(example.number)) answered += 1;
      expectSame(example.formatInternational());
      expect(normalizePhone(example.formatInternational())).toBe(example.number);
      expect(normalizePhone(example.formatNational(), country)).toBe(example.number);
    }
    expect(answered).toBeGreaterThan(200);
  });

  it('[CON-1] lose their punctuation, and take the country given', () => {
    expect(normalizePhone('\u00a0+44 (0)20 7946 0018 ')).toBe('+442079460018');
    expect(normalizePhone('030 901820', 'DE')).toBe('+4930901820');
    expect(normalizePhone('0049 30 901820', 'DE')).toBe('+4930901820');
  });

  it('[CON-1] that are none are refused', () => {
    for (const text of [
      'call me',
      '12',
      '',
      '+',
      '+1',
      '+999 123456789',
      'ring 030 901820 twice',
      '030 901820',
    ])
      expect(normalizePhone(text), text).toBeNull();
    expect(normalizePhone('+1 202-555-0103 ext. 12')).toBeNull();
    expect(normalizePhone('12', 'US')).toBeNull();
  });
});
