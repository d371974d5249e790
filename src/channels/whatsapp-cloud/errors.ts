/**
 * What the numbers of Meta's errors mean (developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes), of an
 * answer and of a message that did not arrive. Pure.
 */
import type { Refusal } from '../http/outcome.ts';
import { CONTENT, CREDENTIALS, permanent, SENDER } from '../sms/refusals.ts';

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const throttled = (retry_after_ms: number): Refusal => ({
  permanence: 'throttled',
  reason: 'throttled',
  retry_after_ms,
});

/** Meta has shown this person enough marketing for now: asked again sooner, it holds for longer. */
export const ECOSYSTEM_WAIT_MS = 24 * HOUR;
/** Of one number to one person: one in six seconds, longer after a burst. */
const PAIR_WAIT_MS = 60 * SECOND;

/** Until the templates are fetched again, which finds it too; then it waits without being tried. */
const TEMPLATE: Refusal = { permanence: 'throttled', reason: 'template_paused', retry_after_ms: HOUR };

export const REFUSED: Readonly<Record<number, Refusal>> = {
  131049: throttled(ECOSYSTEM_WAIT_MS),
  131056: throttled(PAIR_WAIT_MS),
  // Of the number, of the business account, of the app; the last because too many have complained.
  130429: throttled(10 * SECOND),
  80007: throttled(60 * SECOND),
  4: throttled(60 * SECOND),
  131048: throttled(HOUR),
  // More than 24 hours after their last message only a template may be sent.
  131047: permanent('reply_window_closed'),
  470: permanent('reply_window_closed'),
  131050: permanent('opted_out'),
  // No WhatsApp there, too old a version, terms not accepted: Meta does not say which.
  131026: permanent('not_reachable'),
  131021: permanent('not_reachable'),
  // A test number writes to those on its list; a country, or a trial by Meta, is closed to this business.
  131030: permanent('policy'),
  130497: permanent('policy'),
  130472: permanent('policy'),
  // The template is paused, or disabled: the message is as good as ever, and goes when another is approved.
  132015: TEMPLATE,
  132016: TEMPLATE,
  // Parameters, templates: missing, of another form, too long, against a policy.
  100: CONTENT,
  131008: CONTENT,
  131009: CONTENT,
  131051: CONTENT,
  131052: CONTENT,
  131053: CONTENT,
  132000: CONTENT,
  132001: CONTENT,
  132005: CONTENT,
  132007: CONTENT,
  132012: CONTENT,
  132068: CONTENT,
  132069: CONTENT,
  // The number, or its account: gone, not registered, not paid for, locked, restricted.
  33: SENDER,
  368: SENDER,
  131031: SENDER,
  131037: SENDER,
  131042: SENDER,
  131045: SENDER,
  133000: SENDER,
  133005: SENDER,
  133010: SENDER,
  0: CREDENTIALS,
  3: CREDENTIALS,
  10: CREDENTIALS,
  190: CREDENTIALS,
  131005: CREDENTIALS,
  131057: { permanence: 'transient', reason: 'unavailable' },
  133004: { permanence: 'transient', reason: 'unavailable' },
  // "Something went wrong": the message may be on its way.
  1: { permanence: 'unclear', reason: 'unknown_error' },
  2: { permanence: 'unclear', reason: 'temporary_error' },
  131000: { permanence: 'unclear', reason: 'unknown_error' },
  131016: { permanence: 'unclear', reason: 'service_overloaded' },
};

/** 200 to 299 are permissions. An object that "does not exist" is the number of the address that was called. */
export function meaningOf(code: number, subcode: number | undefined): Refusal | null {
  if (code >= 200 && code <= 299) return CREDENTIALS;
  if (code === 100 && subcode === 33) return SENDER;
  return REFUSED[code] ?? null;
}

export const OPTED_OUT = 131050;
