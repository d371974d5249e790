/**
 * From an HTTP call to an outcome of the port: pure. What a status proves decides where a provider's own words say
 * nothing more exact. A refusal is believed by its status alone; an acceptance only when the adapter can read it;
 * everything that says neither is ambiguous.
 */
import type { RefusalReason, SendOutcome } from '../channel.ts';
import type { Called, HttpAnswer } from './call.ts';

const MAX_RESPONSE_CHARS = 500;
const MAX_WAIT_MS = 24 * 3_600_000;

export type Refused = Extract<SendOutcome, { kind: 'refused' }>;
/** What a provider's own error says; the rest is added from the answer. */
export type Refusal =
  | { permanence: Refused['permanence']; reason: RefusalReason; retry_after_ms?: number }
  /** An error that does not rule out that the message was taken. */
  | { permanence: 'unclear'; reason: string };

/** What is wrong with a message is seen before anybody is called. */
export function flaw(reason: RefusalReason, response: string): Refused {
  return { kind: 'refused', permanence: 'permanent', reason, response };
}

/** Of a text that is nothing but text; null: none. */
export function textFlaw(text: string, maxChars: number): Refused | null {
  if (text.trim() === '') return flaw('content_rejected', 'The text is empty.');
  if (text.length <= maxChars) return null;
  return flaw('content_rejected', `The text has ${text.length} characters; at most ${maxChars}.`);
}

export interface Reading {
  /** Of a complete 2xx: the provider's id, or null when it is not what the provider documents. */
  accepted(answer: HttpAnswer): { provider_id?: string } | null;
  /** Of any other status: what the provider's codes say, or null to go by the status. */
  refused(answer: HttpAnswer): Refusal | null;
}

export function sendOutcome(called: Called, reading: Reading, now: number): SendOutcome {
  if (called.kind === 'not_started') return called;
  if (called.kind === 'forbidden')
    return {
      kind: 'refused',
      permanence: 'permanent',
      reason: 'destination_forbidden',
      response: called.reason,
    };
  if (called.kind === 'silent') return { kind: 'ambiguous', reason: called.reason };
  const { answer } = called;
  const response = summary(answer);
  if (answer.status >= 200 && answer.status < 300) {
    const accepted = answer.complete ? reading.accepted(answer) : null;
    if (accepted === null) return { kind: 'ambiguous', reason: 'unreadable_answer', response };
    return { kind: 'accepted', ...accepted, response };
  }
  const refusal = reading.refused(answer) ?? byStatus(answer.status);
  if (refusal.permanence === 'unclear') return { kind: 'ambiguous', reason: refusal.reason, response };
  const wait =
    refusal.permanence === 'permanent'
      ? undefined
      : (retryAfter(answer.headers['retry-after'], now) ?? refusal.retry_after_ms);
  return {
    kind: 'refused',
    permanence: refusal.permanence,
    reason: refusal.reason,
    response,
    ...(wait === undefined ? {} : { retry_after_ms: wait }),
  };
}

/** The request itself is not one that could be taken. */
const MALFORMED = new Set([400, 406, 410, 411, 414, 415, 422, 431, 451]);

/**
 * 401 and 403 are about the account. A redirect, 404 and 405 mean a wrong address or one that has moved: nothing was
 * taken, and the sender is at fault. 408 and the 5xx but 503 may come from a gateway whose backend has the message.
 */
function byStatus(status: number): Refusal {
  if (status === 429) return { permanence: 'throttled', reason: 'throttled' };
  if (status === 503) return { permanence: 'transient', reason: 'unavailable' };
  if (status === 401 || status === 403) return { permanence: 'transient', reason: 'bad_credentials' };
  if ((status >= 300 && status < 400) || status === 404 || status === 405)
    return { permanence: 'permanent', reason: 'sender_rejected' };
  if (status === 413) return { permanence: 'permanent', reason: 'content_rejected' };
  // Payment required: something about the account that passes.
  if (status === 402) return { permanence: 'transient', reason: 'unavailable' };
  if (MALFORMED.has(status)) return { permanence: 'permanent', reason: 'other' };
  return { permanence: 'unclear', reason: status === 409 ? 'key_conflict' : `status_${status}` };
}

/** Seconds or an HTTP date (RFC 9110, 10.2.3), in milliseconds from `now`; a day at most. */
export function retryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const wait = /^\d{1,9}(\.\d+)?$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - now;
  return Number.isNaN(wait) ? undefined : Math.min(MAX_WAIT_MS, Math.max(0, Math.ceil(wait)));
}

/** The answer as kept in events: one line, bounded, no control characters. */
export function summary({ status, body }: HttpAnswer): string {
  return `${status} ${body}`
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, MAX_RESPONSE_CHARS);
}
