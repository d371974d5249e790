import { describe, expect, it } from 'vitest';
import { estimatedCost } from './price.ts';

describe('[SEQ-1] what a text message costs', () => {
  const price = {
    amount: '0.0079',
    currency: 'USD',
    prefixes: { '+49': '0.0750', '+4915': '0.1', '+1': '0' },
  };

  it.each([
    ['+33123456789', 1, '0.0079'],
    ['+33123456789', 3, '0.0237'],
    ['+493055520', 2, '0.1500'],
    ['+4915123456', 3, '0.3'],
    ['+14155550100', 9, '0'],
  ])('to %s in %i segments: %s, to the last digit', (to, segments, amount) => {
    expect(estimatedCost(price, to, segments)).toEqual({ amount, currency: 'USD' });
  });

  it('whole amounts stay whole', () => {
    expect(estimatedCost({ amount: '12', currency: 'JPY' }, '+8112345678', 10)).toEqual({
      amount: '120',
      currency: 'JPY',
    });
  });
});
