import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId } from '../../../kernel/ids.ts';
import type { Step, Variant } from '../definition.ts';
import { armedStep, assignedArm, withVariant } from './arm.ts';

type Share = Pick<Variant, 'key' | 'weight'>;

const uuid = fc.uuid();
const shares = fc.uniqueArray(
  fc.record({
    key: fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,10}$/),
    weight: fc.double({ min: 0.001, max: 1_000_000, noNaN: true }),
  }),
  { selector: (share) => share.key, minLength: 2, maxLength: 10 },
);

function armsOf(count: number, variants: readonly Share[], step = newId()): string[] {
  return Array.from({ length: count }, (_, i) => assignedArm(step, contact(i), variants));
}

/** The same in every run: shares of a sample are then no matter of luck. */
function contact(i: number): string {
  return `018f0000-0000-7000-8000-${String(i).padStart(12, '0')}`;
}

const STEP = '018f0000-0000-7000-8000-00000000abcd';

describe('the arm of a contact', () => {
  it('[SEQ-14] follows from contact, step and arms alone, in whatever order the arms stand', () => {
    fc.assert(
      fc.property(uuid, uuid, shares, fc.nat(), (step, person, variants, turn) => {
        const arm = assignedArm(step, person, variants);
        expect(variants.map((one) => one.key)).toContain(arm);
        const at = turn % variants.length;
        const turned = [...variants.slice(at), ...variants.slice(0, at)];
        expect(assignedArm(step, person, turned)).toBe(arm);
      }),
    );
  });

  it('[SEQ-14] weights say shares, not amounts', () => {
    fc.assert(
      fc.property(uuid, uuid, shares, fc.integer({ min: 1, max: 20 }), (step, person, variants, power) => {
        // by a power of two, which rounds nothing
        const scaled = variants.map(({ key, weight }) => ({ key, weight: weight * 2 ** power }));
        expect(assignedArm(step, person, scaled)).toBe(assignedArm(step, person, variants));
      }),
    );
  });

  it('[SEQ-14] changes only towards an arm that gained, or away from one that lost', () => {
    fc.assert(
      fc.property(
        uuid,
        uuid,
        shares,
        fc.nat(),
        fc.double({ min: 1, max: 50, noNaN: true }),
        (step, person, variants, which, times) => {
          const at = which % variants.length;
          const { key } = variants[at]!;
          const raised = variants.map((one, i) => (i === at ? { ...one, weight: one.weight * times } : one));
          const before = assignedArm(step, person, variants);
          const after = assignedArm(step, person, raised);
          expect([before, key]).toContain(after);
          const without = variants.filter((_, i) => i !== at);
          if (before !== key) expect(assignedArm(step, person, without)).toBe(before);
        },
      ),
    );
  });

  it('[SEQ-14] shares are as the weights', () => {
    const n = 40_000;
    for (const weights of [
      [1, 1],
      [9, 1],
      [5, 3, 2],
      [0.5, 0.25, 0.125, 0.125],
    ]) {
      const variants = weights.map((weight, i) => ({ key: `v${i}`, weight }));
      const total = weights.reduce((a, b) => a + b);
      const arms = armsOf(n, variants, STEP);
      let chi = 0;
      for (const { key, weight } of variants) {
        const expected = (n * weight) / total;
        chi += (arms.filter((arm) => arm === key).length - expected) ** 2 / expected;
      }
      // 99.9 % of samples of three degrees of freedom lie below it
      expect(chi).toBeLessThan(16.3);
    }
  });

  it('[SEQ-14] two steps of a sequence divide the same people anew', () => {
    const variants = [
      { key: 'a', weight: 1 },
      { key: 'b', weight: 1 },
    ];
    const [first, second] = [armsOf(10_000, variants, STEP), armsOf(10_000, variants)];
    const same = first.filter((arm, i) => arm === second[i]).length;
    expect(same / 10_000).toBeGreaterThan(0.47);
    expect(same / 10_000).toBeLessThan(0.53);
  });

  it('[SEQ-14] other weights move as few contacts as shares allow', () => {
    const n = 40_000;
    const moved = (from: number[], to: number[]) => {
      const named = (weights: number[]) => weights.map((weight, i) => ({ key: `v${i}`, weight }));
      const [before, after] = [armsOf(n, named(from), STEP), armsOf(n, named(to), STEP)];
      return before.filter((arm, i) => arm !== after[i]).length / n;
    };
    expect(Math.abs(moved([1, 1], [7, 3]) - 0.2)).toBeLessThan(0.01);
    expect(Math.abs(moved([1, 1], [1, 1, 1]) - 1 / 3)).toBeLessThan(0.01);
    expect(Math.abs(moved([1, 1, 1], [1, 1]) - 1 / 3)).toBeLessThan(0.01);
    expect(moved([2, 3, 5], [4, 6, 10])).toBe(0);
  });
});

describe('what an arm says', () => {
  const step = {
    id: STEP,
    channel: 'email',
    mode: 'automatic',
    delay: { amount: 0, unit: 'minutes' },
    subject: 'Own',
    body_text: 'Own text',
    body_html: '<p>Own</p>',
  } as Step;
  const arm = (more: Partial<Variant>): Variant => ({ key: 'x', weight: 1, ...more });

  it('[SEQ-14] replaces subject and body, each as a whole', () => {
    expect(withVariant(step, arm({ subject: 'Other' }))).toMatchObject({
      subject: 'Other',
      body_text: 'Own text',
      body_html: '<p>Own</p>',
    });
    const texted = withVariant(step, arm({ body_text: 'Other' }));
    expect(texted).toMatchObject({ subject: 'Own', body_text: 'Other' });
    expect(texted).not.toHaveProperty('body_html');
    expect(withVariant(step, arm({ subject: '' })).subject).toBe('');
    expect(withVariant(step, arm({}))).toMatchObject({ subject: 'Own', body_text: 'Own text' });
  });

  it('[SEQ-14] the arm that was sent comes before the winner, and the winner before the assigned; unknown ones do not count', () => {
    const varied = { ...step, variants: [arm({ key: 'a' }), arm({ key: 'b' })] };
    const assigned = assignedArm(STEP, contact(1), varied.variants);
    const other = assigned === 'a' ? 'b' : 'a';
    expect(armedStep(varied, contact(1), {}).variant).toBe(assigned);
    expect(armedStep(varied, contact(1), { winner: other }).variant).toBe(other);
    expect(armedStep(varied, contact(1), { sent: assigned, winner: other }).variant).toBe(assigned);
    expect(armedStep(varied, contact(1), { sent: 'gone', winner: 'gone' }).variant).toBe(assigned);
    expect(armedStep(step, contact(1), { winner: 'a' })).toEqual({ step, variant: null });
  });
});
