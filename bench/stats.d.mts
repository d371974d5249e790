export interface Pair {
  before: number;
  rate: number;
  after: number;
  of_limit: number;
  steady: boolean;
  tries: number;
  last: number;
}
export const MAX_DRIFT: number;
export function median(values: number[]): number;
export function percentile(values: number[], part: number): number;
export function figure(
  values: number[],
  unit: string,
): { median: number; min: number; max: number; unit: string };
export function drift(a: number, b: number): number;
export function measurePair(measure: {
  before?: number;
  limit: () => Promise<number>;
  row: () => Promise<number>;
  mayRepeat: (tries: number) => boolean;
}): Promise<Pair>;
export function ratioByRound(above: (number | undefined)[], below: (number | undefined)[]): number | null;
