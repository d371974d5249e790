/**
 * Why a touch did not go: typed, and divided into what happens next (EXE-10).
 * `end`: terminal, the enrollment ends with `ends` (SEQ-13). `later`: another time. `hold`: a Hold's mark.
 * `again`: compose again and ask the gate again. `drop`: its source has ended. `none`: somebody else has it.
 */
export type Verdict = keyof typeof REFUSALS | 'go';

export const REFUSALS = {
  gone: { then: 'none', says: 'another worker, or a stop, had it first' },
  source_ended: { then: 'drop', says: 'its enrollment is paused, ended or waits for another touch' },
  organization_paused: { then: 'none', says: 'the organization is switched off' },
  channel_paused: { then: 'hold', says: 'the channel is switched off' },
  sequence_paused: { then: 'hold', says: 'the sequence is paused' },
  sender_paused: { then: 'hold', says: 'the sender is paused' },
  held: { then: 'none', says: 'it is held' },
  early: { then: 'none', says: 'its time has not come' },
  window_closed: { then: 'later', says: 'the sending window has closed' },
  stale: { then: 'again', says: 'the contact, the sender or a setting changed after composing' },
  bytes_differ: {
    then: 'none',
    says: 'the same bytes could not be made again, so the same key may not be used',
  },
  quota_day: { then: 'later', says: 'the sender has used its day' },
  quota_hour: { then: 'later', says: 'the sender has used its hour' },
  frequency_cap: { then: 'later', says: 'the contact has had as many messages as the cap allows' },
  no_address: { then: 'end', ends: 'failed', says: 'the contact has no address for this channel' },
  suppressed: { then: 'end', ends: 'unsubscribed', says: 'the address is on the suppression list' },
  opted_out: { then: 'end', ends: 'unsubscribed', says: 'the contact has revoked consent' },
  no_consent: { then: 'end', ends: 'failed', says: 'the organization requires consent and there is none' },
  missing_variable: {
    then: 'end',
    ends: 'failed',
    says: 'the template uses a value this contact does not have',
  },
  template_error: { then: 'end', ends: 'failed', says: 'the template could not be rendered' },
  template_timeout: { then: 'end', ends: 'failed', says: 'the template took too long' },
  output_too_large: { then: 'end', ends: 'failed', says: 'the rendered message is too large' },
  no_sender: { then: 'end', ends: 'failed', says: 'its sender no longer exists' },
  bad_schedule: { then: 'end', ends: 'failed', says: 'its sending window can never open' },
  poison: { then: 'end', ends: 'failed', says: 'a worker died on it twice' },
} as const satisfies Record<
  string,
  { then: 'end' | 'later' | 'hold' | 'again' | 'drop' | 'none'; ends?: string; says: string }
>;
