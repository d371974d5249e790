/**
 * The fingerprint of what a recipient gets. The gate compares it with what was approved, and a repeated send
 * with what was sent before, so it is over the bytes themselves and not over what they were made from: a changed
 * layout shows.
 */
import { hash } from 'node:crypto';

/** 32 hexadecimal digits, the first 16 bytes of SHA-256. Where a part ends counts too. */
export function contentHash(parts: readonly string[]): string {
  return hash('sha256', parts.join('\0'), 'hex').slice(0, 32);
}

/** What templates are made from, with a name that says this exact source in any process. */
export interface Keyed<T> {
  key: string;
  source: T;
}

/** `kind` keeps apart what is rendered in different ways. */
export function keyed<T>(
  kind: 'email' | 'bodies' | 'text' | 'whatsapp' | 'payload' | 'trial',
  source: T,
): Keyed<T> {
  const key = hash('sha256', JSON.stringify([kind, source]), 'base64url');
  return { key, source };
}
