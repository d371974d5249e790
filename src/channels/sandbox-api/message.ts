/** The providers that are played, and a message as one of them understood and took it. */

export const MAIL_PROVIDERS = ['resend', 'postmark', 'sendgrid', 'mailgun', 'brevo', 'ses'] as const;
export const SMS_PROVIDERS = ['twilio', 'telnyx', 'quo'] as const;
export const CHAT_PROVIDERS = ['whatsapp_cloud', 'waha', 'telegram_bot', 'webhook'] as const;
export const PROVIDERS = [...MAIL_PROVIDERS, ...SMS_PROVIDERS, ...CHAT_PROVIDERS] as const;
export type ProviderName = (typeof PROVIDERS)[number];
export type SmsProviderName = (typeof SMS_PROVIDERS)[number];
export type ChatProviderName = (typeof CHAT_PROVIDERS)[number];

/** What an account's sender is known by. */
export function ownedBy(provider: ProviderName): 'domains' | 'numbers' | 'bot' | 'nothing' {
  if (MAIL_PROVIDERS.some((name) => name === provider)) return 'domains';
  if (provider === 'telegram_bot') return 'bot';
  return provider === 'webhook' ? 'nothing' : 'numbers';
}

/** A message as the provider understood it. A text message has no subject, no HTML and no headers. */
export interface Submission {
  touch_id: string | null;
  touch_key: string | null;
  /** What this provider tells repetitions by; null: nothing. */
  idempotency_key: string | null;
  message_id: string | null;
  from: string;
  to: string;
  reply_to: string | null;
  subject: string;
  text: string | null;
  html: string | null;
  headers: Record<string, string>;
  /** Provider's own: tags, streams, settings. */
  extra: Record<string, unknown>;
}

export interface Accepted extends Submission {
  id: string;
  provider: ProviderName;
  at: string;
  body_hash: string;
}
