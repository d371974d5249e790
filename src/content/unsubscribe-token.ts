/**
 * The token in an unsubscribe link [CON-5]. In: whom and what it is about. Out: base64url that says so and is
 * signed. It works for ever, needs no table, holds ids only and no personal data; without a key nobody can make
 * one for somebody else.
 *
 * Layout: key version (1 byte), channel (1), organization, contact and touch id (16 each), HMAC-SHA256 (32).
 * The newest key signs; every key ever used must stay configured, because links in old mail must go on working.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import type { ConsentChannel } from '../kernel/channels.ts';
import { invariant } from '../kernel/invariant.ts';

/** Position is what is stored in a token: append only, never reorder. */
export const TOKEN_CHANNELS = [
  'email',
  'sms',
  'whatsapp',
  'call',
  'telegram',
  'linkedin',
] as const satisfies readonly ConsentChannel[];

export interface UnsubscribeClaim {
  org_id: string;
  contact_id: string;
  touch_id: string;
  channel: ConsentChannel;
}

export interface SigningKey {
  /** 1 to 255; the highest signs. */
  version: number;
  /** 32 bytes or more. */
  secret: Uint8Array;
}

export interface UnsubscribeTokens {
  sign(claim: UnsubscribeClaim): string;
  /** Null for everything that is not ours; the caller answers with the same polite page. */
  verify(token: string): UnsubscribeClaim | null;
}

const BODY_BYTES = 2 + 3 * 16;
const MAC_BYTES = 32;
const TOKEN_CHARS = Math.ceil(((BODY_BYTES + MAC_BYTES) * 4) / 3);
const BLOCK_BYTES = 64;
const MIN_SECRET_BYTES = 32;

/** The two blocks of HMAC with the key already mixed in, and room for what follows them. */
interface PreparedKey {
  inner: Buffer;
  outer: Buffer;
}

export function createUnsubscribeTokens(keys: readonly SigningKey[]): UnsubscribeTokens {
  const prepared = new Map<number, PreparedKey>();
  for (const { version, secret } of keys) {
    invariant(Number.isInteger(version) && version >= 1 && version <= 255, 'key version out of range');
    invariant(secret.length >= MIN_SECRET_BYTES, 'unsubscribe key is too short');
    invariant(!prepared.has(version), 'two unsubscribe keys of one version');
    prepared.set(version, prepareKey(secret));
  }
  invariant(prepared.size > 0, 'no unsubscribe key');
  const newest = Math.max(...prepared.keys());

  return {
    sign(claim) {
      const key = prepared.get(newest)!;
      const token = Buffer.allocUnsafe(BODY_BYTES + MAC_BYTES);
      token[0] = newest;
      token[1] = TOKEN_CHANNELS.indexOf(claim.channel);
      writeIds(token, claim);
      macOf(key, token).copy(token, BODY_BYTES);
      return token.toString('base64url');
    },
    verify(text) {
      if (text.length !== TOKEN_CHARS) return null;
      const token = Buffer.from(text, 'base64url');
      // The decoder skips what is not base64url; only the one true spelling of a token is ours.
      if (token.length !== BODY_BYTES + MAC_BYTES || token.toString('base64url') !== text) return null;
      const key = prepared.get(token[0]!);
      const channel = TOKEN_CHANNELS[token[1]!];
      if (key === undefined || channel === undefined) return null;
      if (!timingSafeEqual(macOf(key, token), token.subarray(BODY_BYTES))) return null;
      return {
        org_id: readUuid(token, 2),
        contact_id: readUuid(token, 18),
        touch_id: readUuid(token, 34),
        channel,
      };
    },
  };
}

/**
 * HMAC-SHA256 as RFC 2104 defines it, from two one-shot hashes: a quarter cheaper than an Hmac object, which
 * counts at tens of thousands of links a second. A test holds it equal to `createHmac`.
 */
function prepareKey(secret: Uint8Array): PreparedKey {
  const short = secret.length > BLOCK_BYTES ? hash('sha256', secret, 'buffer') : Buffer.from(secret);
  const inner = Buffer.alloc(BLOCK_BYTES + BODY_BYTES, 0x36);
  const outer = Buffer.alloc(BLOCK_BYTES + MAC_BYTES, 0x5c);
  for (let i = 0; i < short.length; i++) {
    inner[i] = inner[i]! ^ short[i]!;
    outer[i] = outer[i]! ^ short[i]!;
  }
  return { inner, outer };
}

function macOf(key: PreparedKey, token: Buffer): Buffer {
  token.copy(key.inner, BLOCK_BYTES, 0, BODY_BYTES);
  hash('sha256', key.inner, 'buffer').copy(key.outer, BLOCK_BYTES);
  return hash('sha256', key.outer, 'buffer');
}

const HEX_OF_IDS = 3 * 32;

/** All three in one write; the native writer stops at what is not hexadecimal, so its count is the check. */
function writeIds(token: Buffer, { org_id, contact_id, touch_id }: UnsubscribeClaim): void {
  const hex = (org_id + contact_id + touch_id).replaceAll('-', '');
  const written = hex.length === HEX_OF_IDS ? token.write(hex, 2, 'hex') : 0;
  invariant(written === HEX_OF_IDS / 2, `not three UUIDs: ${org_id} ${contact_id} ${touch_id}`);
}

function readUuid(source: Buffer, at: number): string {
  const hex = source.toString('hex', at, at + 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
