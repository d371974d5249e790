/**
 * What is told of contacts. What was acknowledged is there, and all that it leads to was carried out in the end; and it led to
 * what it must: whoever was on the way through a sequence that such an event ends is so no more. (That nothing is sent
 * after a reaction that was answered is judged in `stops.ts`, like every stop.)
 */
import { certainlyRefused, overAt, succeeded } from './effect.ts';
import type { Ack, Evidence } from './evidence.ts';
import type { Violation } from './violation.ts';

export function checkTold(evidence: Evidence): Violation[] {
  return [...lost(evidence), ...ignored(evidence)];
}

function lost({ acks, told }: Evidence): Violation[] {
  const known = new Map(told.map((event) => [event.id, event]));
  return acks.flatMap(({ act, event, event_id, n, org }): Violation[] => {
    if (act !== 'tell' || event_id === undefined) return [];
    const found = known.get(event_id);
    const facts = { invariant: 'I3' as const, event, event_id, org, ack: n };
    if (!found) return [{ ...facts, what: 'an acknowledged event is gone' }];
    return found.reacted ? [] : [{ ...facts, what: 'an acknowledged event was never reacted to' }];
  });
}

const LIVE = ['active', 'paused'];

/** Enrolled for certain before it was told, and live at the end though nobody may have restarted it since. */
function ignored({ acks, enrollments, organizations }: Evidence): Violation[] {
  const ends = new Map(
    organizations.flatMap(({ sequences }) => sequences.map(({ id, ends_on }) => [id, ends_on] as const)),
  );
  const enrolled = new Map<string, Ack>();
  for (const ack of acks) for (const id of ack.enrolled ?? []) if (!enrolled.has(id)) enrolled.set(id, ack);
  const restarts = new Map<string, Ack[]>();
  for (const ack of acks) {
    if (ack.act !== 'restart' || !ack.target || certainlyRefused(ack)) continue;
    restarts.set(ack.target.id, [...(restarts.get(ack.target.id) ?? []), ack]);
  }
  const told = acks.filter((ack) => ack.act === 'tell' && succeeded(ack));
  return enrollments.flatMap(({ id, contact, sequence, status, org }): Violation[] => {
    const since = enrolled.get(id);
    if (!since || !LIVE.includes(status)) return [];
    const by = told.find(
      ({ event, target, began }) =>
        target?.id === contact &&
        ends.get(sequence)?.includes(event!) &&
        BigInt(since.ended) < BigInt(began) &&
        !(restarts.get(id) ?? []).some((restart) => overAt(restart) > BigInt(began)),
    );
    if (!by) return [];
    const what = `${status}, though an event that ends it was told`;
    return [
      { invariant: 'I1', what, enrollment: id, event: by.event, event_id: by.event_id, org, ack: by.n },
    ];
  });
}
