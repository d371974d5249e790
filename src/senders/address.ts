/** The address a sender sends from: what each channel takes, in one spelling. Pure. */
import { z } from 'zod';
import type { SenderChannel } from '../kernel/channels.ts';
import type { FieldError } from '../kernel/problem.ts';

const E164 = /^\+[1-9]\d{6,14}$/;
const PHONE_PUNCTUATION = /[\s().-]/g;
const BOT = /^[A-Za-z][A-Za-z0-9_]{4,31}$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$/;
const MAX_EMAIL = 254;

interface AddressRule {
  /** Null: it is none. */
  read(text: string): string | null;
  advice: string;
}

const email: AddressRule = {
  read: (text) => (text.length <= MAX_EMAIL && z.email().safeParse(text).success ? text : null),
  advice: 'This is not an e-mail address',
};
const phone: AddressRule = {
  read(text) {
    const digits = text.replace(PHONE_PUNCTUATION, '');
    return E164.test(digits) ? digits : null;
  },
  advice: 'Write the number in E.164: + and country code, then digits, such as +4930123456',
};

const RULES: Record<SenderChannel, AddressRule> = {
  email,
  sms: phone,
  whatsapp: phone,
  whatsapp_lite: phone,
  telegram: {
    read: (text) => (BOT.test(text.replace(/^@/, '')) ? text.replace(/^@/, '') : null),
    advice: "Give the bot's name, such as example_bot",
  },
  webhook: {
    read: (text) => (NAME.test(text) ? text : null),
    advice: 'Give a short name by which the receiver knows this source: letters, digits, space . _ -',
  },
};

export interface Addresses {
  from_address: string;
  reply_to: string | null;
}

/** Both as they are to be kept, and what is wrong with them. */
export function readAddresses(
  channel: SenderChannel,
  given: Addresses,
): { addresses: Addresses; errors: FieldError[] } {
  const rule = RULES[channel];
  const errors: FieldError[] = [];
  const from = rule.read(given.from_address.trim());
  if (from === null)
    errors.push({ field: 'from.address', code: `invalid_${channel}_address`, message: rule.advice });
  if (given.reply_to !== null && channel !== 'email') {
    const message = `Only e-mail has a reply address; ${channel} is answered where it came from`;
    errors.push({ field: 'reply_to', code: 'not_for_channel', message });
  }
  return { addresses: { from_address: from ?? given.from_address, reply_to: given.reply_to }, errors };
}
