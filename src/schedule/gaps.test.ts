import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placeWithGaps, type Slot } from './gaps.ts';

/** Open from `from` on in the first `open` of every `period`. */
const every = (period: number, open: number) => (moment: number) => {
  const start = Math.floor(moment / period) * period;
  return moment < start + open
    ? { not_before: moment, not_after: start + open }
    : { not_before: start + period, not_after: start + period + open };
};
const always = (moment: number) => ({ not_before: moment, not_after: null });

describe('moments with gaps between them', () => {
  it('[EXE-9] are as far apart as the gaps drawn, in order', () => {
    const taken: Slot[] = [];
    const items = [5, 3, 8].map((gap_ms) => ({ gap_ms, open: always }));
    expect(placeWithGaps(items, taken, { from: 100, now: 100 }).map((place) => place?.at)).toEqual([
      105, 108, 116,
    ]);
    expect(taken.map((slot) => slot.at)).toEqual([105, 108, 116]);
  });

  it('[EXE-9] of one that waits for tomorrow leave today to the others', () => {
    const places = placeWithGaps(
      [
        { gap_ms: 5, open: (moment) => ({ not_before: Math.max(moment, 1_000), not_after: null }) },
        { gap_ms: 5, open: always },
      ],
      [],
      { from: 0, now: 0 },
    );
    expect(places.map((place) => place?.at)).toEqual([1_000, 5]);
  });

  it('[EXE-9] keeps its own gap to one that lies where the gap to another has led', () => {
    const taken: Slot[] = [
      { at: 100, gap_ms: 0 },
      { at: 124, gap_ms: 0 },
    ];
    const [place] = placeWithGaps([{ gap_ms: 24, open: every(1, 1) }], taken, { from: 98, now: 98 });
    expect(place?.at).toBe(148);
  });

  it('[EXE-9] never one where there is none', () => {
    expect(placeWithGaps([{ gap_ms: 1, open: () => null }], [], { from: null, now: 0 })).toEqual([null]);
  });

  it('[EXE-9] [I9] keep every gap, lie in their openings, and leave those that were taken where they are', () => {
    const gap = fc.integer({ min: 0, max: 40 });
    const item = fc.record({
      gap_ms: gap,
      period: fc.integer({ min: 50, max: 200 }),
      open: fc.integer({ min: 1, max: 50 }),
    });
    fc.assert(
      fc.property(
        fc.array(item, { maxLength: 60 }),
        fc.array(item, { maxLength: 60 }),
        fc.nat(100),
        (one, two, from) => {
          const taken: Slot[] = [];
          const place = (items: typeof one) =>
            placeWithGaps(
              items.map(({ gap_ms, period, open }) => ({ gap_ms, open: every(period, open) })),
              taken,
              { from, now: from },
            );
          const first = place(one);
          const before = [...taken];
          const second = place(two);
          expect(taken.filter((slot) => before.includes(slot))).toEqual(before);
          const all = [
            ...one.map((i, n) => ({ ...i, ...first[n]! })),
            ...two.map((i, n) => ({ ...i, ...second[n]! })),
          ];
          expect(all).toHaveLength(one.length + two.length);
          for (const { at, period, open } of all) expect(at % period).toBeLessThan(open);
          for (const [i, slot] of taken.entries())
            expect(slot.at - (taken[i - 1]?.at ?? from)).toBeGreaterThanOrEqual(slot.gap_ms);
        },
      ),
    );
  });
});
