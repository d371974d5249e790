/** A stop's receipt in words, and how long to wait for it: what several commands share. */
import type { Receipt } from '../ledger/receipts.ts';
import { UsageError } from './command.ts';

const MAX_WAIT_S = 600;

export const STOP_OPTIONS = {
  reason: { value: 'TEXT', about: 'Why, for the audit trail' },
  wait: { value: 'TIME', about: 'Wait so long (30s) until what is in flight has settled' },
} as const;

/** Milliseconds. @throws UsageError */
export function waitOption(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = /^(\d{1,3})s?$/.exec(text)?.[1];
  if (seconds === undefined || Number(seconds) > MAX_WAIT_S)
    throw new UsageError(`--wait must be a time such as 30s, ${MAX_WAIT_S}s at most.`);
  return Number(seconds) * 1_000;
}

/** What of it may still be sent; nothing else will be. */
export function receiptInWords(receipt: Receipt): string {
  const cancelled = receipt.not_started > 0 ? `${receipt.not_started} planned, now cancelled. ` : '';
  if (receipt.in_flight_count === 0) return `${cancelled}Nothing was in flight. Receipt ${receipt.id}.`;
  const flying = receipt.in_flight.map(
    (touch) => `\n  ${touch.touch}  ${touch.state}  since ${touch.since.toISOString()}`,
  );
  const more = receipt.in_flight_count - flying.length;
  const rest = more > 0 ? `\n  and ${more} more` : '';
  return `${cancelled}In flight then, with what became of it:${flying.join('')}${rest}\nReceipt ${receipt.id}.`;
}
