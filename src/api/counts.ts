/** The shape of numbers by state, with their sum. */
import { z } from 'zod';

export const count = z.number().int();

export function counts<const K extends readonly string[]>(keys: K) {
  const shape = Object.fromEntries([...keys, 'total'].map((key) => [key, count]));
  return z.object(shape as Record<K[number] | 'total', typeof count>);
}
