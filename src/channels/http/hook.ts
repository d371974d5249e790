/** What webhook receivers share: comparing secrets, reading headers, the window for replays, ids drawn from content. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { WebhookOutcome, WebhookRequest, WebhookTrust } from '../channel.ts';

const TOLERANCE_MS = 5 * 60_000;
const MAX_DETAIL_CHARS = 500;

type Refusal = Extract<WebhookOutcome, { kind: 'refused' }>;

export function refused(reason: Refusal['reason'], detail: string): Refusal {
  return { kind: 'refused', reason, detail };
}

/** A header that came exactly once. */
export function header(request: WebhookRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : value?.length === 1 ? value[0] : undefined;
}

/** Takes the same time whatever differs. */
export function sameSecret(one: string | Buffer, other: string | Buffer): boolean {
  const digest = (value: string | Buffer) => createHash('sha256').update(value).digest();
  return timingSafeEqual(digest(one), digest(other));
}

/** A signed time: Unix seconds as text. Null: within the window. */
export function staleness(seconds: string, trust: WebhookTrust): Refusal | null {
  if (!/^\d{1,12}$/.test(seconds)) return refused('unreadable', 'The signed time is no number of seconds.');
  const away = Math.abs(trust.now - Number(seconds) * 1_000);
  const limit = trust.tolerance_ms ?? TOLERANCE_MS;
  return away <= limit ? null : refused('too_old', `Signed ${Math.round(away / 1_000)} s away from now.`);
}

/**
 * For providers that sign nothing: the name and password, or the token, that they were told to call with. Without
 * any secret the call is only as trustworthy as its address is hard to guess.
 */
export function authorized(request: WebhookRequest, { secrets }: WebhookTrust): Refusal | null {
  if (secrets.length === 0) return null;
  const given = header(request, 'authorization') ?? '';
  const expected = secrets.flatMap((secret) => [
    `Basic ${Buffer.from(secret).toString('base64')}`,
    `Bearer ${secret}`,
  ]);
  // All are compared, so that time tells nothing of which came close.
  const fits = expected.map((value) => sameSecret(given, value)).includes(true);
  return fits ? null : refused('bad_signature', 'The call carries none of the expected credentials.');
}

/** An id that is the same for the same content. */
export function drawnId(...parts: (string | number | undefined)[]): string {
  const joined = parts.map((part) => part ?? '').join('\0');
  return createHash('sha256').update(joined).digest('base64url').slice(0, 32);
}

/** A text of the provider as kept with an event: one line, bounded. Absent when there is none. */
export function detailOf(...parts: (string | undefined)[]): { detail?: string } {
  const joined = parts.filter((part) => part !== undefined && part !== '').join(': ');
  const detail = joined
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, MAX_DETAIL_CHARS);
  return detail === '' ? {} : { detail };
}

/** A time as ISO text, or a number of seconds; undefined when it is neither. */
export function timeOf(value: unknown): Date | undefined {
  const ms =
    typeof value === 'number' ? value * 1_000 : typeof value === 'string' ? Date.parse(value) : Number.NaN;
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
