import { describe, expect, it } from 'vitest';
import { signed } from './sign.ts';

/** The credentials and the time of Amazon's published examples. */
const CREDENTIALS = {
  access_key_id: 'AKIDEXAMPLE',
  secret_access_key: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  region: 'us-east-1',
};
const NOW = new Date('2015-08-30T12:36:00Z');

function signature(service: string, request: Parameters<typeof signed>[0]): string | undefined {
  const { authorization } = signed(request, { ...CREDENTIALS, service }, NOW);
  return /Signature=([0-9a-f]{64})$/.exec(authorization!)?.[1];
}

describe('Signature Version 4, as Amazon publishes it', () => {
  it('signs the example of the manual (ListUsers)', () => {
    const request = {
      method: 'GET',
      url: 'https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded; charset=utf-8' },
    };
    expect(signature('iam', request)).toBe(
      '5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
    );
  });

  it.each([
    [
      'get-vanilla',
      'GET',
      '/',
      {},
      undefined,
      '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    ],
    [
      'post-vanilla',
      'POST',
      '/',
      {},
      undefined,
      '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
    ],
    [
      'get-vanilla-query-order-key-case',
      'GET',
      '/?Param2=value2&Param1=value1',
      {},
      undefined,
      'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
    ],
    [
      'post-x-www-form-urlencoded',
      'POST',
      '/',
      { 'Content-Type': 'application/x-www-form-urlencoded' },
      'Param1=value1',
      'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
    ],
  ])('signs %s of the test suite', (_name, method, path, headers, body, expected) => {
    const url = `https://example.amazonaws.com${path}`;
    const request = { method, url, headers: headers as Record<string, string>, ...(body ? { body } : {}) };
    expect(signature('service', request)).toBe(expected);
  });

  it('names what it signed, and a session token is among it', () => {
    const headers = signed(
      { method: 'GET', url: 'https://example.amazonaws.com/', headers: {} },
      { ...CREDENTIALS, service: 'ses', session_token: 'token' },
      NOW,
    );
    expect(headers['x-amz-security-token']).toBe('token');
    expect(headers.authorization).toContain('SignedHeaders=host;x-amz-date;x-amz-security-token');
    expect(headers.host).toBeUndefined();
  });
});
