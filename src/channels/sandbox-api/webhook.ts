/** Somebody's own system as Standard Webhooks describes a receiver: signature, time, each id taken once. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Account } from './account.ts';
import type { Dialect, Incoming, Refusal, Reply, Understood } from './dialect.ts';
import { json } from './dialect.ts';
import { textSubmission } from './text.ts';

const TOLERANCE_S = 300;

const error = (status: number, message: string): Reply => ({ status, body: { error: message } });
const no = (...parts: Parameters<typeof error>): Understood => ({ kind: 'answer', reply: error(...parts) });

/** The standard's own check; null: it is sound. */
function flawOf({ headers, body, now }: Incoming, { secrets }: Account): string | null {
  const [id, time, given] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map(
    (name) => headers[name],
  );
  if (!id || !time || !given) return 'Missing required headers';
  if (id.includes('.')) return 'The id holds a full stop';
  if (Math.abs(now / 1_000 - Number(time)) > TOLERANCE_S) return 'Message timestamp too old';
  const key = Buffer.from(secrets.key.slice('whsec_'.length), 'base64');
  const expected = Buffer.from(createHmac('sha256', key).update(`${id}.${time}.${body}`).digest('base64'));
  const fits = given.split(' ').some((one) => {
    const [version, signature = ''] = one.split(',');
    const bytes = Buffer.from(signature);
    return version === 'v1' && bytes.length === expected.length && timingSafeEqual(bytes, expected);
  });
  return fits ? null : 'No matching signature found';
}

function understand(incoming: Incoming, account: Account): Understood {
  if (incoming.method !== 'POST') return no(405, 'POST only');
  if (!/^application\/json/.test(incoming.headers['content-type'] ?? '')) return no(415, 'JSON only');
  const flaw = flawOf(incoming, account);
  if (flaw !== null) return no(401, flaw);
  const value = json(incoming.body);
  if (typeof value !== 'object' || value === null) return no(400, 'The body is no JSON object');
  const { touch_id, contact_id } = value as Record<string, unknown>;
  const key = incoming.headers['idempotency-key'];
  if (!key) return no(400, 'No Idempotency-Key');
  const submission = textSubmission(
    { from: account.provider, to: String(contact_id ?? ''), text: incoming.body },
    null,
    { path: incoming.path },
  );
  return {
    kind: 'send',
    submission: {
      ...submission,
      touch_id: typeof touch_id === 'string' ? touch_id : null,
      touch_key: key,
      idempotency_key: key,
      extra: { path: incoming.path, webhook_id: incoming.headers['webhook-id'] },
    },
  };
}

const REFUSED: Record<Refusal, (retry_after_s: number) => Reply> = {
  address: () => error(410, 'Gone'),
  content: () => error(422, 'Unprocessable'),
  sender: () => error(403, 'Forbidden'),
  unauthorized: () => error(401, 'No matching signature found'),
  throttle: (seconds) => ({
    ...error(429, 'Too many requests'),
    headers: { 'retry-after': String(seconds) },
  }),
  unavailable: () => error(503, 'Unavailable'),
};

export const webhook: Dialect = {
  provider: 'webhook',
  events: [],
  // Its address is the step's, not the sender's.
  config: (account) => ({ signing_secret: account.secrets.key, deduplicates: true }),
  webhookSecret: () => '',
  understand,
  accepted: ({ id }) => ({ status: 202, body: { id } }),
  repeated: ({ id }, same) => (same ? { status: 202, body: { id } } : error(409, 'The key was used')),
  refused: (why, _submission, retry_after_s) => REFUSED[why](retry_after_s),
  signal: () => {
    throw new Error('A receiver calls nobody');
  },
};
