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

/** Random hexadecimal digits; one id takes 19 of them. As text, because cutting it costs half of what bytes do. */
let pool = '';
let used = 0;
/** The first 48 bits of the ids of a millisecond. */
let time = '';
let timeOf = -1;
const VARIANT: Record<string, string> = {};
for (let digit = 0; digit < 16; digit++) VARIANT[digit.toString(16)] = (8 + (digit & 3)).toString(16);

/** A new UUIDv7. `now` is Unix milliseconds. */
export function newId(now: number = Date.now()): Uuid {
  if (used + 19 > pool.length) {
    pool = randomBytes(19 * 256).toString('hex');
    used = 0;
  }
  if (now !== timeOf) {
    const hex = now.toString(16).padStart(12, '0');
    time = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
    timeOf = now;
  }
  const at = used;
  used += 19;
  return `${time + pool.slice(at, at + 3)}-${VARIANT[pool[at + 3]!]}${pool.slice(at + 4, at + 7)}-${pool.slice(at + 7, at + 19)}`;
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
