/**
 * I8 and I13 as the provider sees them: never more accepted from one account, or for one recipient, than the limits
 * of the periods that the run touched allow, not counting what a person declared not sent. What the database counts is
 * judged in `database.ts`.
 */
import type { Evidence } from './evidence.ts';
import type { Violation } from './violation.ts';
import { acceptancesOf, givenBack, wordsOf } from './word.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export function checkLimits(evidence: Evidence): Violation[] {
  const perAccount = new Map<string, number>();
  const perRecipient = new Map<string, number>();
  const acceptances = acceptancesOf(evidence);
  const given = givenBack(acceptances, wordsOf(evidence));
  for (const acceptance of acceptances) {
    if (given.has(acceptance)) continue;
    const { account, recipient } = acceptance;
    if (account) perAccount.set(account, (perAccount.get(account) ?? 0) + 1);
    if (recipient) perRecipient.set(recipient, (perRecipient.get(recipient) ?? 0) + 1);
  }
  // All zones of these runs are UTC; a run over midnight may use two days.
  const days = periods(evidence, DAY_MS);
  const hours = periods(evidence, HOUR_MS);
  const found: Violation[] = [];
  for (const { daily_cap, contacts, senders, label } of evidence.organizations) {
    for (const { account, daily_limit, hourly_limit } of senders) {
      const sent = perAccount.get(account) ?? 0;
      const limit = Math.min((daily_limit ?? Infinity) * days, (hourly_limit ?? Infinity) * hours);
      if (sent > limit)
        found.push({ invariant: 'I8', what: `accepted ${sent}, limit ${limit}`, org: label, account });
    }
    for (const recipient of daily_cap === null ? [] : Object.values(contacts)) {
      const got = perRecipient.get(recipient) ?? 0;
      if (got > daily_cap! * days)
        found.push({
          invariant: 'I13',
          what: `a contact got ${got}, cap ${daily_cap! * days}`,
          org: label,
          recipient,
        });
    }
  }
  return found;
}

function periods({ from, until }: Evidence, length: number): number {
  return Math.floor(until / length) - Math.floor(from / length) + 1;
}
