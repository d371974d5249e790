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
  /** By contact, and by contact and channel. */
  const perContact = new Map<string, number>();
  const count = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1);
  const contacts = new Map(
    evidence.organizations.flatMap(({ contacts: own }) =>
      Object.entries(own).flatMap(([contact, addresses]) =>
        addresses.map((address) => [address, contact] as const),
      ),
    ),
  );
  const channels = new Map(
    evidence.organizations.flatMap(({ senders }) =>
      senders.map(({ account, channel }) => [account, channel] as const),
    ),
  );
  const acceptances = acceptancesOf(evidence);
  const given = givenBack(acceptances, wordsOf(evidence));
  for (const acceptance of acceptances) {
    if (given.has(acceptance)) continue;
    const { account, recipient } = acceptance;
    const contact = contacts.get(recipient ?? '');
    if (account) count(perAccount, account);
    if (contact) count(perContact, contact);
    if (contact) count(perContact, `${contact} ${channels.get(account ?? '')}`);
  }
  // All zones of these runs differ from UTC by whole hours, and it is day in them: a run over midnight in UTC is judged
  // as if it had two days.
  const days = periods(evidence, DAY_MS);
  const hours = periods(evidence, HOUR_MS);
  const found: Violation[] = [];
  for (const { daily_cap, channel_caps, contacts: own, senders, label } of evidence.organizations) {
    for (const { account, daily_limit, hourly_limit } of senders) {
      const sent = perAccount.get(account) ?? 0;
      const limit = Math.min((daily_limit ?? Infinity) * days, (hourly_limit ?? Infinity) * hours);
      if (sent > limit)
        found.push({ invariant: 'I8', what: `accepted ${sent}, limit ${limit}`, org: label, account });
    }
    const caps: [string, number][] = Object.entries(channel_caps).map(([channel, cap]) => [
      ` ${channel}`,
      cap * days,
    ]);
    if (daily_cap !== null) caps.push(['', daily_cap * days]);
    for (const contact of Object.keys(own)) {
      for (const [of, cap] of caps) {
        const got = perContact.get(contact + of) ?? 0;
        if (got > cap)
          found.push({
            invariant: 'I13',
            what: `a contact got ${got}${of}, cap ${cap}`,
            org: label,
            contact,
          });
      }
    }
  }
  return found;
}

function periods({ from, until }: Evidence, length: number): number {
  return Math.floor(until / length) - Math.floor(from / length) + 1;
}
