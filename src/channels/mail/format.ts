/** Parts of an e-mail in the forms that APIs take: mailboxes, threading headers, and what comes back as an echo. */
import type { EmailMessage } from '../../kernel/message.ts';
import type { SendRequest } from '../channel.ts';

const PLAIN_NAME = /^[\p{L}\p{M}\p{N} !#$%&'*+/=?^_`{|}~-]*$/u;

/** `Ada <ada@example.com>`; a name with other characters in quotes (RFC 5322 3.2.4). */
export function mailbox({ name, address }: { name?: string; address: string }): string {
  if (name === undefined || name === '') return address;
  const shown = PLAIN_NAME.test(name) ? name : `"${name.replace(/["\\]/g, '\\$&')}"`;
  return `${shown} <${address}>`;
}

/** Bytes of UTF-8 an encoded word may hold: 75 characters with `=?UTF-8?B?` and `?=` (RFC 2047 2). */
const WORD_BYTES = 45;

/** The same with the name as encoded words, for APIs that pass it on as it is. */
export function encodedMailbox({ name, address }: { name?: string; address: string }): string {
  if (name === undefined || /^[ -~]*$/.test(name)) return mailbox({ ...(name ? { name } : {}), address });
  const words: string[] = [];
  let word = '';
  for (const character of name) {
    if (Buffer.byteLength(word + character) > WORD_BYTES) {
      words.push(word);
      word = '';
    }
    word += character;
  }
  words.push(word);
  const encoded = words.map((part) => `=?UTF-8?B?${Buffer.from(part).toString('base64')}?=`);
  return `${encoded.join(' ')} <${address}>`;
}

/** The message's own headers and those of its thread. */
export function mailHeaders(message: EmailMessage): Record<string, string> {
  const headers = { ...message.headers };
  if (message.in_reply_to !== undefined) headers['In-Reply-To'] = `<${message.in_reply_to}>`;
  if (message.references?.length) headers.References = message.references.map((id) => `<${id}>`).join(' ');
  return headers;
}

/** The same with our Message-ID, for providers that leave it as it is. */
export function ownHeaders(message: EmailMessage): Record<string, string> {
  return { ...mailHeaders(message), 'Message-ID': `<${message.message_id}>` };
}

/** Names under which touch and key go along with a message, and come back in its webhooks. */
export const ECHO_TOUCH = 'touch_id';
export const ECHO_KEY = 'touch_key';

export function echo({
  touch_id,
  idempotency_key,
}: Pick<SendRequest<EmailMessage>, 'touch_id' | 'idempotency_key'>) {
  return { [ECHO_TOUCH]: touch_id, [ECHO_KEY]: idempotency_key };
}

/** For providers whose values may hold no dot: `<touch>.<n>` as `<touch>_<n>`, and back. */
export function dotless(value: string): string {
  return value.replaceAll('.', '_');
}

/** What an echo says, in the port's words; nothing where it is not there. */
export function echoed(
  touch: string | undefined,
  key: string | undefined,
): { touch_id?: string; idempotency_key?: string } {
  return {
    ...(touch === undefined ? {} : { touch_id: touch }),
    ...(key === undefined ? {} : { idempotency_key: key.replace(/_(\d+)$/, '.$1') }),
  };
}

/** The address of `Ada <ada@example.com>`. */
export function bareAddress(written: string | undefined): string | undefined {
  return written === undefined ? undefined : (/<([^<>]+)>\s*$/.exec(written)?.[1] ?? written);
}
