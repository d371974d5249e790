/**
 * Whether what comes after a touch depends on something the forecast takes for granted. A person's step: that it is done
 * when it is due. A condition, or a wait for an event: that the contact goes the way without it (`otherwise`). All that
 * follows is marked.
 */
import type { Cohort } from './agenda.ts';

export function isConditional({ mode, channel }: Pick<Cohort, 'mode' | 'channel'>): boolean {
  return mode === 'human' || channel === 'wait';
}
