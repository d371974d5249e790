/** The channels a contact may agree to, and which of its addresses each writes to. */
export const CHANNELS = ['email', 'sms', 'whatsapp', 'call', 'linkedin', 'telegram'] as const;
export type Channel = (typeof CHANNELS)[number];

export type ConsentStatus = 'granted' | 'revoked';

/** The suppressed kind of address a channel writes to; null where there is none. */
export const KIND_OF_CHANNEL = {
  email: 'email',
  sms: 'phone',
  call: 'phone',
  whatsapp: 'whatsapp',
  telegram: 'telegram',
  linkedin: null,
} as const;
