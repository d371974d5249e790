/**
 * What persons said of touches whose outcome nobody could find out. Who says that a message was not sent, or may go
 * again, gives its place back, whatever the provider had really done with it: that much is pardoned, and no more. A
 * word pardons one acceptance, of that touch, whose call began before the word took effect.
 */
import { certainlyRefused, overAt } from './effect.ts';
import type { Evidence } from './evidence.ts';

export interface Word {
  said: 'sent' | 'not_sent' | 'resend';
  began: bigint;
  /** It took effect before this, if it did. */
  over: bigint;
}

/** By touch. A word that was refused outright is none. */
export function wordsOf(evidence: Evidence): Map<string, Word[]> {
  const words = new Map<string, Word[]>();
  for (const ack of evidence.acks) {
    if (ack.act !== 'resolve' || !ack.target || certainlyRefused(ack)) continue;
    const word = { said: ack.decision as Word['said'], began: BigInt(ack.began), over: overAt(ack) };
    words.set(ack.target.id, [...(words.get(ack.target.id) ?? []), word]);
  }
  return words;
}

export const deniesSending = ({ said }: Word) => said !== 'sent';

export interface Acceptance {
  touch: string;
  account: string | undefined;
  recipient: string | null | undefined;
  key: string | null | undefined;
  wall: string;
  /** When its call began, and the same on the wall clock. */
  began: bigint;
  began_wall: string;
}

/** In the order in which their calls began. */
export function acceptancesOf({ journal }: Evidence): Acceptance[] {
  const begun = new Map(
    journal.filter(({ event }) => event === 'begun').map(({ call, mono, wall }) => [call, { mono, wall }]),
  );
  return journal
    .filter(({ event }) => event === 'accepted')
    .map(({ touch_id, account, recipient, key, wall, call, mono }) => ({
      touch: touch_id ?? '',
      account,
      recipient,
      key,
      wall,
      began: BigInt(begun.get(call)?.mono ?? mono),
      began_wall: begun.get(call)?.wall ?? wall,
    }))
    .sort((a, b) => Number(a.began - b.began));
}

/** Acceptances whose place a person gave back. */
export function givenBack(acceptances: readonly Acceptance[], words: Map<string, Word[]>): Set<Acceptance> {
  const given = new Set<Acceptance>();
  for (const [touch, said] of words) {
    for (const word of said.filter(deniesSending)) {
      const first = acceptances.find(
        (one) => one.touch === touch && one.began < word.over && !given.has(one),
      );
      if (first) given.add(first);
    }
  }
  return given;
}
