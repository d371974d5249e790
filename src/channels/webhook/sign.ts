/** The signature of Standard Webhooks: HMAC-SHA256 over `id.time.body`, with a version before it. Pure. */
import { createHmac } from 'node:crypto';

const PREFIX = 'whsec_';
const MIN_KEY_BYTES = 24;
const MAX_KEY_BYTES = 64;

/** Null: it is no secret of the standard. */
export function keyOf(secret: string): Buffer | null {
  const written = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret;
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(written)) return null;
  const key = Buffer.from(written, 'base64');
  return key.length >= MIN_KEY_BYTES && key.length <= MAX_KEY_BYTES ? key : null;
}

/** `at` in Unix milliseconds; the standard signs seconds. One signature a secret, newest first. */
export function signedHeaders(
  key: string,
  body: string,
  secrets: readonly string[],
  at: number,
): Record<string, string> {
  // The full stop parts what is signed, so it may not stand in the id.
  const id = `msg_${key.replaceAll('.', '_')}`;
  const time = String(Math.floor(at / 1_000));
  const signatures = secrets.map((secret) => {
    const mac = createHmac('sha256', keyOf(secret)!).update(`${id}.${time}.${body}`).digest('base64');
    return `v1,${mac}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signatures.join(' ') };
}
