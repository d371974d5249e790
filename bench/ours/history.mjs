/**
 * `history_10m`: pick and gate with very many finished touches in the table, against an empty one. Runs in a process of
 * its own, because the history is written into a cluster of its own, which must end with whoever started it.
 */
import { once } from 'node:events';
import { heard, startChild } from './child.mjs';

/**
 * @param {{ touches: number, repetitions: number, budget_ms: number }} size
 * @returns {Promise<{ figures: object, ratio: number, finished: number, seconds: number }>}
 */
export async function measureHistory(size) {
  const child = startChild('history-process.mjs', size);
  const exit = once(child, 'exit');
  const result = await heard(child, 'result');
  await exit;
  if (result.error !== undefined) throw new Error(result.error);
  return result;
}
