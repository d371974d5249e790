import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createSecrets, type Place, SecretUnreadable } from './secrets.ts';

const master = () => randomBytes(32).toString('base64url');
const PLACE: Place = { org: 'o1', table: 'senders', id: 's1', field: 'password' };

describe('secrets at rest', () => {
  test('[TEN-8] what was sealed opens where it was sealed, and its bytes do not show it', () => {
    const secrets = createSecrets([master()]);
    const sealed = secrets.seal('hunter2 ümlaut', PLACE);
    expect(secrets.open(sealed, PLACE)).toBe('hunter2 ümlaut');
    expect(sealed.includes(Buffer.from('hunter2'))).toBe(false);
    expect(secrets.seal('hunter2 ümlaut', PLACE).equals(sealed)).toBe(false);
    expect(secrets.open(secrets.seal('', PLACE), PLACE)).toBe('');
  });

  test.each(Object.keys(PLACE) as (keyof Place)[])(
    '[TEN-8] copied to another %s it does not open',
    (part) => {
      const secrets = createSecrets([master()]);
      const sealed = secrets.seal('x', PLACE);
      expect(() => secrets.open(sealed, { ...PLACE, [part]: 'other' })).toThrow(SecretUnreadable);
    },
  );

  test('[TEN-8] parts of a place cannot be shifted into one another', () => {
    const secrets = createSecrets([master()]);
    const sealed = secrets.seal('x', { ...PLACE, id: 'a|b', field: 'c' });
    expect(() => secrets.open(sealed, { ...PLACE, id: 'a', field: 'b|c' })).toThrow(SecretUnreadable);
  });

  test('[TEN-8] no byte of it can be changed', () => {
    const secrets = createSecrets([master()]);
    const sealed = secrets.seal('secret', PLACE);
    for (let at = 0; at < sealed.length; at++) {
      const altered = Buffer.from(sealed);
      altered[at]! ^= 1;
      expect(() => secrets.open(altered, PLACE), `byte ${at}`).toThrow(SecretUnreadable);
    }
    expect(() => secrets.open(sealed.subarray(0, 40), PLACE)).toThrow(SecretUnreadable);
    expect(() => secrets.open(Buffer.alloc(0), PLACE)).toThrow(SecretUnreadable);
  });

  test('[TEN-8] the master secret rotates: old values open, are wrapped anew, and then need the old one no more', () => {
    const [first, second] = [master(), master()];
    const sealed = createSecrets([first]).seal('x', PLACE);
    const both = createSecrets([second, first]);
    expect(both.open(sealed, PLACE)).toBe('x');
    const wrapped = both.rewrap(sealed, PLACE);
    expect(wrapped).not.toBeNull();
    expect(both.rewrap(wrapped!, PLACE)).toBeNull();
    expect(createSecrets([second]).open(wrapped!, PLACE)).toBe('x');
    expect(() => createSecrets([first]).open(wrapped!, PLACE)).toThrow('not known here');
    expect(() => createSecrets([second]).open(sealed, PLACE)).toThrow('not known here');
  });
});
