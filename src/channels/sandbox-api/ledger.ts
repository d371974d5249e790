/**
 * The record of the program: append-only, one JSON object a line, on the disk before anything is answered. What was
 * accepted is read back at the next start, so that keys and look-ups outlive the process.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Journal } from '../sandbox-http/journal.ts';
import type { Account } from './account.ts';
import type { Accepted, ProviderName } from './message.ts';

const FILE = 'journal.jsonl';

export interface Ledger {
  readonly path: string;
  begun(call: number, provider: ProviderName, what: Record<string, unknown>): Promise<void>;
  accepted(call: number, message: Accepted): Promise<void>;
  answered(call: number, provider: ProviderName, answer: number | string): Promise<void>;
  optedOut(provider: ProviderName, number: string): Promise<void>;
  close(): Promise<void>;
}

export async function openLedger(
  dir: string,
  accounts: Readonly<Record<ProviderName, Account>>,
): Promise<Ledger> {
  const before = join(dir, FILE);
  if (existsSync(before)) {
    for (const line of readFileSync(before, 'utf8').split('\n')) {
      const { event, message, provider, number } = entryIn(line);
      if (event === 'accepted') accounts[message.provider as ProviderName].restore(message);
      else if (event === 'opted_out') accounts[provider as ProviderName].opted_out.add(number);
    }
  }
  const journal = await Journal.open(dir);
  return {
    path: journal.path,
    begun: (call, provider, what) => journal.record({ event: 'begun', call, provider, ...what }),
    accepted: (call, message) => journal.record({ event: 'accepted', call, message }),
    answered: (call, provider, answer) => journal.record({ event: 'answered', call, provider, answer }),
    optedOut: (provider, number) => journal.record({ event: 'opted_out', call: 0, provider, number }),
    close: () => journal.close(),
  };
}

/** A line cut by a kill is no line. */
// biome-ignore lint/suspicious/noExplicitAny: what this program itself wrote
function entryIn(line: string): any {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}
