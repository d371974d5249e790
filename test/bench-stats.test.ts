import { describe, expect, it } from 'vitest';
import { drift, figure, MAX_DRIFT, measurePair, median, percentile, ratioByRound } from '../bench/stats.mjs';

/** Answers the given rates in order, and fails the test when asked for more. */
function rates(...values: number[]) {
  let asked = 0;
  const next = async () => {
    const value = values[asked];
    if (value === undefined) throw new Error('measured more often than expected');
    asked += 1;
    return value;
  };
  return Object.assign(next, { asked: () => asked });
}

describe('figures', () => {
  it('takes the middle of an odd number and the mean of the two middle ones of an even number', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 100])).toBe(7);
    expect(median([100, 20, 3])).toBe(20);
  });

  it('leaves the values in their order and refuses none', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
    expect(() => median([])).toThrow(RangeError);
    expect(() => percentile([], 0.5)).toThrow(RangeError);
  });

  it('gives percentiles by nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, n) => 100 - n);
    expect(percentile(values, 0.5)).toBe(50);
    expect(percentile(values, 0.99)).toBe(99);
    expect(percentile(values, 1)).toBe(100);
    expect(percentile([7], 0.01)).toBe(7);
  });

  it('names the unit beside median, least and most', () => {
    expect(figure([4, 2, 9], 'steps/s')).toEqual({ median: 4, min: 2, max: 9, unit: 'steps/s' });
  });
});

describe('a pair with the raw limit', () => {
  it('measures L before and after and compares with their mean', async () => {
    const limit = rates(100, 110);
    const pair = await measurePair({ limit, row: rates(63), mayRepeat: () => true });
    expect(pair).toEqual({
      before: 100,
      rate: 63,
      after: 110,
      of_limit: 0.6,
      steady: true,
      tries: 1,
      last: 110,
    });
  });

  it('takes the L of the pair before it as its first', async () => {
    const limit = rates(100);
    const pair = await measurePair({ before: 100, limit, row: rates(50), mayRepeat: () => true });
    expect(pair.of_limit).toBe(0.5);
    expect(limit.asked()).toBe(1);
  });

  it('is repeated while its two L differ by over a fifth', async () => {
    const limit = rates(100, 130, 120);
    const row = rates(10, 60);
    const pair = await measurePair({ limit, row, mayRepeat: () => true });
    expect(pair).toMatchObject({ before: 130, rate: 60, after: 120, steady: true, tries: 2 });
    expect(row.asked()).toBe(2);
  });

  it('accepts a difference of exactly a fifth, in either direction', async () => {
    expect(drift(100, 120)).toBeCloseTo(MAX_DRIFT);
    expect(drift(120, 100)).toBeCloseTo(MAX_DRIFT);
    const pair = await measurePair({ limit: rates(120, 100), row: rates(1), mayRepeat: () => false });
    expect(pair.steady).toBe(true);
  });

  it('stops when repeats are used up, keeps the steadiest try and says so', async () => {
    const limit = rates(100, 200, 140, 300);
    const tries: number[] = [];
    const pair = await measurePair({
      limit,
      row: rates(1, 2, 3),
      mayRepeat: (tried) => {
        tries.push(tried);
        return tried < 3;
      },
    });
    expect(pair).toMatchObject({ before: 200, rate: 2, after: 140, steady: false, tries: 3, last: 300 });
    expect(tries).toEqual([1, 2, 3]);
  });

  it('treats an L of nothing as disturbed', () => {
    expect(drift(0, 100)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('ratios of one run', () => {
  it('compares neighbours of the same round, so that a slow minute cancels out', () => {
    // The second round ran at a tenth of the speed; medians of the two columns would say 10 / 4.
    expect(ratioByRound([100, 10, 100], [40, 4, 50])).toBe(2.5);
    expect(ratioByRound([100, 1], [50, 1])).toBe(1.5);
  });

  it('skips rounds in which one of both is missing, and is null without a common one', () => {
    expect(ratioByRound([100, undefined, 90], [undefined, 50, 30])).toBe(3);
    expect(ratioByRound([100], [undefined])).toBeNull();
    expect(ratioByRound([], [1])).toBeNull();
    expect(ratioByRound([5], [0])).toBeNull();
  });
});
