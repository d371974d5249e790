/** Refusals as the error tables of SMS providers name them. */
import type { RefusalReason } from '../channel.ts';
import type { Refusal } from '../http/outcome.ts';

export const permanent = (reason: RefusalReason): Refusal => ({ permanence: 'permanent', reason });
export const SENDER = permanent('sender_rejected');
export const CONTENT = permanent('content_rejected');
export const ADDRESS = permanent('address_rejected');
export const THROTTLED: Refusal = { permanence: 'throttled', reason: 'throttled' };
export const CREDENTIALS: Refusal = { permanence: 'transient', reason: 'bad_credentials' };
