/**
 * What an e-mail must be before any provider is given it: plain headers, real addresses. In: a request. Out: its
 * addresses in the form of the wire, or why it cannot be sent. Everything that could smuggle a line into a header is
 * refused here, before a connection is used; nothing is cleaned silently.
 */
import type { EmailMessage } from '../../kernel/message.ts';
import type { RefusalReason, SendRequest } from '../channel.ts';
import { type WireAddress, wireAddress } from './address.ts';

/** RFC 5322 2.1.1 bounds a line to 998 characters; a folded value may be longer, but nothing of ours needs it. */
const MAX_HEADER_CHARS = 8_000;
const MAX_WORD_CHARS = 900;
const MAX_HEADERS = 50;

/** Carried by every message, so that a bounce, a relay's log or our own sink can name the touch. */
export const TOUCH_HEADER = 'X-Cadenza-Touch';
export const KEY_HEADER = 'X-Cadenza-Key';

/** Set from the message's own fields: `headers` may not say otherwise. */
const OWN_HEADERS = new Set(
  [
    'From',
    'Sender',
    'To',
    'Cc',
    'Bcc',
    'Reply-To',
    'Subject',
    'Date',
    'Message-ID',
    'In-Reply-To',
    'References',
    'MIME-Version',
    'Content-Type',
    'Content-Transfer-Encoding',
    'DKIM-Signature',
    'Received',
    'Return-Path',
    TOUCH_HEADER,
    KEY_HEADER,
  ].map((name) => name.toLowerCase()),
);

export interface Sendable {
  ok: true;
  from: WireAddress;
  to: WireAddress;
  reply_to?: WireAddress;
}
export interface Unsendable {
  ok: false;
  reason: RefusalReason;
  detail: string;
}

type Identified = Pick<SendRequest<EmailMessage>, 'touch_id' | 'idempotency_key' | 'message'>;

export function checkEmail(request: Identified): Sendable | Unsendable {
  const { message } = request;
  const flaw = headerFlaw(message, request);
  if (flaw) return { ok: false, reason: 'content_rejected', detail: flaw };
  const from = wireAddress(message.from.address);
  if (!from) return { ok: false, reason: 'sender_rejected', detail: 'The sender is not an e-mail address.' };
  const to = wireAddress(message.to.address);
  if (!to)
    return { ok: false, reason: 'address_rejected', detail: 'The recipient is not an e-mail address.' };
  if (message.reply_to === undefined) return { ok: true, from, to };
  const reply_to = wireAddress(message.reply_to.address);
  if (!reply_to) {
    return { ok: false, reason: 'content_rejected', detail: 'Reply-To is not an e-mail address.' };
  }
  return { ok: true, from, to, reply_to };
}

/** Any control character but the tab: a line break above all. */
const CONTROL = /[^\P{Cc}\t]/u;

function valueFlaw(name: string, value: string): string | null {
  if (CONTROL.test(value)) return `${name} holds a line break or another control character.`;
  if (value.length > MAX_HEADER_CHARS) return `${name} is longer than ${MAX_HEADER_CHARS} characters.`;
  return null;
}

function headerFlaw(
  message: EmailMessage,
  ids: Pick<SendRequest<EmailMessage>, 'touch_id' | 'idempotency_key'>,
): string | null {
  const values: [string, string | undefined][] = [
    ['The sender', message.from.address],
    ["The sender's name", message.from.name],
    ['The recipient', message.to.address],
    ["The recipient's name", message.to.name],
    ['Reply-To', message.reply_to?.address],
    ["Reply-To's name", message.reply_to?.name],
    ['The subject', message.subject],
    ['The touch id', ids.touch_id],
    ['The idempotency key', ids.idempotency_key],
  ];
  for (const [name, value] of values) {
    const flaw = value === undefined ? null : valueFlaw(name, value);
    if (flaw) return flaw;
  }
  for (const id of [message.message_id, message.in_reply_to, ...(message.references ?? [])]) {
    if (id !== undefined && !/^[\x21-\x3b\x3d\x3f-\x7e]{3,250}$/.test(id)) {
      return 'A message id is empty, too long, or holds blanks, brackets or line breaks.';
    }
  }
  const headers = Object.entries(message.headers);
  if (headers.length > MAX_HEADERS) return `There are more than ${MAX_HEADERS} headers.`;
  for (const [name, value] of headers) {
    const flaw = customHeaderFlaw(name, value);
    if (flaw) return flaw;
  }
  return null;
}

function customHeaderFlaw(name: string, value: string): string | null {
  if (!/^[A-Za-z0-9-]{1,76}$/.test(name))
    return `A header has the name ${JSON.stringify(name.slice(0, 80))}.`;
  if (OWN_HEADERS.has(name.toLowerCase())) return `${name} is set by the message itself.`;
  // A word longer than a line cannot be folded, and some servers cut it instead.
  if (value.split(/\s+/).some((word) => word.length > MAX_WORD_CHARS)) {
    return `${name} holds a word of more than ${MAX_WORD_CHARS} characters.`;
  }
  return valueFlaw(name, value);
}
