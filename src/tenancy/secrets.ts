/**
 * Secrets at rest (TEN-8). In: a text and where it lies. Out: bytes for a bytea column, and back. Envelope encryption:
 * each value has a data key of its own, wrapped by a key-encryption key that comes from the master secret. Where it
 * lies is authenticated with it, so a value copied to another organization, row or field does not open. Several master
 * secrets may be known, newest first: old values open, new ones and `rewrap` use the newest.
 *
 *   version 1 · key id 4 · wrap nonce 12 · wrapped data key 32 · wrap tag 16 · nonce 12 · text n · tag 16
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import type { Uuid } from '../kernel/ids.ts';
import { invariant } from '../kernel/invariant.ts';

export interface Place {
  org: Uuid;
  table: string;
  id: string;
  field: string;
}

export interface Secrets {
  seal(text: string, place: Place): Buffer;
  /** @throws SecretUnreadable */
  open(sealed: Buffer, place: Place): string;
  /** The same value under the newest key; null when it is already. @throws SecretUnreadable */
  rewrap(sealed: Buffer, place: Place): Buffer | null;
}

export class SecretUnreadable extends Error {
  override name = 'SecretUnreadable';
}

const VERSION = 1;
const ALGORITHM = 'aes-256-gcm';
const KEY_ID = 4;
const NONCE = 12;
const KEY = 32;
const TAG = 16;
const WRAPPED = NONCE + KEY + TAG;
const HEAD = 1 + KEY_ID + WRAPPED;

interface KeyEncryptionKey {
  id: Buffer;
  key: Buffer;
}

function keyEncryptionKey(master: string): KeyEncryptionKey {
  const key = Buffer.from(hkdfSync('sha256', master, '', 'cadenza key encryption v1', KEY));
  return { key, id: createHash('sha256').update('id').update(key).digest().subarray(0, KEY_ID) };
}

function encrypt(key: Buffer, plain: Buffer, aad: Buffer): Buffer {
  const nonce = randomBytes(NONCE);
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG }).setAAD(aad);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Buffer, box: Buffer, aad: Buffer): Buffer {
  const decipher = createDecipheriv(ALGORITHM, key, box.subarray(0, NONCE), { authTagLength: TAG })
    .setAAD(aad)
    .setAuthTag(box.subarray(-TAG));
  return Buffer.concat([decipher.update(box.subarray(NONCE, -TAG)), decipher.final()]);
}

// A list in JSON: no value can be shifted from one part into the next.
function aadOf(purpose: 'key' | 'text', place: Place): Buffer {
  return Buffer.from(JSON.stringify([purpose, place.org, place.table, place.id, place.field, VERSION]));
}

/** `masters`: master secrets, newest first. */
export function createSecrets(masters: readonly string[]): Secrets {
  invariant(masters.length > 0, 'there is a master secret');
  const keys = masters.map(keyEncryptionKey);
  const newest = keys[0]!;

  function unwrap(sealed: Buffer, place: Place): { kek: KeyEncryptionKey; dataKey: Buffer } {
    if (sealed.length < HEAD + NONCE + TAG || sealed[0] !== VERSION)
      throw new SecretUnreadable('not a sealed value');
    const id = sealed.subarray(1, 1 + KEY_ID);
    const kek = keys.find((one) => one.id.equals(id));
    if (!kek) throw new SecretUnreadable('sealed under a master secret that is not known here');
    return {
      kek,
      dataKey: opened(() => decrypt(kek.key, sealed.subarray(1 + KEY_ID, HEAD), aadOf('key', place))),
    };
  }

  function wrap(dataKey: Buffer, place: Place): Buffer {
    return Buffer.concat([
      Buffer.from([VERSION]),
      newest.id,
      encrypt(newest.key, dataKey, aadOf('key', place)),
    ]);
  }

  return {
    seal(text, place) {
      const dataKey = randomBytes(KEY);
      return Buffer.concat([wrap(dataKey, place), encrypt(dataKey, Buffer.from(text), aadOf('text', place))]);
    },
    open(sealed, place) {
      const { dataKey } = unwrap(sealed, place);
      return opened(() => decrypt(dataKey, sealed.subarray(HEAD), aadOf('text', place))).toString('utf8');
    },
    rewrap(sealed, place) {
      const { kek, dataKey } = unwrap(sealed, place);
      return kek === newest ? null : Buffer.concat([wrap(dataKey, place), sealed.subarray(HEAD)]);
    },
  };
}

function opened(decryption: () => Buffer): Buffer {
  try {
    return decryption();
  } catch (cause) {
    throw new SecretUnreadable('altered, or moved from where it was sealed', { cause });
  }
}
