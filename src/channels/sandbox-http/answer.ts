/**
 * From an HTTP answer to an outcome: pure. What a status proves decides. A refusal is believed by its status alone;
 * an acceptance only when its body can be read; everything that says neither is ambiguous.
 */
import type { RefusalReason, SendOutcome } from '../channel.ts';
import type { HttpAnswer } from '../http/call.ts';
import { retryAfter } from '../http/outcome.ts';

const RESPONSE_LENGTH = 500;

const REASONS: Readonly<Record<string, RefusalReason>> = {
  mailbox_unknown: 'mailbox_unknown',
  address_rejected: 'address_rejected',
  content_rejected: 'content_rejected',
  sender_rejected: 'sender_rejected',
  mailbox_full: 'mailbox_full',
  policy: 'policy',
};

export function outcomeOf(answer: HttpAnswer, now: number): SendOutcome {
  const { status } = answer;
  const response = `${status} ${answer.body}`.trim().slice(0, RESPONSE_LENGTH);
  if (status >= 200 && status < 300) return accepted(answer, response);
  if (status === 429) return { ...later('throttled', 'throttled', answer, now), response };
  if (status === 503) return { ...later('transient', 'unavailable', answer, now), response };
  if (status === 401 || status === 403) return permanent('bad_credentials', response);
  // A wrong address of the provider, or one that has moved: nothing was taken, and the sender is at fault.
  if ((status >= 300 && status < 400) || status === 404 || status === 405)
    return permanent('sender_rejected', response);
  if (status === 400 || status === 413 || status === 422)
    return permanent(REASONS[codeOf(answer.body)] ?? 'other', response);
  // 409: something lies under this key already. 408 and the rest of 5xx: it may have been taken.
  return { kind: 'ambiguous', reason: status === 409 ? 'key_conflict' : `status_${status}`, response };
}

function accepted(answer: HttpAnswer, response: string): SendOutcome {
  const id = answer.complete ? field(answer.body, 'id') : undefined;
  if (id === undefined) return { kind: 'ambiguous', reason: 'unreadable_answer', response };
  return { kind: 'accepted', provider_id: id, response };
}

function permanent(reason: RefusalReason, response: string): SendOutcome {
  return { kind: 'refused', permanence: 'permanent', reason, response };
}

function later(
  permanence: 'transient' | 'throttled',
  reason: RefusalReason,
  answer: HttpAnswer,
  now: number,
): Extract<SendOutcome, { kind: 'refused' }> {
  const wait = retryAfter(answer.headers['retry-after'], now);
  return { kind: 'refused', permanence, reason, ...(wait === undefined ? {} : { retry_after_ms: wait }) };
}

function codeOf(body: string): string {
  return field(body, 'code') ?? '';
}

/** A text field of a JSON object; undefined when there is no such thing. */
export function field(body: string, name: string): string | undefined {
  try {
    const value: unknown = JSON.parse(body)[name];
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}
