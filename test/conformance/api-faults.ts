/** What goes wrong at a provider's API, and what its adapter has to say of it. */
import { expect } from 'vitest';
import type { SendOutcome } from '../../src/channels/channel.ts';
import type { FaultName } from '../../src/channels/sandbox-api/plan.ts';

export const SHORT_MS = 300;

/** Whatever the fault, and whether the message was accepted under it. */
export const FAULTS: [FaultName, boolean, Partial<Record<string, string>>][] = [
  ['address', false, { kind: 'refused', permanence: 'permanent', reason: 'address_rejected' }],
  ['content', false, { kind: 'refused', permanence: 'permanent', reason: 'content_rejected' }],
  ['sender', false, { kind: 'refused', reason: 'sender_rejected' }],
  ['unauthorized', false, { kind: 'refused', permanence: 'transient', reason: 'bad_credentials' }],
  ['throttle', false, { kind: 'refused', permanence: 'throttled', reason: 'throttled' }],
  ['unavailable', false, { kind: 'refused', permanence: 'transient', reason: 'unavailable' }],
  ['delay', true, { kind: 'accepted' }],
  ['cut_before', false, { kind: 'ambiguous' }],
  ['cut_after', true, { kind: 'ambiguous' }],
  ['silence_before', false, { kind: 'ambiguous', reason: 'timeout' }],
  ['silence_after', true, { kind: 'ambiguous', reason: 'timeout' }],
  ['gateway_before', false, { kind: 'ambiguous', reason: 'status_502' }],
  ['gateway_after', true, { kind: 'ambiguous', reason: 'status_502' }],
  ['garbage', true, { kind: 'ambiguous', reason: 'unreadable_answer' }],
  ['late', true, { kind: 'ambiguous', reason: 'timeout' }],
];

/** Of a throttled call that was told to wait seven seconds. */
export function expectWait(outcome: SendOutcome): void {
  const wait = outcome.kind === 'refused' ? outcome.retry_after_ms : undefined;
  expect(wait).toBeGreaterThan(5_000);
  expect(wait).toBeLessThanOrEqual(8_000);
}
