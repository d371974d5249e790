/** What a sender may be set to, checked as a whole: every problem at once. */
import type { SenderChannel } from '../kernel/channels.ts';
import { type FieldError, Problem } from '../kernel/problem.ts';
import { windowProblem } from '../schedule/window.ts';
import { isZone } from '../schedule/zone.ts';
import type { SenderWindow } from './senders.ts';

/** Everything but provider, configuration and name. */
export interface SendingLimits {
  daily_limit: number | null;
  hourly_limit: number | null;
  min_gap_s: number | null;
  max_gap_s: number | null;
  time_zone: string | null;
  sending_window: SenderWindow | null;
}

export function limitErrors(limits: SendingLimits): FieldError[] {
  const errors: FieldError[] = [];
  const { min_gap_s, max_gap_s, time_zone, sending_window } = limits;
  if (max_gap_s !== null && max_gap_s < (min_gap_s ?? 0)) {
    errors.push({ field: 'max_gap_s', code: 'bad_range', message: 'must not be less than min_gap_s' });
  }
  if (time_zone !== null && !isZone(time_zone)) {
    errors.push({ field: 'time_zone', code: 'bad_zone', message: `There is no time zone "${time_zone}"` });
  }
  if (sending_window !== null) {
    // Without a zone of its own the window is in the sender's, else the organization's; both are checked elsewhere.
    const zone = sending_window.time_zone ?? 'UTC';
    const wrong = windowProblem({ ...sending_window, time_zone: zone });
    if (wrong)
      errors.push({ field: 'window', code: wrong.error, message: `Cannot be read: ${wrong.detail}` });
  }
  return errors;
}

/** Where a provider bans who sends like a machine: what holds unless said otherwise [EXE-7, EXE-9]. */
const USUAL: {
  [C in SenderChannel]?: Required<Pick<SendingLimits, 'daily_limit' | 'min_gap_s' | 'max_gap_s'>>;
} = {
  whatsapp_lite: { daily_limit: 200, min_gap_s: 60, max_gap_s: 19 * 60 },
};

/** With what is not said, or taken back, as the channel usually has it. */
export function usualLimits<L extends Pick<SendingLimits, 'daily_limit' | 'min_gap_s' | 'max_gap_s'>>(
  channel: SenderChannel,
  limits: L,
): L {
  const usual = USUAL[channel];
  if (!usual) return limits;
  return {
    ...limits,
    daily_limit: limits.daily_limit ?? usual.daily_limit,
    min_gap_s: limits.min_gap_s ?? usual.min_gap_s,
    max_gap_s: limits.max_gap_s ?? usual.max_gap_s,
  };
}

const WARNINGS: { [C in SenderChannel]?: string } = {
  whatsapp_lite:
    'WhatsApp does not allow programs to use its app like a person. It bans numbers that do, without warning and for good, ' +
    'and what was said there is lost with them. Use a number that you can do without; the Cloud API is the allowed way.',
};

/** What whoever uses a sender of this channel has to know. */
export function warningOf(channel: SenderChannel): string | null {
  return WARNINGS[channel] ?? null;
}

/** @throws Problem invalid_request when there are any */
export function refuseErrors(errors: FieldError[]): void {
  if (errors.length > 0) throw new Problem('invalid_request', 'The sender is not valid', { errors });
}
