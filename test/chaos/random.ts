/** Numbers from a seed: the same seed, the same run of numbers, on every machine. */

export interface Random {
  /** From 0 up to 1. */
  next(): number;
  /** A whole number from 0 up to `below`. */
  below(below: number): number;
  between(least: number, most: number): number;
  pick<T>(list: readonly T[]): T;
  /** One of the keys, by their weights. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K;
  /** Waiting times of a memoryless process. */
  exponential(mean: number): number;
}

/** splitmix32 */
export function random(...seeds: number[]): Random {
  let state = seeds.reduce(
    (mixed, seed) => Math.imul(mixed ^ (seed + 0x9e3779b9), 0x85ebca6b) | 0,
    0x243f6a88,
  );
  const next = () => {
    state = (state + 0x9e3779b9) | 0;
    let t = state ^ (state >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    t ^= t >>> 15;
    return (t >>> 0) / 2 ** 32;
  };
  const below = (most: number) => Math.floor(next() * most);
  return {
    next,
    below,
    between: (least, most) => least + next() * (most - least),
    pick: (list) => list[below(list.length)]!,
    weighted(weights) {
      const entries = Object.entries<number>(weights);
      let left = next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [key, weight] of entries) {
        left -= weight;
        if (left < 0) return key as keyof typeof weights;
      }
      return entries[0]![0] as keyof typeof weights;
    },
    exponential: (mean) => -Math.log(1 - next()) * mean,
  };
}
