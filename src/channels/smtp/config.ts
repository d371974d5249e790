/**
 * What an SMTP sender's `config` may hold. Without `secure` or `require_tls` the connection is still encrypted
 * when the server offers STARTTLS; with a password it must be, unless the server is on this machine or
 * `require_tls: false` says otherwise: an attacker in between could strip the offer and read the password.
 */
import { createPrivateKey } from 'node:crypto';
import { hostname } from 'node:os';
import { z } from 'zod';

const MAX_CONNECTIONS = 100;
const MAX_MESSAGES_PER_CONNECTION = 10_000;
const MAX_RATE_PER_SECOND = 1_000;

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/i;
const HOST = /^[A-Za-z0-9._:-]+$/;
const DOMAIN = /^[\p{L}\p{N}_.-]+$/u;
const SELECTOR = /^[A-Za-z0-9_.-]+$/;

function isRsaKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === 'rsa';
  } catch {
    return false;
  }
}

const Dkim = z.strictObject({
  domain: z.string().min(1).max(253).regex(DOMAIN),
  selector: z.string().min(1).max(63).regex(SELECTOR),
  private_key: z.string().max(16_384).refine(isRsaKey, 'must be an RSA private key in PEM form'),
});

const SmtpFields = z.strictObject({
  host: z.string().min(1).max(253).regex(HOST),
  port: z.int().min(1).max(65_535).default(587),
  /** TLS from the first byte (port 465). */
  secure: z.boolean().default(false),
  /** Refuse to go on when the server does not offer STARTTLS. */
  require_tls: z.boolean().optional(),
  username: z.string().min(1).max(320).optional(),
  password: z.string().min(1).max(1_024).optional(),
  dkim: Dkim.optional(),
  max_connections: z.int().min(1).max(MAX_CONNECTIONS).default(5),
  max_messages_per_connection: z.int().min(1).max(MAX_MESSAGES_PER_CONNECTION).default(100),
  /** Messages started a second over all connections of this process. */
  rate_per_second: z.number().positive().max(MAX_RATE_PER_SECOND).optional(),
  tls: z.strictObject({ reject_unauthorized: z.boolean().optional() }).optional(),
  /** The name this side gives in EHLO; some servers check that it resolves. */
  ehlo: z
    .string()
    .min(1)
    .max(253)
    .regex(/^[A-Za-z0-9.:[\]-]+$/)
    .optional(),
});

export type SmtpConfig = z.infer<typeof SmtpFields> & { require_tls: boolean };

export const SmtpConfigSchema = SmtpFields.superRefine((config, context) => {
  if ((config.username === undefined) !== (config.password === undefined)) {
    const path = config.username === undefined ? 'username' : 'password';
    context.addIssue({ code: 'custom', path: [path], message: 'username and password belong together' });
  }
}).transform((config): SmtpConfig => ({ ...config, require_tls: mustEncrypt(config) }));

function mustEncrypt(config: z.infer<typeof SmtpFields>): boolean {
  if (config.secure) return false;
  if (config.require_tls !== undefined) return config.require_tls;
  return config.password !== undefined && !LOOPBACK.test(config.host);
}

export const SMTP_SECRET_FIELDS = ['password', 'dkim.private_key'] as const;

/** The EHLO name: as configured, else this machine's full name, else the address literal RFC 5321 4.1.3 asks for. */
export function ehloName(config: Pick<SmtpConfig, 'ehlo'>): string {
  if (config.ehlo !== undefined) return config.ehlo;
  const name = hostname();
  return name.includes('.') ? name : '[127.0.0.1]';
}
