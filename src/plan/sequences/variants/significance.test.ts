import { describe, expect, it } from 'vitest';
import { judge } from './significance.ts';

const RULE = { minimum_sample: 100, confidence: 0.95, margin: 0 };
const arm = (key: string, contacts: number, converted: number) => ({ key, contacts, converted });

describe('a winner', () => {
  it('[SEQ-14] needs the minimum sample of every arm, however clear it is', () => {
    const few = judge([arm('a', 99, 0), arm('b', 5_000, 4_000)], RULE);
    expect(few).toMatchObject({ leader: 'b', winner: null, open: 'minimum_sample' });
    expect(judge([arm('a', 100, 0), arm('b', 5_000, 4_000)], RULE)).toMatchObject({
      winner: 'b',
      open: null,
    });
    expect(judge([arm('a', 0, 0), arm('b', 0, 0)], RULE)).toMatchObject({
      leader: null,
      open: 'minimum_sample',
    });
  });

  it('[SEQ-14] needs more than chance would give', () => {
    expect(judge([arm('a', 100, 10), arm('b', 100, 12)], RULE)).toMatchObject({
      leader: 'b',
      winner: null,
      open: 'not_significant',
    });
    expect(judge([arm('a', 100, 10), arm('b', 100, 30)], RULE)).toMatchObject({ winner: 'b' });
    expect(judge([arm('a', 100, 10), arm('b', 100, 10)], RULE)).toMatchObject({
      leader: null,
      open: 'no_difference',
    });
  });

  it('[SEQ-14] must beat each other arm, and by the margin', () => {
    const three = [arm('a', 400, 20), arm('b', 400, 100), arm('c', 400, 101)];
    expect(judge(three, RULE)).toMatchObject({ leader: 'c', winner: null, open: 'not_significant' });
    const clear = [arm('a', 400, 20), arm('b', 400, 60), arm('c', 400, 130)];
    expect(judge(clear, RULE)).toMatchObject({ winner: 'c' });
    expect(judge(clear, { ...RULE, margin: 0.2 })).toMatchObject({
      leader: 'c',
      winner: null,
      open: 'margin',
    });
  });

  it('[SEQ-14] z is the two-proportion statistic; the bound at the minimum sample is that of the mixture test', () => {
    // 30 of 100 and 10 of 100: pooled 0.2, standard error sqrt(0.16 · 2 / 100)
    const [one] = judge([arm('a', 100, 10), arm('b', 100, 30)], RULE).comparisons;
    expect(one!.z).toBeCloseTo(0.2 / Math.sqrt(0.0032), 10);
    expect(one!.needed).toBeCloseTo(3.034, 2);
    const [later] = judge([arm('a', 10_000, 1_000), arm('b', 10_000, 3_000)], RULE).comparisons;
    expect(later!.needed).toBeGreaterThan(3.4);
    expect(later!.needed).toBeLessThan(3.7);
    const stricter = judge([arm('a', 100, 10), arm('b', 100, 30)], {
      ...RULE,
      confidence: 0.999,
    }).comparisons;
    expect(stricter[0]!.needed).toBeGreaterThan(one!.needed);
  });

  it('[SEQ-14] looked at after every message, arms that are alike have a winner in no more than one test of twenty', () => {
    const random = seeded(20_251_122);
    const TESTS = 600;
    const SENT = 1_500;
    for (const arms of [2, 4]) {
      let wrong = 0;
      let ordinary = 0;
      for (let test = 0; test < TESTS; test++) {
        const counts = Array.from({ length: arms }, (_, i) => arm(`v${i}`, 0, 0));
        let decided = false;
        let plain = false;
        for (let sent = 1; sent <= SENT && !decided; sent++) {
          for (const one of counts) {
            one.contacts++;
            if (random() < 0.3) one.converted++;
          }
          if (sent < RULE.minimum_sample || sent % 5 > 0) continue;
          const judgement = judge(counts, RULE);
          decided = judgement.winner !== null;
          plain ||= judgement.comparisons.some(({ z }) => z > 1.96);
        }
        if (decided) wrong++;
        if (plain) ordinary++;
      }
      expect(wrong / TESTS).toBeLessThan(0.05);
      // what it is for: the ordinary test, asked as often
      expect(ordinary / TESTS).toBeGreaterThan(0.2);
    }
  });

  it('[SEQ-14] a real difference is found', () => {
    const random = seeded(7);
    let found = 0;
    for (let test = 0; test < 200; test++) {
      const counts = [arm('a', 0, 0), arm('b', 0, 0)];
      for (let sent = 1; sent <= 1_500; sent++) {
        for (const [i, one] of counts.entries()) {
          one.contacts++;
          if (random() < (i === 0 ? 0.1 : 0.16)) one.converted++;
        }
      }
      if (judge(counts, RULE).winner === 'b') found++;
    }
    expect(found).toBeGreaterThan(180);
  });
});

/** mulberry32: the same numbers in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
