/** One accepted message as the sink's journal keeps it: a line of JSON, without its body. */
import PostalMime, { type Address } from 'postal-mime';

export interface SinkEntry {
  /** 1, 2, 3 … in the order of acceptance; also the message's id. */
  seq: number;
  /** When it was recorded, RFC 3339 UTC. */
  at: string;
  envelope: { from: string; to: string[] };
  /** Without angle brackets. */
  message_id: string;
  from: string;
  to: string[];
  subject: string;
  /** Lower-case names; those that matter to a reader or a test. */
  headers: Record<string, string>;
  touch_id: string;
  idempotency_key: string;
  /** Where the source lies in `messages.raw`. */
  raw: { offset: number; bytes: number };
}

const KEPT_HEADERS = new Set([
  'date',
  'reply-to',
  'in-reply-to',
  'references',
  'list-unsubscribe',
  'list-unsubscribe-post',
  'list-id',
  'feedback-id',
  'dkim-signature',
  'content-type',
  'x-cadenza-touch',
  'x-cadenza-key',
]);
const MAX_KEPT_CHARS = 1_000;
/** More than this is not parsed: the head of a real message is a few kilobytes. */
const MAX_HEAD_BYTES = 65_536;

/** Reads the head alone: the body is parsed when somebody looks at the message. */
export async function describe(
  raw: Buffer,
  envelope: SinkEntry['envelope'],
): Promise<Omit<SinkEntry, 'seq' | 'at' | 'raw'>> {
  const end = raw.indexOf('\r\n\r\n');
  const head = raw.subarray(0, Math.min(end < 0 ? raw.length : end + 4, MAX_HEAD_BYTES));
  const mail = await PostalMime.parse(head);
  const headers: Record<string, string> = {};
  for (const { key, value } of mail.headers) {
    if (KEPT_HEADERS.has(key)) headers[key] = value.slice(0, MAX_KEPT_CHARS);
  }
  return {
    envelope,
    message_id: (mail.messageId ?? '').replace(/^<|>$/g, ''),
    from: addresses([mail.from])[0] ?? '',
    to: addresses(mail.to ?? []),
    subject: (mail.subject ?? '').slice(0, MAX_KEPT_CHARS),
    headers,
    touch_id: headers['x-cadenza-touch'] ?? '',
    idempotency_key: headers['x-cadenza-key'] ?? '',
  };
}

function addresses(list: readonly (Address | undefined)[]): string[] {
  return list.flatMap((entry) => (entry?.address === undefined ? [] : [entry.address]));
}
