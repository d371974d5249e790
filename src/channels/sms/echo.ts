/**
 * Touch and key of a message in the address that its provider calls back: SMS providers repeat nothing else of ours, and
 * that call proves that the message was taken, whatever the answer to the sending was.
 */
import type { SendRequest } from '../channel.ts';

const TOUCH = 'touch_id';
const KEY = 'touch_key';

export function callbackUrl(
  base: string,
  { touch_id, idempotency_key }: Pick<SendRequest, 'touch_id' | 'idempotency_key'>,
): string {
  const url = new URL(base);
  url.searchParams.set(TOUCH, touch_id);
  url.searchParams.set(KEY, idempotency_key);
  return url.href;
}

/** What an address that was called says, in the port's words; nothing where it says nothing. */
export function echoedIn(url: string | undefined): { touch_id?: string; idempotency_key?: string } {
  if (url === undefined || !URL.canParse(url)) return {};
  const { searchParams } = new URL(url);
  const [touch_id, idempotency_key] = [searchParams.get(TOUCH), searchParams.get(KEY)];
  return {
    ...(touch_id === null ? {} : { touch_id }),
    ...(idempotency_key === null ? {} : { idempotency_key }),
  };
}
