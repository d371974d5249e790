/**
 * The arithmetic of the benches, free of I/O: medians, the pairing rule, and ratios.
 *
 * A figure alone says little on a shared disk, so each row is measured between two runs of the raw limit L. A pair
 * whose two L lie too far apart was disturbed and is measured again, a bounded number of times.
 */

/** Two L of one pair may differ by this part of the smaller one. */
export const MAX_DRIFT = 0.2;

/** @param {number[]} values at least one */
export function median(values) {
  if (values.length === 0) throw new RangeError('median of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value below which `part` (0 to 1) of the values lie, by nearest rank. */
export function percentile(values, part) {
  if (values.length === 0) throw new RangeError('percentile of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)];
}

/** @returns {{ median: number, min: number, max: number, unit: string }} */
export function figure(values, unit) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), unit };
}

/** How far apart two L are, as a part of the smaller one: 100 and 120 give 0.2. */
export function drift(a, b) {
  const low = Math.min(a, b);
  return low > 0 ? Math.max(a, b) / low - 1 : Number.POSITIVE_INFINITY;
}

/**
 * Measures one row between two L, again while the two L differ by over MAX_DRIFT and `mayRepeat` allows it. When
 * none is steady the try with the least drift counts, marked `steady: false`. One L serves as the end of a try and the
 * beginning of the next.
 *
 * @param {{
 *   before?: number, limit: () => Promise<number>, row: () => Promise<number>, mayRepeat: (tries: number) => boolean,
 * }} measure `limit` and `row` give rates per second; `before` is the L that was measured just now, if one was
 * @returns {Promise<{
 *   before: number, rate: number, after: number, of_limit: number, steady: boolean, tries: number, last: number,
 * }>} `last` is the newest L, for the next pair
 */
export async function measurePair({ before, limit, row, mayRepeat }) {
  let best = null;
  let last = before ?? (await limit());
  for (let tries = 1; ; tries++) {
    const first = last;
    const rate = await row();
    last = await limit();
    const off = drift(first, last);
    if (best === null || off < best.off) best = { off, before: first, rate, after: last };
    const steady = off <= MAX_DRIFT;
    if (steady || !mayRepeat(tries)) {
      const { off: _, ...pair } = best;
      return { ...pair, of_limit: pair.rate / ((pair.before + pair.after) / 2), steady, tries, last };
    }
  }
}

/**
 * The ratio of two rows: the median over the rounds in which both were measured, each round's rates being neighbours
 * in time. Null when they share no round.
 *
 * @param {(number | undefined)[]} above rates by round
 * @param {(number | undefined)[]} below rates by round
 */
export function ratioByRound(above, below) {
  const ratios = [];
  for (const [round, rate] of above.entries()) {
    const other = below[round];
    if (rate !== undefined && other !== undefined && other > 0) ratios.push(rate / other);
  }
  return ratios.length === 0 ? null : median(ratios);
}
