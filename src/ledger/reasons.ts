/**
 * Why a touch did not go: typed, and divided into what happens next (EXE-10).
 * `end`: terminal, the enrollment ends with `ends` (SEQ-13). `later`: another time. `hold`: a Hold's mark.
 * `again`: compose again and ask the gate again. `drop`: its source has ended. `none`: somebody else has it.
 */
export type Verdict = keyof typeof REFUSALS | 'go';

export const REFUSALS = {
  gone: { action: 'none', says: 'another worker, or a stop, had it first' },
  source_ended: { action: 'drop', says: 'its enrollment is paused, ended or waits for another touch' },
  organization_paused: { action: 'none', says: 'the organization is switched off' },
  channel_paused: { action: 'hold', says: 'the channel is switched off' },
  sequence_paused: { action: 'hold', says: 'the sequence is paused' },
  sender_paused: { action: 'hold', says: 'the sender is paused' },
  held: { action: 'none', says: 'it is held' },
  early: { action: 'none', says: 'its time has not come' },
  window_closed: { action: 'later', says: 'the sending window has closed' },
  quiet_hours: { action: 'later', says: 'it is night where the recipient may be' },
  holiday: {
    action: 'later',
    says: 'it is a holiday of the organization or of a country the recipient may be in',
  },
  rules_changed: { action: 'later', says: 'its time ends earlier than when it was planned' },
  stale: { action: 'again', says: 'the contact, the sender or a setting changed after composing' },
  bytes_differ: {
    action: 'none',
    says: 'the same bytes could not be made again, so the same key may not be used',
  },
  quota_day: { action: 'later', says: 'the sender has used its day' },
  quota_hour: { action: 'later', says: 'the sender has used its hour' },
  sender_ramp: { action: 'later', says: 'the sender is new and has used what its ramp allows it today' },
  sender_gap: { action: 'later', says: 'the sender keeps a gap between two messages' },
  frequency_cap: { action: 'later', says: 'the contact has had as many messages today as the cap allows' },
  frequency_cap_week: {
    action: 'later',
    says: 'the contact has had as many messages in seven days as the weekly cap allows',
  },
  channel_cap: {
    action: 'later',
    says: 'the contact has had as many messages of this channel today as its cap allows',
  },
  channel_cap_week: {
    action: 'later',
    says: 'the contact has had as many messages of this channel in seven days as its weekly cap allows',
  },
  template_paused: {
    action: 'later',
    says: 'WhatsApp has paused, or not yet approved, the template it names; it is looked at again every hour and goes once the template is approved',
  },
  template_unavailable: {
    action: 'later',
    says: 'WhatsApp has rejected or disabled the template it names, or it is deleted: have it approved again, or publish the step with another and move the enrollments; until then it waits, and is looked at every hour',
  },
  template_busy: {
    action: 'later',
    says: 'its template took too long for other contacts of the step, and so it was not rendered yet; it is looked at again in about a minute',
  },
  no_address: { action: 'end', ends: 'failed', says: 'the contact has no address for this channel' },
  suppressed: { action: 'end', ends: 'unsubscribed', says: 'the address is on the suppression list' },
  address_bounced: {
    action: 'end',
    ends: 'bounced',
    says: 'the address is on the suppression list: it could not be reached',
  },
  address_complained: {
    action: 'end',
    ends: 'unsubscribed',
    says: 'the address is on the suppression list: its owner complained of a message',
  },
  opted_out: { action: 'end', ends: 'unsubscribed', says: 'the contact has revoked consent' },
  no_consent: { action: 'end', ends: 'failed', says: 'the organization requires consent and there is none' },
  reply_window_closed: {
    action: 'end',
    ends: 'failed',
    says: 'free text goes over WhatsApp only within 24 hours of the last message of the contact',
  },
  never_wrote: {
    action: 'end',
    ends: 'failed',
    says: 'the contact has never written over WhatsApp, and this sender writes to nobody first',
  },
  missing_variable: {
    action: 'end',
    ends: 'failed',
    says: 'the template uses a value this contact does not have',
  },
  template_error: { action: 'end', ends: 'failed', says: 'the template could not be rendered' },
  template_timeout: { action: 'end', ends: 'failed', says: 'the template took too long' },
  output_too_large: { action: 'end', ends: 'failed', says: 'the rendered message is too large' },
  condition_error: {
    action: 'end',
    ends: 'failed',
    says: 'its condition could not be evaluated for this contact',
  },
  no_sender: { action: 'end', ends: 'failed', says: 'its sender no longer exists' },
  bad_schedule: { action: 'end', ends: 'failed', says: 'its sending window can never open' },
  poison: { action: 'end', ends: 'failed', says: 'a worker died on it twice' },
} as const satisfies Record<
  string,
  { action: 'end' | 'later' | 'hold' | 'again' | 'drop' | 'none'; ends?: string; says: string }
>;

/** Refusals that say the contact has left the channel; not that its address is none, or that its owner complained. */
export const OPTED_OUT: ReadonlySet<string> = new Set(['suppressed', 'opted_out']);

/** Ends of waits and decisions [SEQ-14]: the touch is skipped, and its enrollment goes on. */
export const LOOKED = {
  condition_false: 'its condition did not hold when it was due',
  condition_met: 'what it waited for has happened',
  waited_out: 'what it waited for had not happened when its time was over',
} as const satisfies Record<string, string>;

/** The reason of a decision: the arm that held, counted from 1; 0: none did. */
export function armReason(arm: number): string {
  return arm === 0 ? 'arm:otherwise' : `arm:${arm}`;
}

function armInWords(reason: string): string | null {
  if (reason === 'arm:otherwise') return 'none of its arms held';
  return /^arm:[0-9]+$/.test(reason) ? `arm ${reason.slice(4)} was the first that held` : null;
}

/** Reasons that are no refusals: what happened to an enrollment, told at its touches too. */
export const OTHER_REASONS = {
  moved: 'its enrollment was moved to another version of the sequence',
  steps_skipped: 'the steps that are left go through channels that the contact has opted out of',
  skipped_by_person: 'a person skipped it',
  snoozed: 'a person put it off',
  taken_up: 'a person took it up at another time than it was planned for',
  given_back: 'a person had started it and did not do it',
  replied: 'its contact replied',
  colleague_replied: 'somebody of the same company replied',
  hard_bounce: 'its provider told later that the address cannot be reached',
  steps_removed: 'the version it was moved to has none of its remaining steps',
} as const satisfies Record<string, string>;

/** The rule behind a reason, in words; null for reasons that are somebody's own words, or a provider's. */
export function reasonInWords(reason: string | null): string | null {
  if (reason === null) return null;
  if (Object.hasOwn(REFUSALS, reason)) return REFUSALS[reason as keyof typeof REFUSALS].says;
  if (Object.hasOwn(LOOKED, reason)) return LOOKED[reason as keyof typeof LOOKED];
  if (Object.hasOwn(OTHER_REASONS, reason)) return OTHER_REASONS[reason as keyof typeof OTHER_REASONS];
  return armInWords(reason);
}
