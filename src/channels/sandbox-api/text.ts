/** What the dialects of text messages share: numbers, and a message in the form that all of them are kept in. */
import type { Submission } from './message.ts';

const E164 = /^\+[1-9]\d{6,14}$/;

export function isNumber(written: string | null | undefined): written is string {
  return typeof written === 'string' && E164.test(written);
}

/** `callback`: where the caller wants to be told, with its own marks in the query. */
export function textSubmission(
  message: { from: string; to: string; text: string },
  callback: string | null,
  extra: Record<string, unknown>,
): Submission {
  const marks = callback === null ? null : new URL(callback).searchParams;
  return {
    ...message,
    touch_id: marks?.get('touch_id') ?? null,
    touch_key: marks?.get('touch_key') ?? null,
    idempotency_key: null,
    message_id: null,
    reply_to: null,
    subject: '',
    html: null,
    headers: {},
    extra: { ...extra, callback },
  };
}

/** Where a message's own callback goes, or the one that is given. */
export function callbackOf(extra: Record<string, unknown>, url: string | undefined): string | undefined {
  return url ?? (typeof extra.callback === 'string' ? extra.callback : undefined);
}
