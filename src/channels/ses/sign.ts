/**
 * AWS Signature Version 4 (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html): pure.
 * In: a request, credentials, the time. Out: its headers with date and authorization.
 */
import { createHash, createHmac } from 'node:crypto';

export interface Signable {
  method: string;
  url: string;
  headers: Readonly<Record<string, string>>;
  body?: string;
}

export interface Credentials {
  access_key_id: string;
  secret_access_key: string;
  session_token?: string | undefined;
  region: string;
  service: string;
}

export function signed(request: Signable, credentials: Credentials, now: Date): Record<string, string> {
  const url = new URL(request.url);
  const time = now.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const headers: Record<string, string> = { host: url.host, 'x-amz-date': time };
  for (const [name, value] of Object.entries(request.headers))
    headers[name.toLowerCase()] = value.trim().replace(/ +/g, ' ');
  if (credentials.session_token !== undefined) headers['x-amz-security-token'] = credentials.session_token;
  const names = Object.keys(headers).sort();
  const canonical = [
    request.method,
    canonicalPath(url.pathname),
    canonicalQuery(url.searchParams),
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    sha256(request.body ?? ''),
  ].join('\n');
  const scope = `${day}/${credentials.region}/${credentials.service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n');
  const signature = hmac(signingKey(credentials, day), toSign).toString('hex');
  const { host: _host, ...own } = headers;
  return {
    ...own,
    authorization: `AWS4-HMAC-SHA256 Credential=${credentials.access_key_id}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
  };
}

function signingKey({ secret_access_key, region, service }: Credentials, day: string): Buffer {
  return [day, region, service, 'aws4_request'].reduce<Buffer | string>(
    (key, part) => hmac(key, part),
    `AWS4${secret_access_key}`,
  ) as Buffer;
}

/** Each segment, as it stands in the URL, encoded once more: so every service but S3 does it. */
function canonicalPath(path: string): string {
  return path.split('/').map(encoded).join('/') || '/';
}

function canonicalQuery(query: URLSearchParams): string {
  return [...query]
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .sort()
    .join('&');
}

/** RFC 3986: all but letters, digits, `-._~`. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
