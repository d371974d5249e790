import { createHmac, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId } from '../kernel/ids.ts';
import { createUnsubscribeTokens, TOKEN_CHANNELS, type UnsubscribeClaim } from './unsubscribe-token.ts';

const first = { version: 1, secret: randomBytes(32) };
const second = { version: 2, secret: randomBytes(48) };

function claim(): UnsubscribeClaim {
  return { org_id: newId(), contact_id: newId(), touch_id: newId(), channel: 'email' };
}

describe('unsubscribe tokens', () => {
  it('[CON-5] say whom they are about, for every channel', () => {
    const tokens = createUnsubscribeTokens([first]);
    for (const channel of TOKEN_CHANNELS) {
      const about = { ...claim(), channel };
      expect(tokens.verify(tokens.sign(about))).toEqual(about);
    }
  });

  it('[CON-5] keep working after the key was rotated, for ever', () => {
    const about = claim();
    const old = createUnsubscribeTokens([first]).sign(about);
    const rotated = createUnsubscribeTokens([first, second]);
    expect(rotated.verify(old)).toEqual(about);
    // The newest signs: who holds only the old key does not accept it.
    expect(createUnsubscribeTokens([first]).verify(rotated.sign(about))).toBeNull();
    expect(createUnsubscribeTokens([second]).verify(rotated.sign(about))).toEqual(about);
  });

  it('[CON-5] cannot be changed in any bit, nor guessed', () => {
    const tokens = createUnsubscribeTokens([first, second]);
    const token = tokens.sign(claim());
    const bytes = Buffer.from(token, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = changed[bit >> 3]! ^ (1 << (bit & 7));
      expect(tokens.verify(changed.toString('base64url'))).toBeNull();
    }
    expect(createUnsubscribeTokens([{ version: 2, secret: randomBytes(32) }]).verify(token)).toBeNull();
  });

  it('[CON-5] answer null to anything else, and never throw', () => {
    const tokens = createUnsubscribeTokens([first]);
    const token = tokens.sign(claim());
    for (const text of [
      '',
      'x',
      token.slice(1),
      `${token}A`,
      token.replace(/./, '='),
      `${token.slice(0, -1)}!`,
    ]) {
      expect(tokens.verify(text)).toBeNull();
    }
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => tokens.verify(text) === null));
  });

  it('hold ids and nothing else, and are signed with HMAC-SHA256', () => {
    const about = claim();
    const token = Buffer.from(createUnsubscribeTokens([second]).sign(about), 'base64url');
    expect(token.length).toBe(82);
    const ids = [about.org_id, about.contact_id, about.touch_id].map((id) => id.replaceAll('-', '')).join('');
    expect(token.toString('hex', 0, 50)).toBe(`0200${ids}`);
    const mac = createHmac('sha256', second.secret).update(token.subarray(0, 50)).digest('hex');
    expect(token.toString('hex', 50)).toBe(mac);
    const long = { version: 3, secret: randomBytes(100) };
    const other = Buffer.from(createUnsubscribeTokens([long]).sign(about), 'base64url');
    expect(other.toString('hex', 50)).toBe(
      createHmac('sha256', long.secret).update(other.subarray(0, 50)).digest('hex'),
    );
  });

  it('refuse ids that are none', () => {
    const tokens = createUnsubscribeTokens([first]);
    for (const id of ['', 'x', `${newId().slice(0, -1)}g`, `${newId()}0`]) {
      expect(() => tokens.sign({ ...claim(), contact_id: id })).toThrow();
    }
  });

  it('refuse keys that are none', () => {
    expect(() => createUnsubscribeTokens([])).toThrow();
    expect(() => createUnsubscribeTokens([{ version: 0, secret: randomBytes(32) }])).toThrow();
    expect(() => createUnsubscribeTokens([{ version: 1, secret: randomBytes(31) }])).toThrow();
    expect(() => createUnsubscribeTokens([first, { ...second, version: 1 }])).toThrow();
  });
});
