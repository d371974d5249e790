/**
 * What a `ses` sender's `config` holds: a region and credentials that may call SES. `base_url` follows from the region;
 * set it for another endpoint (FIPS, a VPC endpoint, the sandbox).
 */
import { z } from 'zod';
import { apiKey, baseUrl, httpFields } from '../http/config.ts';

const { max_connections, rate_per_second } = httpFields('https://email.us-east-1.amazonaws.com');

const SesFields = z.strictObject({
  region: z
    .string()
    .max(40)
    .regex(/^[a-z]{2}(-[a-z]+)+-\d+$/),
  base_url: baseUrl.optional(),
  access_key_id: apiKey,
  secret_access_key: apiKey,
  /** Of temporary credentials; they run out, and the sender with them. */
  session_token: z
    .string()
    .max(4_000)
    .regex(/^[\x21-\x7e]+$/)
    .optional(),
  /** Where events go, and their own sending pool. */
  configuration_set: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/)
    .optional(),
  max_connections,
  rate_per_second,
});

export const SesConfigSchema = SesFields.transform(({ base_url, ...config }) => ({
  ...config,
  base_url: base_url ?? `https://email.${config.region}.amazonaws.com`,
}));
export type SesConfig = z.infer<typeof SesConfigSchema>;

export const SES_SECRET_FIELDS = ['access_key_id', 'secret_access_key', 'session_token'] as const;
