/** What can keep a message back beyond the delay of its step, as a forecast names it. */
import type { Postponement } from '../sequences/later.ts';

export const LIMITS = [
  'window_closed',
  'quiet_hours',
  'holiday',
  'rules_changed',
  'quota_day',
  'quota_hour',
  'sender_gap',
  'sender_ramp',
  'frequency_cap',
  'frequency_cap_week',
  'channel_cap',
  'channel_cap_week',
  'template_paused',
  'template_unavailable',
  'template_busy',
] as const satisfies readonly Postponement[];
