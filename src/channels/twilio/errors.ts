/** What Twilio's numbers mean (twilio.com/docs/api/errors): of an answer, and of a message that did not arrive. Pure. */
import type { Refusal } from '../http/outcome.ts';
import { ADDRESS, CONTENT, CREDENTIALS, permanent, SENDER, THROTTLED } from '../sms/refusals.ts';

export const REFUSED: Readonly<Record<number, Refusal>> = {
  // STOP was answered to this sender, or to its messaging service.
  21610: permanent('opted_out'),
  21211: ADDRESS,
  21217: ADDRESS,
  // No mobile; no route from this sender to there; a landline.
  21614: permanent('not_reachable'),
  21612: permanent('not_reachable'),
  21635: permanent('not_reachable'),
  // The account may not send to that country: other recipients are none the worse.
  21408: permanent('policy'),
  21602: CONTENT,
  21605: CONTENT,
  21617: CONTENT,
  21619: CONTENT,
  // The number is not the account's, not made for SMS, or its service is empty or gone.
  21212: SENDER,
  21603: SENDER,
  21606: SENDER,
  21659: SENDER,
  21660: SENDER,
  21661: SENDER,
  21701: SENDER,
  21703: SENDER,
  21704: SENDER,
  21705: SENDER,
  21712: SENDER,
  // Not registered for traffic to the United States.
  30034: SENDER,
  // A trial account writes to verified numbers alone.
  21608: permanent('policy'),
  21611: THROTTLED,
  20429: THROTTLED,
  14107: THROTTLED,
  20003: CREDENTIALS,
  20005: CREDENTIALS,
  // Too many at once for this sender's queue.
  30001: THROTTLED,
};

/** Of messages that Twilio took: the number is none. All else says only that this message did not arrive. */
export const UNKNOWN_NUMBER = new Set(['30005', '21211']);
export const OPTED_OUT = '21610';
