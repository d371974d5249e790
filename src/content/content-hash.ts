/**
 * The fingerprint of what a recipient gets. The gate compares it with what was approved, and a repeated send
 * with what was sent before, so it is over the bytes themselves and not over what they were made from: a changed
 * layout shows.
 */
import { createHash, hash } from 'node:crypto';

/** 32 hexadecimal digits, the first 16 bytes of SHA-256. Where a part ends counts too. */
export function contentHash(parts: readonly string[]): string {
  return digest(parts.join('\0')).slice(0, 32);
}

/** What templates are made from, with a name that says this exact source in any process. */
export interface Keyed<T> {
  key: string;
  source: T;
}

/** `kind` keeps apart what is rendered in different ways. */
export function keyed<T>(kind: 'email' | 'text' | 'whatsapp' | 'payload' | 'trial', source: T): Keyed<T> {
  const key = createHash('sha256')
    .update(JSON.stringify([kind, source]))
    .digest('base64url');
  return { key, source };
}

/** One call from 20.12 on, a third cheaper than an object a message; typed as absent in older Node. */
const digest: (text: string) => string =
  typeof hash === 'function'
    ? (text) => hash('sha256', text, 'hex')
    : (text) => createHash('sha256').update(text).digest('hex');
