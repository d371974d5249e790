/** The other end of Signature Version 4: is a request signed with this account's secret, and freshly. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Incoming } from './dialect.ts';

const MAX_AGE_MS = 5 * 60_000;
const FORM =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/ses\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/;

export interface SignatureFlaw {
  type: string;
  message: string;
}

export function signatureFlaw(
  request: Incoming,
  account: { key: string; secret: string; region: string },
): SignatureFlaw | null {
  const found = FORM.exec(request.headers.authorization ?? '');
  if (!found) return { type: 'MissingAuthenticationTokenException', message: 'Missing Authentication Token' };
  const [, key, day, region, names, signature] = found as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  if (key !== account.key)
    return {
      type: 'UnrecognizedClientException',
      message: 'The security token included in the request is invalid.',
    };
  const time = request.headers['x-amz-date'] ?? '';
  const at = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (!time.startsWith(day) || region !== account.region || !(Math.abs(request.now - at) <= MAX_AGE_MS))
    return { type: 'InvalidSignatureException', message: 'Signature expired, or of another scope.' };
  const list = names.split(';');
  if (!list.includes('host') || !list.includes('x-amz-date'))
    return { type: 'InvalidSignatureException', message: 'host and x-amz-date must be signed.' };
  const url = new URL(request.target, 'http://sandbox');
  const query = [...url.searchParams].map(([name, value]) => `${escaped(name)}=${escaped(value)}`).sort();
  let canonical = `${request.method}\n${url.pathname.split('/').map(escaped).join('/')}\n${query.join('&')}\n`;
  for (const name of list) canonical += `${name}:${(request.headers[name] ?? '').trim()}\n`;
  canonical += `\n${names}\n${digest(request.body)}`;
  let derived: Buffer = Buffer.from(`AWS4${account.secret}`);
  for (const part of [day, region, 'ses', 'aws4_request']) derived = mac(derived, part);
  const text = `AWS4-HMAC-SHA256\n${time}\n${day}/${region}/ses/aws4_request\n${digest(canonical)}`;
  if (timingSafeEqual(mac(derived, text), Buffer.from(signature, 'hex'))) return null;
  return {
    type: 'InvalidSignatureException',
    message: 'The request signature we calculated does not match the signature you provided.',
  };
}

function escaped(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function mac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
