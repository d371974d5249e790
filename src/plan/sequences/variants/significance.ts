/**
 * Is one arm better than the others, or does it only look so? Pure and deterministic. In: of each arm how many people it
 * was sent to and how many of them did what is counted. Out: the leader, and whether it has won.
 *
 * Results come in one by one and are looked at again and again. An ordinary z-test at 95 % asked at each look is wrong
 * far more often than once in twenty, so the bound is one that holds over all looks together: the mixture sequential
 * probability ratio test of Robbins ("Statistical Methods Related to the Law of the Iterated Logarithm", Annals of
 * Mathematical Statistics 41, 1970) as Johari, Koomen, Pekelis and Walsh use it for such tests ("Always Valid Inference:
 * Continuous Monitoring of A/B Tests", Operations Research 70, 2022). With the two-proportion statistic z and r = the
 * information there is beside that of the mixture, it is passed when z² ≥ (1 + 1/r)(2 ln(1/α) + ln(1 + r)). The mixture
 * is chosen so that the bound is lowest when both arms have just their minimum sample (3.03 at 95 %), and it rises slowly.
 */

export interface ArmCount {
  key: string;
  /** People it was sent to. */
  contacts: number;
  /** Of them, those that did what is counted. */
  converted: number;
}

export interface Comparison {
  /** With the arm that is compared to the leader. */
  key: string;
  /** How much higher the leader's rate is. */
  difference: number;
  z: number;
  /** What z must reach. */
  needed: number;
}

export interface Judgement {
  /** The arm with the highest rate; null when nobody did what is counted, or two are level. */
  leader: string | null;
  winner: string | null;
  /** Why there is no winner yet. */
  open: 'minimum_sample' | 'no_difference' | 'not_significant' | 'margin' | null;
  comparisons: Comparison[];
}

export interface Judging {
  minimum_sample: number;
  confidence: number;
  margin: number;
}

export function judge(arms: readonly ArmCount[], rule: Judging): Judgement {
  const ranked = [...arms].sort((a, b) => rate(b) - rate(a) || (a.key < b.key ? -1 : 1));
  const [first, ...others] = ranked;
  const second = others[0];
  const none: Judgement = { leader: null, winner: null, open: 'no_difference', comparisons: [] };
  if (!first || !second) return none;
  const short = arms.some((arm) => arm.contacts < rule.minimum_sample);
  if (rate(first) === rate(second)) return { ...none, open: short ? 'minimum_sample' : 'no_difference' };
  const alpha = errorAt(rule.confidence, arms.length);
  const comparisons = others.map((other) => compare(first, other, rule.minimum_sample, alpha));
  const open = short
    ? 'minimum_sample'
    : comparisons.some(({ z, needed }) => z < needed)
      ? 'not_significant'
      : comparisons.some(({ difference }) => difference < rule.margin)
        ? 'margin'
        : null;
  return { leader: first.key, winner: open === null ? first.key : null, open, comparisons };
}

export function rate({ contacts, converted }: ArmCount): number {
  return contacts === 0 ? 0 : converted / contacts;
}

/**
 * A wrong winner must have beaten one arm that is at least as good, to one side; there are as many candidates as arms
 * (Bonferroni). Of two arms it is the whole error.
 */
function errorAt(confidence: number, arms: number): number {
  return (2 * (1 - confidence)) / arms;
}

function compare(leader: ArmCount, other: ArmCount, minimum: number, alpha: number): Comparison {
  const n = leader.contacts + other.contacts;
  const pooled = (leader.converted + other.converted) / n;
  const difference = rate(leader) - rate(other);
  const information =
    leader.contacts === 0 || other.contacts === 0 ? 0 : (leader.contacts * other.contacts) / n;
  const z = difference * Math.sqrt(information / (pooled * (1 - pooled)));
  const r = information / (minimum / 2);
  return {
    key: other.key,
    difference,
    z: Number.isFinite(z) ? z : 0,
    needed: information === 0 ? bound(1, alpha) : bound(r, alpha),
  };
}

/** `share`: the information there is, in units of that of two minimum samples. */
function bound(share: number, alpha: number): number {
  const evidence = 2 * Math.log(1 / alpha);
  // Where the bound is lowest, r = evidence + ln(1 + r): found by putting it in a few times.
  let best = evidence;
  for (let i = 0; i < 30; i++) best = evidence + Math.log(1 + best);
  const r = best * share;
  return Math.sqrt((1 + 1 / r) * (evidence + Math.log(1 + r)));
}
