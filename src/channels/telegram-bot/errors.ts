/**
 * What Telegram's refusals mean: it has no codes but HTTP's, and says the rest in words that have been the same for
 * years (core.telegram.org/bots/api#making-requests). Pure.
 */
import type { RefusalReason } from '../channel.ts';
import type { Refusal } from '../http/outcome.ts';
import { CONTENT, CREDENTIALS, permanent, THROTTLED } from '../sms/refusals.ts';

const FORBIDDEN: readonly [RegExp, RefusalReason][] = [
  // By the person themself, or by whoever speaks for the group.
  [/blocked by the user|bot was kicked/i, 'opted_out'],
  [/user is deactivated/i, 'mailbox_unknown'],
  // Nobody is written to by a bot before they have started it; another bot may reach them.
  [/can't initiate conversation|bots can't send messages to bots|not a member/i, 'not_reachable'],
  [/./, 'not_reachable'],
];

const BAD_REQUEST: readonly [RegExp, RefusalReason][] = [
  // This bot has never met them, or the group has become another one: it says nothing of other bots.
  [/chat not found|user not found|upgraded to a supergroup|PEER_ID_INVALID/i, 'not_reachable'],
  [/chat_id is empty|chat identifier/i, 'address_rejected'],
  [/have no rights|not enough rights|need administrator rights|CHAT_WRITE_FORBIDDEN/i, 'policy'],
];

/** Null: by the status. */
export function meaningOf(status: number, description: string, retry_after_s?: number): Refusal | null {
  switch (status) {
    case 400: {
      const found = BAD_REQUEST.find(([pattern]) => pattern.test(description));
      return found ? permanent(found[1]) : CONTENT;
    }
    // 404 is what a token that is none gets.
    case 401:
    case 404:
      return CREDENTIALS;
    case 403:
      return permanent(FORBIDDEN.find(([pattern]) => pattern.test(description))?.[1] ?? 'not_reachable');
    case 429:
      return retry_after_s === undefined
        ? THROTTLED
        : { permanence: 'throttled', reason: 'throttled', retry_after_ms: retry_after_s * 1_000 };
    default:
      return null;
  }
}
