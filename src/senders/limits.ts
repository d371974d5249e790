/** Whether a sender can keep a message back: by its day, its hour, its ramp or its gap. Pure. */
import { hasGap } from './gap.ts';
import type { SenderSettings } from './senders.ts';

export function hasLimit(
  sender: Pick<SenderSettings, 'daily_limit' | 'hourly_limit' | 'ramp' | 'min_gap_s' | 'max_gap_s'>,
): boolean {
  return (
    sender.daily_limit !== null || sender.hourly_limit !== null || sender.ramp !== null || hasGap(sender)
  );
}
