/** What every adapter over HTTP lets its senders set: where the API is, and how hard it may be used. */
import { z } from 'zod';

const MAX_CONNECTIONS = 100;
const MAX_RATE_PER_SECOND = 1_000;

const LOOPBACK = /^http:\/\/(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?(\/|$)/i;

/** A key in the clear is everybody's on the way, so plain http stays on this machine: the sandbox, a proxy. */
export const baseUrl = z
  .url({ protocol: /^https?$/ })
  .max(500)
  .refine((url) => url.startsWith('https:') || LOOPBACK.test(url), 'must be https, unless it is this machine')
  .transform((url) => url.replace(/\/+$/, ''));

/** A key as it goes into a header: one word of ASCII. */
export const apiKey = z
  .string()
  .max(500)
  .regex(/^[\x21-\x7e]+$/, 'must be one word of ASCII');

export const callLimits = {
  max_connections: z.int().min(1).max(MAX_CONNECTIONS).default(10),
  /** Calls started a second over all connections of this process. */
  rate_per_second: z.number().positive().max(MAX_RATE_PER_SECOND).optional(),
};

export function httpFields(base_url: string) {
  return { base_url: baseUrl.default(base_url), ...callLimits };
}

export interface CallLimits {
  max_connections: number;
  rate_per_second?: number | undefined;
}

export interface HttpConfig extends CallLimits {
  base_url: string;
}
