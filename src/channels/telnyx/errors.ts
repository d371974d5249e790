/**
 * What Telnyx's codes mean (developers.telnyx.com/docs/messaging/messages/error-codes): of an answer, and of a message
 * that did not arrive. Pure.
 */
import type { Refusal } from '../http/outcome.ts';
import { ADDRESS, CONTENT, CREDENTIALS, permanent, SENDER, THROTTLED } from '../sms/refusals.ts';

export const REFUSED: Readonly<Record<string, Refusal>> = {
  // A block rule, made by STOP; it holds for all numbers of the messaging profile.
  '40300': permanent('opted_out'),
  '40310': ADDRESS,
  '40001': permanent('not_reachable'),
  '40301': permanent('not_reachable'),
  '40319': permanent('not_reachable'),
  '40302': CONTENT,
  '40309': permanent('policy'),
  '40304': SENDER,
  '40305': SENDER,
  '40306': SENDER,
  '40308': SENDER,
  '40312': SENDER,
  '40329': SENDER,
  '40318': THROTTLED,
  '10011': THROTTLED,
  '10009': CREDENTIALS,
  '10010': CREDENTIALS,
};

/** Codes that are about whatever field they point at. */
export const FIELD_CODES = new Set(['10001', '10002', '10004', '10015', '10016']);

export function fieldAtFault(pointer: string): Refusal {
  if (/\/to\b/.test(pointer)) return ADDRESS;
  return /\/(from|messaging_profile_id)\b/.test(pointer) ? SENDER : CONTENT;
}

/** Of messages that Telnyx took: the number is none. All else says only that this message did not arrive. */
export const UNKNOWN_NUMBER = new Set(['40310']);
export const OPTED_OUT = '40300';
