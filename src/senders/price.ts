/**
 * What a text message costs by the sender's own setting: a price a segment, and others by the first digits of the number.
 * Amounts are decimal texts and are counted in whole numbers: a float would show 0.30000000000000004. Pure.
 */
import type { SenderChannel } from '../kernel/channels.ts';
import type { FieldError } from '../kernel/problem.ts';

export interface Price {
  /** Of one segment: `0.0079`. */
  amount: string;
  /** ISO 4217. */
  currency: string;
  /** By the beginning of the number, the longest first: `{"+49": "0.0750"}`. */
  prefixes?: Record<string, string> | undefined;
}

export interface Cost {
  amount: string;
  currency: string;
}

/** Of a text of so many segments to this number. */
export function estimatedCost(price: Price, to: string, segments: number): Cost {
  const fitting = Object.keys(price.prefixes ?? {}).filter((prefix) => to.startsWith(prefix));
  const longest = fitting.reduce((best, one) => (one.length > best.length ? one : best), '');
  const each = price.prefixes?.[longest] ?? price.amount;
  return { amount: times(each, segments), currency: price.currency };
}

/** With as many decimals as the amount has. */
function times(amount: string, count: number): string {
  const [whole = '0', decimals = ''] = amount.split('.');
  const units = BigInt(whole + decimals) * BigInt(count);
  if (decimals === '') return units.toString();
  const digits = units.toString().padStart(decimals.length + 1, '0');
  return `${digits.slice(0, -decimals.length)}.${digits.slice(-decimals.length)}`;
}

export function priceErrors(channel: SenderChannel, price: Price | null): FieldError[] {
  if (price === null || channel === 'sms') return [];
  return [{ field: 'price', code: 'other_channel', message: 'Only text messages are counted in segments' }];
}
