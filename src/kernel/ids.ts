/**
 * Identifiers. Every id is a UUIDv7: 48 bits of Unix milliseconds, then random bits, so that indexes grow at
 * their right edge. A touch's id is derived from its plan key instead of drawn: planning the same thing twice
 * meets the same primary key, in any process and after any crash (invariant: one plan key, one touch).
 */
import { hash, randomBytes } from 'node:crypto';

export type Uuid = string;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

function format(bytes: Buffer): Uuid {
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

let pool = Buffer.alloc(0);
let used = 0;

/** A new UUIDv7. `now` is Unix milliseconds. */
export function newId(now: number = Date.now()): Uuid {
  if (used + 10 > pool.length) {
    pool = randomBytes(10 * 512);
    used = 0;
  }
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeUIntBE(now, 0, 6);
  pool.copy(bytes, 6, used, used + 10);
  used += 10;
  return format(bytes);
}

/**
 * The id that belongs to a plan key: the source's own timestamp, then 74 bits of SHA-256 over the key. The key
 * starts with the source's id, which is unique, so two sources never meet.
 */
export function touchId(sourceId: Uuid, planKey: string): Uuid {
  const digest = hash('sha256', `${sourceId}.${planKey}`, 'buffer');
  const bytes = Buffer.allocUnsafe(16);
  bytes.write(sourceId.slice(0, 8) + sourceId.slice(9, 13), 0, 'hex');
  digest.copy(bytes, 6, 0, 10);
  return format(bytes);
}
